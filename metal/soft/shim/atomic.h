// Metal's 32-bit atomics. Threadgroups of one dispatch run on several host
// threads, so these are real atomics.
#pragma once

namespace metal {

enum memory_order { memory_order_relaxed = __ATOMIC_RELAXED };

template <class T> struct atomic {
  static_assert(sizeof(T) == 4, "Metal has 32-bit atomics only");
  T v;
};

#define FT_ATOMIC_OP(name, builtin)                                            \
  template <class T>                                                           \
  FT_INLINE T atomic_fetch_##name##_explicit(atomic<T>* a, identity_t<T> x, memory_order) { \
    return __atomic_fetch_##builtin(&a->v, x, __ATOMIC_RELAXED);               \
  }
FT_ATOMIC_OP(and, and)
FT_ATOMIC_OP(or, or)
FT_ATOMIC_OP(xor, xor)
#undef FT_ATOMIC_OP

template <class T> FT_INLINE T atomic_load_explicit(const atomic<T>* a, memory_order) {
  return as_type<T>(__atomic_load_n(reinterpret_cast<const uint*>(&a->v), __ATOMIC_RELAXED));
}
template <class T>
FT_INLINE void atomic_store_explicit(atomic<T>* a, identity_t<T> x, memory_order) {
  __atomic_store_n(reinterpret_cast<uint*>(&a->v), as_type<uint>(x), __ATOMIC_RELAXED);
}
template <class T>
FT_INLINE T atomic_exchange_explicit(atomic<T>* a, identity_t<T> x, memory_order) {
  return as_type<T>(__atomic_exchange_n(reinterpret_cast<uint*>(&a->v), as_type<uint>(x),
                                        __ATOMIC_RELAXED));
}
template <class T>
FT_INLINE bool atomic_compare_exchange_weak_explicit(atomic<T>* a, T* expected,
                                                     identity_t<T> desired,
                                                     memory_order, memory_order) {
  uint want = as_type<uint>(*expected);
  bool done = __atomic_compare_exchange_n(reinterpret_cast<uint*>(&a->v), &want,
                                          as_type<uint>(desired), true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  if (!done) *expected = as_type<T>(want);
  return done;
}

#define FT_ATOMIC_CAS(name, expr)                                              \
  template <class T>                                                           \
  FT_INLINE T atomic_fetch_##name##_explicit(atomic<T>* a, identity_t<T> x, memory_order o) { \
    T old = atomic_load_explicit(a, o);                                        \
    while (!atomic_compare_exchange_weak_explicit(a, &old, T(expr), o, o)) {   \
    }                                                                          \
    return old;                                                                \
  }
FT_ATOMIC_CAS(add, old + x)
FT_ATOMIC_CAS(sub, old - x)
FT_ATOMIC_CAS(max, max(old, x))
FT_ATOMIC_CAS(min, min(old, x))
#undef FT_ATOMIC_CAS

typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;
typedef atomic<float> atomic_float;

}  // namespace metal
