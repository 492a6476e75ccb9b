// Barriers, simd and quad functions. Each suspends the thread; when every live
// lane of the simdgroup waits, the executor runs one function over all lanes
// that wait at the same source line. Lanes that returned, or wait elsewhere,
// are inactive: reductions leave them out, and reading one yields all-ones
// bits (NaN in floats), where Metal leaves the value undefined.
#pragma once

namespace metal {

enum class mem_flags : uint {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
};
FT_INLINE mem_flags operator|(mem_flags a, mem_flags b) {
  return mem_flags(uint(a) | uint(b));
}

#define FT_LINE int line = __builtin_LINE()

FT_INLINE void threadgroup_barrier(mem_flags, FT_LINE) {
  ft_barrier(line, ft::index());
  ft::resumed();
}

}  // namespace metal

namespace ft {

template <class T> struct scalar { typedef T type; };
template <class T, int N> struct scalar<metal::vec<T, N>> { typedef T type; };

// Metal's simd functions take no 64-bit elements, and reductions no bfloat.
template <class T> constexpr bool exchangeable = sizeof(typename scalar<T>::type) <= 4;
template <class T> constexpr bool reducible =
    exchangeable<T> && !metal::is_same_v<typename scalar<T>::type, bfloat> &&
    !metal::is_same_v<typename scalar<T>::type, bool>;

template <class In, class Out>
FT_INLINE Out exchange(const In& in, void (*fn)(ft_exchange*), int line) {
  Out out;
  ft_simd(&in, &out, fn, line, index());
  resumed();
  return out;
}

template <class T> FT_INLINE const T& in(ft_exchange* x, uint lane) {
  return *static_cast<const T*>(x->in[lane]);
}
template <class T> FT_INLINE T& out(ft_exchange* x, uint lane) {
  return *static_cast<T*>(x->out[lane]);
}
FT_INLINE bool active(const ft_exchange* x, uint lane) { return x->mask >> lane & 1; }

struct Add { template <class T> static FT_INLINE T of(T a, T b) { return T(a + b); } };
struct Mul { template <class T> static FT_INLINE T of(T a, T b) { return T(a * b); } };
struct Max { template <class T> static FT_INLINE T of(T a, T b) { return metal::max(a, b); } };
struct Min { template <class T> static FT_INLINE T of(T a, T b) { return metal::min(a, b); } };
struct And { template <class T> static FT_INLINE T of(T a, T b) { return T(a & b); } };
struct Or { template <class T> static FT_INLINE T of(T a, T b) { return T(a | b); } };
struct Xor { template <class T> static FT_INLINE T of(T a, T b) { return T(a ^ b); } };

// reduce combines the active lanes of each block of Width as a tree, the way
// shuffles down would.
template <class T, class Op, uint Width> void reduce(ft_exchange* x) {
  T v[FT_SIMD_WIDTH];
  bool on[FT_SIMD_WIDTH];
  for (uint i = 0; i < FT_SIMD_WIDTH; i++) {
    on[i] = active(x, i);
    if (on[i]) v[i] = in<T>(x, i);
  }
  for (uint d = Width / 2; d > 0; d /= 2)
    for (uint i = 0; i < FT_SIMD_WIDTH; i++) {
      if (i % Width >= d || !on[i + d]) continue;
      v[i] = on[i] ? Op::of(v[i], v[i + d]) : v[i + d];
      on[i] = true;
    }
  for (uint i = 0; i < FT_SIMD_WIDTH; i++)
    if (active(x, i)) out<T>(x, i) = v[i / Width * Width];
}

// scan gives lane i the combination of the active lanes of its block before it,
// and itself when Inclusive; the first one gets T(First).
template <class T, class Op, uint Width, bool Inclusive, int First>
void scan(ft_exchange* x) {
  for (uint base = 0; base < FT_SIMD_WIDTH; base += Width) {
    T sum = T(First);
    for (uint i = base; i < base + Width; i++) {
      if (!active(x, i)) continue;
      T next = Op::of(sum, in<T>(x, i));
      out<T>(x, i) = Inclusive ? next : sum;
      sum = next;
    }
  }
}

template <class T> struct Move {
  T value, fill;
  uint k, modulo;
};

// move copies from lane Src::of(lane, k) of the same block; Src gives the block
// width when the value comes from fill, and -1 to keep the lane's own.
template <class T, class Src, uint Width> void move(ft_exchange* x) {
  for (uint i = 0; i < FT_SIMD_WIDTH; i++) {
    if (!active(x, i)) continue;
    const Move<T>& m = in<Move<T>>(x, i);
    uint base = i / Width * Width;
    int src = Src::of(int(i - base), int(m.k), int(m.modulo), Width);
    bool fill = src >= int(Width);
    uint from = base + uint(fill ? src - int(Width) : src);
    if (src < 0) {
      out<T>(x, i) = m.value;
    } else if (!active(x, from)) {
      __builtin_memset(static_cast<void*>(&out<T>(x, i)), 0xff, sizeof(T));
    } else {
      const Move<T>& s = in<Move<T>>(x, from);
      out<T>(x, i) = fill ? s.fill : s.value;
    }
  }
}

struct Index { static FT_INLINE int of(int, int k, int, uint w) { return k & int(w - 1); } };
struct Down { static FT_INLINE int of(int i, int k, int, uint w) { return i + k < int(w) ? i + k : -1; } };
struct Up { static FT_INLINE int of(int i, int k, int, uint) { return i - k; } };
struct Flip { static FT_INLINE int of(int i, int k, int, uint w) { return (i ^ k) & int(w - 1); } };
struct RotateDown { static FT_INLINE int of(int i, int k, int, uint w) { return (i + k) & int(w - 1); } };
struct RotateUp { static FT_INLINE int of(int i, int k, int, uint w) { return (i - k) & int(w - 1); } };
// Blocks of m lanes; what comes from beyond the block's end is taken from fill.
struct FillDown {
  static FT_INLINE int of(int i, int k, int m, uint w) {
    int base = i / m * m, src = i - base + k;
    return src < m ? base + src : base + src - m + int(w);
  }
};
struct FillUp {
  static FT_INLINE int of(int i, int k, int m, uint w) {
    int base = i / m * m, src = i - base - k;
    return src >= 0 ? base + src : base + src + m + int(w);
  }
};

template <class T, class Src, uint Width>
FT_INLINE T moved(T value, T fill, uint k, uint modulo, int line) {
  static_assert(exchangeable<T>, "Metal has no 64-bit simd functions");
  return exchange<Move<T>, T>(Move<T>{value, fill, k, modulo}, move<T, Src, Width>, line);
}

template <class T, uint Width> void broadcast_first(ft_exchange* x) {
  for (uint base = 0; base < FT_SIMD_WIDTH; base += Width) {
    const T* first = nullptr;
    for (uint i = base; i < base + Width; i++) {
      if (!active(x, i)) continue;
      if (!first) first = &in<T>(x, i);
      out<T>(x, i) = *first;
    }
  }
}

// ballot: bit i of the result is lane i's predicate, within each block.
template <uint Width> void ballot(ft_exchange* x) {
  for (uint base = 0; base < FT_SIMD_WIDTH; base += Width) {
    ulong votes = 0;
    for (uint i = base; i < base + Width; i++)
      if (active(x, i) && in<bool>(x, i)) votes |= 1ul << (i - base);
    for (uint i = base; i < base + Width; i++)
      if (active(x, i)) out<ulong>(x, i) = votes;
  }
}

inline void no_exchange(ft_exchange*) {}

}  // namespace ft

