// simdgroup_matrix<T, 8, 8>: each lane holds two neighbours of a row, in the
// layout of Apple's GPUs.
#pragma once

namespace ft {

FT_INLINE uint matrix_row(uint lane) { return (lane / 4 & 4) + lane / 2 % 4; }
FT_INLINE uint matrix_col(uint lane) { return (lane / 4 & 2) * 2 + lane % 2 * 2; }

struct Product {
  float a[2], b[2], c[2];
};
struct Pair {
  float v[2];
};

// multiply computes C + A·B, adding the products in the order of k.
inline void multiply(ft_exchange* x) {
  if (x->mask != ~0u) {
    x->error = "simdgroup_multiply with inactive lanes";
    return;
  }
  float a[8][8], b[8][8];
  for (uint lane = 0; lane < FT_SIMD_WIDTH; lane++) {
    const Product& p = in<Product>(x, lane);
    for (uint j = 0; j < 2; j++) {
      a[matrix_row(lane)][matrix_col(lane) + j] = p.a[j];
      b[matrix_row(lane)][matrix_col(lane) + j] = p.b[j];
    }
  }
  for (uint lane = 0; lane < FT_SIMD_WIDTH; lane++) {
    uint row = matrix_row(lane), col = matrix_col(lane);
    Pair acc = {{in<Product>(x, lane).c[0], in<Product>(x, lane).c[1]}};
    for (uint k = 0; k < 8; k++)
      for (uint j = 0; j < 2; j++) acc.v[j] += a[row][k] * b[k][col + j];
    out<Pair>(x, lane) = acc;
  }
}

}  // namespace ft

namespace metal {

template <class T, int Cols, int Rows> struct simdgroup_matrix {
  static_assert(Cols == 8 && Rows == 8, "Metal has 8x8 simdgroup matrices only");
  vec<T, 2> elements;
  simdgroup_matrix() = default;
  // A diagonal matrix.
  explicit FT_INLINE simdgroup_matrix(T d) {
    uint lane = ft_thread(ft::index()) % FT_SIMD_WIDTH;
    for (uint j = 0; j < 2; j++)
      elements[j] = ft::matrix_row(lane) == ft::matrix_col(lane) + j ? d : T(0);
  }
  FT_INLINE vec<T, 2>& thread_elements() { return elements; }
  FT_INLINE const vec<T, 2>& thread_elements() const { return elements; }
};

typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;
typedef simdgroup_matrix<bfloat, 8, 8> simdgroup_bfloat8x8;

template <class T, int C, int R>
FT_INLINE simdgroup_matrix<T, C, R> make_filled_simdgroup_matrix(identity_t<T> v) {
  simdgroup_matrix<T, C, R> m;
  m.elements = vec<T, 2>(v);
  return m;
}

// Element (row, col) is at src[(origin.y + row) * stride + origin.x + col];
// transposed, row and col change places.
template <class T>
FT_INLINE void simdgroup_load(simdgroup_matrix<T, 8, 8>& d, const T* src,
                              ulong stride = 8, ulong2 origin = 0,
                              bool transposed = false) {
  uint lane = ft_thread(ft::index()) % FT_SIMD_WIDTH;
  uint row = ft::matrix_row(lane), col = ft::matrix_col(lane);
  src += origin.y * stride + origin.x;
  for (uint j = 0; j < 2; j++)
    d.elements[j] = transposed ? src[(col + j) * stride + row] : src[row * stride + col + j];
}

template <class T>
FT_INLINE void simdgroup_store(const simdgroup_matrix<T, 8, 8>& s, T* dst,
                               ulong stride = 8, ulong2 origin = 0,
                               bool transposed = false) {
  uint lane = ft_thread(ft::index()) % FT_SIMD_WIDTH;
  uint row = ft::matrix_row(lane), col = ft::matrix_col(lane);
  dst += origin.y * stride + origin.x;
  for (uint j = 0; j < 2; j++)
    dst[transposed ? (col + j) * stride + row : row * stride + col + j] = s.elements[j];
}

template <class D, class A, class B, class C>
FT_INLINE void simdgroup_multiply_accumulate(
    simdgroup_matrix<D, 8, 8>& d, const simdgroup_matrix<A, 8, 8>& a,
    const simdgroup_matrix<B, 8, 8>& b, const simdgroup_matrix<C, 8, 8>& c, FT_LINE) {
  ft::Product p = {{float(a.elements.x), float(a.elements.y)},
                   {float(b.elements.x), float(b.elements.y)},
                   {float(c.elements.x), float(c.elements.y)}};
  ft::Pair r = ft::exchange<ft::Product, ft::Pair>(p, ft::multiply, line);
  d.elements = vec<D, 2>(D(r.v[0]), D(r.v[1]));
}

template <class D, class A, class B>
FT_INLINE void simdgroup_multiply(simdgroup_matrix<D, 8, 8>& d,
                                  const simdgroup_matrix<A, 8, 8>& a,
                                  const simdgroup_matrix<B, 8, 8>& b, FT_LINE) {
  simdgroup_multiply_accumulate(d, a, b, make_filled_simdgroup_matrix<D, 8, 8>(D(0.0f)), line);
}

}  // namespace metal
