// Vectors of 2, 3 and 4 elements with Metal's sizes and alignments (a vector of
// 3 is as large as one of 4). Members are x, y, z, w; there are no swizzles.
#pragma once

namespace metal {

template <class T, int N> struct vec;

#define FT_VEC_COMMON(N)                                               \
  typedef T element;                                                   \
  vec() = default;                                                     \
  FT_INLINE T& operator[](int i) { return (&x)[i]; }                   \
  FT_INLINE const T& operator[](int i) const { return (&x)[i]; }

template <class T> struct alignas(2 * sizeof(T)) vec<T, 2> {
  T x, y;
  FT_VEC_COMMON(2)
  FT_INLINE vec(T s) : x(s), y(s) {}
  FT_INLINE vec(T a, T b) : x(a), y(b) {}
  template <class U> explicit FT_INLINE vec(vec<U, 2> v) : x(T(v.x)), y(T(v.y)) {}
};

template <class T> struct alignas(4 * sizeof(T)) vec<T, 3> {
  T x, y, z;
  FT_VEC_COMMON(3)
  FT_INLINE vec(T s) : x(s), y(s), z(s) {}
  FT_INLINE vec(T a, T b, T c) : x(a), y(b), z(c) {}
  FT_INLINE vec(vec<T, 2> v, T c) : x(v.x), y(v.y), z(c) {}
  FT_INLINE vec(T a, vec<T, 2> v) : x(a), y(v.x), z(v.y) {}
  template <class U>
  explicit FT_INLINE vec(vec<U, 3> v) : x(T(v.x)), y(T(v.y)), z(T(v.z)) {}
};

template <class T> struct alignas(4 * sizeof(T)) vec<T, 4> {
  T x, y, z, w;
  FT_VEC_COMMON(4)
  FT_INLINE vec(T s) : x(s), y(s), z(s), w(s) {}
  FT_INLINE vec(T a, T b, T c, T d) : x(a), y(b), z(c), w(d) {}
  FT_INLINE vec(vec<T, 2> a, vec<T, 2> b) : x(a.x), y(a.y), z(b.x), w(b.y) {}
  FT_INLINE vec(vec<T, 2> a, T c, T d) : x(a.x), y(a.y), z(c), w(d) {}
  FT_INLINE vec(T a, T b, vec<T, 2> c) : x(a), y(b), z(c.x), w(c.y) {}
  FT_INLINE vec(vec<T, 3> v, T d) : x(v.x), y(v.y), z(v.z), w(d) {}
  FT_INLINE vec(T a, vec<T, 3> v) : x(a), y(v.x), z(v.y), w(v.z) {}
  template <class U>
  explicit FT_INLINE vec(vec<U, 4> v)
      : x(T(v.x)), y(T(v.y)), z(T(v.z)), w(T(v.w)) {}
};
#undef FT_VEC_COMMON

// identity<T> keeps a parameter out of template argument deduction.
template <class T> struct identity { typedef T type; };
template <class T> using identity_t = typename identity<T>::type;

#define FT_VEC_OP(op)                                                        \
  template <class T, int N>                                                  \
  FT_INLINE vec<T, N> operator op(vec<T, N> a, vec<T, N> b) {                \
    for (int i = 0; i < N; i++) a[i] = T(a[i] op b[i]);                      \
    return a;                                                                \
  }                                                                          \
  template <class T, int N>                                                  \
  FT_INLINE vec<T, N> operator op(vec<T, N> a, identity_t<T> b) {            \
    for (int i = 0; i < N; i++) a[i] = T(a[i] op b);                         \
    return a;                                                                \
  }                                                                          \
  template <class T, int N>                                                  \
  FT_INLINE vec<T, N> operator op(identity_t<T> a, vec<T, N> b) {            \
    for (int i = 0; i < N; i++) b[i] = T(a op b[i]);                         \
    return b;                                                                \
  }                                                                          \
  template <class T, int N>                                                  \
  FT_INLINE vec<T, N>& operator op##=(vec<T, N>& a, vec<T, N> b) {           \
    return a = a op b;                                                       \
  }                                                                          \
  template <class T, int N>                                                  \
  FT_INLINE vec<T, N>& operator op##=(vec<T, N>& a, identity_t<T> b) {       \
    return a = a op b;                                                       \
  }