namespace metal {

FT_INLINE void simdgroup_barrier(mem_flags, FT_LINE) {
  char none = 0;
  ft_simd(&none, &none, ft::no_exchange, line, ft::index());
  ft::resumed();
}

// Each family exists for simdgroups (32 lanes) and quadgroups (4 lanes).
#define FT_REDUCE(group, width, name, Op)                                    \
  template <class T> FT_INLINE T group##_##name(T x, FT_LINE) {              \
    static_assert(ft::reducible<T>, "simd reductions take float, half and 8 to 32-bit integers"); \
    return ft::exchange<T, T>(x, ft::reduce<T, ft::Op, width>, line);        \
  }
#define FT_SCAN(group, width, name, Op, inclusive, first)                    \
  template <class T> FT_INLINE T group##_prefix_##name(T x, FT_LINE) {       \
    static_assert(ft::reducible<T>, "simd scans take float, half and 8 to 32-bit integers"); \
    return ft::exchange<T, T>(x, ft::scan<T, ft::Op, width, inclusive, first>, line); \
  }
#define FT_MOVE(group, width, name, Src)                                     \
  template <class T> FT_INLINE T group##_##name(T x, ushort k, FT_LINE) {    \
    return ft::moved<T, ft::Src, width>(x, x, k, width, line);               \
  }
