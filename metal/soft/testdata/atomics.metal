// Atomics: each thread applies op with x[i] to one of n cells; old[i] is what
// the function returned.
#include "../../../kernels/kernel.h"

struct AtomicsArgs {
  uint op;
  uint n;
};

#define ATOMIC_CASES                                                                     \
  case 0: r = atomic_fetch_add_explicit(a, v, memory_order_relaxed); break;              \
  case 1: r = atomic_fetch_sub_explicit(a, v, memory_order_relaxed); break;              \
  case 2: r = atomic_fetch_max_explicit(a, v, memory_order_relaxed); break;              \
  case 3: r = atomic_fetch_min_explicit(a, v, memory_order_relaxed); break;              \
  case 4: r = atomic_exchange_explicit(a, v, memory_order_relaxed); break;               \
  case 5: {                                                                              \
    r = atomic_load_explicit(a, memory_order_relaxed);                                   \
    while (!atomic_compare_exchange_weak_explicit(a, &r, T(r + v), memory_order_relaxed, \
                                                  memory_order_relaxed)) {               \
    }                                                                                    \
    break;                                                                               \
  }                                                                                      \
  case 6: atomic_store_explicit(a, v, memory_order_relaxed); break;

template <typename T, typename A>
[[kernel]] void atomics(
    device const T* x [[buffer(0)]],
    device A* cells [[buffer(1)]],
    device T* old [[buffer(2)]],
    constant AtomicsArgs& args [[buffer(3)]],
    uint i [[thread_position_in_grid]]) {
  device A* a = cells + i % args.n;
  T v = x[i];
  T r = T(0);
  switch (args.op) { ATOMIC_CASES }
  old[i] = r;
}

instantiate_kernel("selftest_atomics_i32", atomics, int, atomic_int)
instantiate_kernel("selftest_atomics_u32", atomics, uint, atomic_uint)
instantiate_kernel("selftest_atomics_f32", atomics, float, atomic_float)

// The bitwise ones, in threadgroup memory: out[group] is the combination of
// the threadgroup's values.
template <int = 0>
[[kernel]] void atomic_bits(
    device const uint* x [[buffer(0)]],
    device uint* out [[buffer(1)]],
    constant AtomicsArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint group [[threadgroup_position_in_grid]],
    uint tid [[thread_index_in_threadgroup]]) {
  shared_memory(atomic_uint, cell, [1]);
  if (tid == 0) {
    atomic_store_explicit(&cell[0], args.op == 0 ? ~0u : 0u, memory_order_relaxed);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  switch (args.op) {
    case 0: atomic_fetch_and_explicit(&cell[0], x[i], memory_order_relaxed); break;
    case 1: atomic_fetch_or_explicit(&cell[0], x[i], memory_order_relaxed); break;
    case 2: atomic_fetch_xor_explicit(&cell[0], x[i], memory_order_relaxed); break;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (tid == 0) {
    out[group] = atomic_load_explicit(&cell[0], memory_order_relaxed);
  }
}

instantiate_kernel("selftest_atomic_bits", atomic_bits, 0)
