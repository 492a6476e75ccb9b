// Barriers, simd and quad functions: no 64-bit elements, and no bfloat in sums
// and scans.
#pragma once

namespace metal {

enum class mem_flags : uint {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
};
mem_flags operator|(mem_flags, mem_flags);
void threadgroup_barrier(mem_flags);
void simdgroup_barrier(mem_flags);

template <class T> struct element { typedef T type; };
template <class T> struct element<vec<T, 2>> { typedef T type; };
template <class T> struct element<vec<T, 3>> { typedef T type; };
template <class T> struct element<vec<T, 4>> { typedef T type; };
template <class T> using exchangeable =
    typename enable_if<sizeof(typename element<T>::type) <= 4, T>::type;
template <class T> using reducible =
    typename enable_if<sizeof(typename element<T>::type) <= 4 &&
                       !is_same_v<typename element<T>::type, bfloat> &&
                       !is_same_v<typename element<T>::type, bool>, T>::type;

#define LINT_GROUP(group)                                                    \
  template <class T> reducible<T> group##_sum(T);                            \
  template <class T> reducible<T> group##_product(T);                        \
  template <class T> reducible<T> group##_max(T);                            \
  template <class T> reducible<T> group##_min(T);                            \
  template <class T> reducible<T> group##_and(T);                            \
  template <class T> reducible<T> group##_or(T);                             \
  template <class T> reducible<T> group##_xor(T);                            \
  template <class T> reducible<T> group##_prefix_inclusive_sum(T);           \
  template <class T> reducible<T> group##_prefix_exclusive_sum(T);           \
  template <class T> reducible<T> group##_prefix_inclusive_product(T);       \
  template <class T> reducible<T> group##_prefix_exclusive_product(T);       \
  template <class T> exchangeable<T> group##_shuffle(T, ushort);             \
  template <class T> exchangeable<T> group##_broadcast(T, ushort);           \
  template <class T> exchangeable<T> group##_shuffle_down(T, ushort);        \
  template <class T> exchangeable<T> group##_shuffle_up(T, ushort);          \
  template <class T> exchangeable<T> group##_shuffle_xor(T, ushort);         \
  template <class T> exchangeable<T> group##_shuffle_rotate_down(T, ushort); \
  template <class T> exchangeable<T> group##_shuffle_rotate_up(T, ushort);   \
  template <class T> exchangeable<T> group##_shuffle_and_fill_down(T, T, ushort); \
  template <class T> exchangeable<T> group##_shuffle_and_fill_up(T, T, ushort);   \
  template <class T> exchangeable<T> group##_broadcast_first(T);             \
  struct group##_vote {                                                      \
    typedef ulong vote_t;                                                    \
    explicit group##_vote(vote_t);                                           \
    explicit operator vote_t() const;                                        \
    bool all() const;                                                        \
    bool any() const;                                                        \
  };                                                                         \
  group##_vote group##_ballot(bool);                                         \
  group##_vote group##_active_threads_mask();                                \
  bool group##_any(bool);                                                    \
  bool group##_all(bool);                                                    \
  bool group##_is_first();
LINT_GROUP(simd)
LINT_GROUP(quad)
#undef LINT_GROUP
template <class T> exchangeable<T> simd_shuffle_and_fill_down(T, T, ushort, ushort);
template <class T> exchangeable<T> simd_shuffle_and_fill_up(T, T, ushort, ushort);

}  // namespace metal