#define FT_FILL(group, width, name, Src)                                     \
  template <class T>                                                         \
  FT_INLINE T group##_shuffle_and_fill_##name(T x, T fill, ushort k, FT_LINE) { \
    return ft::moved<T, ft::Src, width>(x, fill, k, width, line);            \
  }
#define FT_GROUP(group, width)                                               \
  FT_REDUCE(group, width, sum, Add) FT_REDUCE(group, width, product, Mul)    \
  FT_REDUCE(group, width, max, Max) FT_REDUCE(group, width, min, Min)        \
  FT_REDUCE(group, width, and, And) FT_REDUCE(group, width, or, Or)          \
  FT_REDUCE(group, width, xor, Xor)                                          \
  FT_SCAN(group, width, inclusive_sum, Add, true, 0)                         \
  FT_SCAN(group, width, exclusive_sum, Add, false, 0)                        \
  FT_SCAN(group, width, inclusive_product, Mul, true, 1)                     \
  FT_SCAN(group, width, exclusive_product, Mul, false, 1)                    \
  FT_MOVE(group, width, shuffle, Index) FT_MOVE(group, width, broadcast, Index) \
  FT_MOVE(group, width, shuffle_down, Down) FT_MOVE(group, width, shuffle_up, Up) \
  FT_MOVE(group, width, shuffle_xor, Flip)                                   \
  FT_MOVE(group, width, shuffle_rotate_down, RotateDown)                     \
  FT_MOVE(group, width, shuffle_rotate_up, RotateUp)                         \
  FT_FILL(group, width, down, FillDown) FT_FILL(group, width, up, FillUp)    \
  template <class T> FT_INLINE T group##_broadcast_first(T x, FT_LINE) {     \
    static_assert(ft::exchangeable<T>, "Metal has no 64-bit simd functions"); \
    return ft::exchange<T, T>(x, ft::broadcast_first<T, width>, line);       \
  }                                                                          \
  class group##_vote {                                                       \
   public:                                                                   \
    typedef ulong vote_t;                                                    \
    explicit FT_INLINE group##_vote(vote_t v) : v_(v) {}                     \
    explicit FT_INLINE operator vote_t() const { return v_; }                \
    FT_INLINE bool all() const { return v_ == (1ul << width) - 1; }          \
    FT_INLINE bool any() const { return v_ != 0; }                           \
                                                                             \
   private:                                                                  \
    vote_t v_;                                                               \
  };                                                                         \
  FT_INLINE group##_vote group##_ballot(bool p, FT_LINE) {                   \
    return group##_vote(ft::exchange<bool, ulong>(p, ft::ballot<width>, line)); \
  }                                                                          \
  FT_INLINE group##_vote group##_active_threads_mask(FT_LINE) {              \
    return group##_ballot(true, line);                                       \
  }                                                                          \
  FT_INLINE bool group##_any(bool p, FT_LINE) { return group##_ballot(p, line).any(); } \
  FT_INLINE bool group##_all(bool p, FT_LINE) { return !group##_ballot(!p, line).any(); } \
  FT_INLINE bool group##_is_first(FT_LINE) {                                 \
    ulong mask = ulong(group##_ballot(true, line));                          \
    return uint(__builtin_ctzl(mask)) == ft_thread(ft::index()) % width;     \
  }
FT_GROUP(simd, 32)
FT_GROUP(quad, 4)

template <class T>
FT_INLINE T simd_shuffle_and_fill_down(T x, T fill, ushort k, ushort modulo, FT_LINE) {
  return ft::moved<T, ft::FillDown, 32>(x, fill, k, modulo, line);
}
template <class T>
FT_INLINE T simd_shuffle_and_fill_up(T x, T fill, ushort k, ushort modulo, FT_LINE) {
  return ft::moved<T, ft::FillUp, 32>(x, fill, k, modulo, line);
}
#undef FT_GROUP
#undef FT_REDUCE
#undef FT_SCAN
#undef FT_MOVE
#undef FT_FILL

}  // namespace metal
