// simdgroup_matrix: one simdgroup computes D = A B + C of 8x8 tiles that lie at
// (x, y) in larger matrices of the given row lengths.
#include "../../../kernels/kernel.h"

struct MatrixArgs {
  uint aStride, bStride, dStride;
  uint x, y;
  uint transposeA, transposeB, transposeD;
};

template <typename T, typename U>
[[kernel]] void matrix(
    device const T* a [[buffer(0)]],
    device const T* b [[buffer(1)]],
    device const U* c [[buffer(2)]],
    device U* d [[buffer(3)]],
    constant MatrixArgs& args [[buffer(4)]],
    uint lane [[thread_index_in_simdgroup]]) {
  shared_memory(T, tile, [8 * 11]);
  for (uint i = lane; i < 64; i += 32) {
    tile[i / 8 * 11 + i % 8] = b[(args.y + i / 8) * args.bStride + args.x + i % 8];
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);
  simdgroup_matrix<T, 8, 8> ma;
  simdgroup_matrix<T, 8, 8> mb;
  simdgroup_matrix<U, 8, 8> mc;
  simdgroup_load(ma, a, args.aStride, ulong2(args.x, args.y), args.transposeA != 0);
  simdgroup_load(mb, &tile[0], 11, ulong2(0, 0), args.transposeB != 0);
  simdgroup_load(mc, c);
  simdgroup_multiply_accumulate(mc, ma, mb, mc);
  simdgroup_store(mc, d, args.dStride, ulong2(args.x, args.y), args.transposeD != 0);
}

instantiate_kernel("selftest_matrix_f32", matrix, float, float)
instantiate_kernel("selftest_matrix_f16", matrix, half, float)
instantiate_kernel("selftest_matrix_bf16", matrix, bfloat, float)

// out[2 lane + j] = the lane's j-th element of a matrix whose elements are
// 8 row + col, then of the identity times it, then of a filled matrix.
template <int = 0>
[[kernel]] void matrix_layout(
    device const float* x [[buffer(0)]],
    device float* out [[buffer(1)]],
    constant MatrixArgs& args [[buffer(2)]],
    uint lane [[thread_index_in_simdgroup]]) {
  simdgroup_float8x8 m;
  simdgroup_load(m, x, args.aStride);
  simdgroup_float8x8 one = simdgroup_float8x8(1.0f);
  simdgroup_float8x8 product;
  simdgroup_multiply(product, one, m);
  simdgroup_float8x8 filled = make_filled_simdgroup_matrix<float, 8, 8>(7.0f);
  for (uint j = 0; j < 2; j++) {
    out[2 * lane + j] = m.thread_elements()[j];
    out[64 + 2 * lane + j] = product.thread_elements()[j];
    out[128 + 2 * lane + j] = filled.thread_elements()[j];
  }
}

instantiate_kernel("selftest_matrix_layout", matrix_layout, 0)
