// simdgroup_matrix<T, 8, 8>; loads and stores go through device and threadgroup
// memory.
#pragma once

namespace metal {

template <class T, int Cols, int Rows> struct simdgroup_matrix {
  static_assert(Cols == 8 && Rows == 8, "Metal has 8x8 simdgroup matrices only");
  simdgroup_matrix() = default;
  explicit simdgroup_matrix(T diagonal);
  thread vec<T, 2>& thread_elements();
  const thread vec<T, 2>& thread_elements() const;
};

typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;
typedef simdgroup_matrix<bfloat, 8, 8> simdgroup_bfloat8x8;

template <class T, int C, int R>
simdgroup_matrix<T, C, R> make_filled_simdgroup_matrix(identity_t<T>);

#define LINT_MATRIX(space)                                                   \
  template <class T>                                                         \
  void simdgroup_load(thread simdgroup_matrix<T, 8, 8>&, const space T*,     \
                      ulong stride = 8, ulong2 origin = 0, bool transposed = false); \
  template <class T>                                                         \
  void simdgroup_store(const thread simdgroup_matrix<T, 8, 8>&, space T*,    \
                       ulong stride = 8, ulong2 origin = 0, bool transposed = false);
LINT_MATRIX(device)
LINT_MATRIX(threadgroup)
#undef LINT_MATRIX

template <class D, class A, class B, class C>
void simdgroup_multiply_accumulate(thread simdgroup_matrix<D, 8, 8>&,
                                   const thread simdgroup_matrix<A, 8, 8>&,
                                   const thread simdgroup_matrix<B, 8, 8>&,
                                   const thread simdgroup_matrix<C, 8, 8>&);
template <class D, class A, class B>
void simdgroup_multiply(thread simdgroup_matrix<D, 8, 8>&,
                        const thread simdgroup_matrix<A, 8, 8>&,
                        const thread simdgroup_matrix<B, 8, 8>&);

}  // namespace metal
