// Built-ins, barriers, threadgroup memory, and kernels that are wrong on
// purpose.
#include "../../../kernels/kernel.h"

struct ThreadsArgs {
  uint op;
  uint n;
};

// Writes the 27 numbers that thread i of the grid sees.
template <int = 0>
[[kernel]] void builtins(
    device uint* out [[buffer(0)]],
    constant ThreadsArgs& args [[buffer(1)]],
    uint3 gid [[thread_position_in_grid]],
    uint3 tid [[thread_position_in_threadgroup]],
    uint3 group [[threadgroup_position_in_grid]],
    uint3 size [[threads_per_threadgroup]],
    uint3 nominal [[dispatch_threads_per_threadgroup]],
    uint3 grid [[threads_per_grid]],
    uint3 groups [[threadgroups_per_grid]],
    uint index [[thread_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]],
    uint width [[threads_per_simdgroup]],
    ushort2 gid2 [[thread_position_in_grid]]) {
  uint at = (gid.z * grid.y + gid.y) * grid.x + gid.x;
  device uint* o = out + size_t(at) * args.n;
  uint values[27] = {gid.x, gid.y, gid.z, tid.x, tid.y, tid.z, group.x, group.y, group.z,
                     size.x, size.y, size.z, nominal.x, nominal.y, nominal.z,
                     grid.x, grid.y, grid.z, groups.x, groups.y, groups.z,
                     index, lane, simdgroup, simdgroups, width, uint(gid2.y)};
  for (uint j = 0; j < args.n; j++) {
    o[j] = values[j];
  }
}

instantiate_kernel("selftest_builtins", builtins, 0)

// Inclusive prefix sum over each threadgroup, in log steps with two barriers.
// op 1 leaves out the second barrier, op 2 both.
template <int = 0>
[[kernel]] void prefix(
    device const uint* x [[buffer(0)]],
    device uint* out [[buffer(1)]],
    constant ThreadsArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]]) {
  shared_memory(uint, sums, [1024]);
  sums[tid] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint d = 1; d < threads; d *= 2) {
    uint add = tid >= d ? sums[tid - d] : 0;
    if (args.op < 2) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    sums[tid] += add;
    if (args.op < 1) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
  }
  out[i] = sums[tid];
}

instantiate_kernel("selftest_prefix", prefix, 0)

// out[group] = sum of the threadgroup. op 1 has no barrier before the last
// simdgroup adds up: right in the natural order, where that one is last.
template <int = 0>
[[kernel]] void group_sum(
    device const float* x [[buffer(0)]],
    device float* out [[buffer(1)]],
    constant ThreadsArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  shared_memory(float, partial, [32]);
  float sum = simd_sum(x[i]);
  if (lane == 0) {
    partial[simdgroup] = sum;
  }
  if (args.op == 0) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (simdgroup == simdgroups - 1 && lane == 0) {
    float total = 0.0f;
    for (uint j = 0; j < simdgroups; j++) {
      total += partial[j];
    }
    out[group] = total;
  }
}

instantiate_kernel("selftest_group_sum", group_sum, 0)

// simd.h's reductions: out[3 i …] = sum, max and min of i's threadgroup.
template <int = 0>
[[kernel]] void group_reduce(
    device const float* x [[buffer(0)]],
    device float* out [[buffer(1)]],
    constant ThreadsArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  shared_memory(float, scratch, [32]);
  float v = x[i] + float(args.op);
  out[3 * i] = threadgroup_sum(v, scratch, lane, simdgroup, simdgroups);
  out[3 * i + 1] = threadgroup_max(v, scratch, lane, simdgroup, simdgroups);
  out[3 * i + 2] = threadgroup_min(v, scratch, lane, simdgroup, simdgroups);
}

instantiate_kernel("selftest_group_reduce", group_reduce, 0)

// Each op is one mistake that the device must report.
template <int = 0>
[[kernel]] void mistakes(
    device uint* out [[buffer(0)]],
    constant ThreadsArgs& args [[buffer(1)]],
    uint tid [[thread_index_in_threadgroup]]) {
  shared_memory(uint, x, [64]);
  switch (args.op) {
    case 0:  // different barriers
      if (tid < 16) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
      } else {
        threadgroup_barrier(mem_flags::mem_device);
      }
      break;
    case 1: {  // too much threadgroup memory
      shared_memory(uint, big, [8190]);
      big[tid] = tid;
      break;
    }
    case 2: {  // threadgroup memory after a barrier
      threadgroup_barrier(mem_flags::mem_threadgroup);
      shared_memory(uint, late, [32]);
      late[tid] = tid;
      break;
    }
    case 3: {  // part of a simdgroup multiplies
      simdgroup_float8x8 m = make_filled_simdgroup_matrix<float, 8, 8>(1.0f);
      if (tid < 16) {
        simdgroup_multiply(m, m, m);
      }
      out[tid] = uint(m.thread_elements()[0]);
      break;
    }
    case 4: {  // a write past an array of threadgroup memory
      threadgroup uint* p = &x[0];
      p[args.n + tid] = tid;
      break;
    }
    case 5:  // a write past the view
      out[as_type<int>(args.n) + int(tid)] = tid;
      break;
    case 6:  // reads of what nobody wrote
      out[tid] = x[tid];
      return;
  }
  if (args.op != 5) {
    out[tid] = x[tid % 64];
  }
}

instantiate_kernel("selftest_mistakes", mistakes, 0)