FT_VEC_OP(+) FT_VEC_OP(-) FT_VEC_OP(*) FT_VEC_OP(/) FT_VEC_OP(%)
FT_VEC_OP(&) FT_VEC_OP(|) FT_VEC_OP(^) FT_VEC_OP(<<) FT_VEC_OP(>>)
#undef FT_VEC_OP

#define FT_VEC_CMP(op)                                                       \
  template <class T, int N>                                                  \
  FT_INLINE vec<bool, N> operator op(vec<T, N> a, vec<T, N> b) {             \
    vec<bool, N> r;                                                          \
    for (int i = 0; i < N; i++) r[i] = a[i] op b[i];                         \
    return r;                                                                \
  }                                                                          \
  template <class T, int N>                                                  \
  FT_INLINE vec<bool, N> operator op(vec<T, N> a, identity_t<T> b) {         \
    return a op vec<T, N>(b);                                                \
  }
FT_VEC_CMP(==) FT_VEC_CMP(!=) FT_VEC_CMP(<) FT_VEC_CMP(<=) FT_VEC_CMP(>)
FT_VEC_CMP(>=) FT_VEC_CMP(&&) FT_VEC_CMP(||)
#undef FT_VEC_CMP

template <class T, int N> FT_INLINE vec<T, N> operator-(vec<T, N> a) {
  for (int i = 0; i < N; i++) a[i] = T(-a[i]);
  return a;
}
template <class T, int N> FT_INLINE vec<T, N> operator~(vec<T, N> a) {
  for (int i = 0; i < N; i++) a[i] = T(~a[i]);
  return a;
}
template <int N> FT_INLINE vec<bool, N> operator!(vec<bool, N> a) {
  for (int i = 0; i < N; i++) a[i] = !a[i];
  return a;
}
template <int N> FT_INLINE bool all(vec<bool, N> a) {
  for (int i = 0; i < N; i++)
    if (!a[i]) return false;
  return true;
}
template <int N> FT_INLINE bool any(vec<bool, N> a) { return !all(!a); }

// packed_vec has the alignment of its element.
template <class T, int N> struct packed_vec {
  T v[N];
  packed_vec() = default;
  FT_INLINE packed_vec(vec<T, N> a) {
    for (int i = 0; i < N; i++) v[i] = a[i];
  }
  FT_INLINE operator vec<T, N>() const {
    vec<T, N> a;
    for (int i = 0; i < N; i++) a[i] = v[i];
    return a;
  }
  FT_INLINE T& operator[](int i) { return v[i]; }
  FT_INLINE const T& operator[](int i) const { return v[i]; }
};

}  // namespace metal

#define FT_VEC_NAMES(T)                                                  \
  typedef metal::vec<T, 2> T##2;                                         \
  typedef metal::vec<T, 3> T##3;                                         \
  typedef metal::vec<T, 4> T##4;                                         \
  typedef metal::packed_vec<T, 2> packed_##T##2;                         \
  typedef metal::packed_vec<T, 3> packed_##T##3;                         \
  typedef metal::packed_vec<T, 4> packed_##T##4;
FT_VEC_NAMES(float) FT_VEC_NAMES(half) FT_VEC_NAMES(bfloat) FT_VEC_NAMES(char)
FT_VEC_NAMES(uchar) FT_VEC_NAMES(short) FT_VEC_NAMES(ushort) FT_VEC_NAMES(int)
FT_VEC_NAMES(uint) FT_VEC_NAMES(long) FT_VEC_NAMES(ulong) FT_VEC_NAMES(bool)
#undef FT_VEC_NAMES
