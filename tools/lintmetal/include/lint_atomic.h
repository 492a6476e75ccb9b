// Metal's 32-bit atomics, in device and in threadgroup memory.
#pragma once

namespace metal {

enum memory_order { memory_order_relaxed };

template <class T> struct atomic {
  static_assert(sizeof(T) == 4, "Metal has 32-bit atomics only");
  T v;
};

#define LINT_ATOMIC_OP(space, name) \
  template <class T> T atomic_fetch_##name##_explicit(volatile space atomic<T>*, identity_t<T>, memory_order);
#define LINT_ATOMICS(space)                                                              \
  LINT_ATOMIC_OP(space, add) LINT_ATOMIC_OP(space, sub) LINT_ATOMIC_OP(space, max)       \
  LINT_ATOMIC_OP(space, min) LINT_ATOMIC_OP(space, and) LINT_ATOMIC_OP(space, or)        \
  LINT_ATOMIC_OP(space, xor)                                                             \
  template <class T> T atomic_load_explicit(const volatile space atomic<T>*, memory_order); \
  template <class T> void atomic_store_explicit(volatile space atomic<T>*, identity_t<T>, memory_order); \
  template <class T> T atomic_exchange_explicit(volatile space atomic<T>*, identity_t<T>, memory_order); \
  template <class T> bool atomic_compare_exchange_weak_explicit(                         \
      volatile space atomic<T>*, thread T*, identity_t<T>, memory_order, memory_order);
LINT_ATOMICS(device)
LINT_ATOMICS(threadgroup)
#undef LINT_ATOMICS
#undef LINT_ATOMIC_OP

typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;

}  // namespace metal
