// Stands in for kernels/kernel.h while clang checks a kernel file: the two
// macros that Apple's compiler alone understands, over declarations of Metal's
// standard library. Nothing here is ever run.
#pragma once

#include "lint_types.h"
#include "lint_math.h"
#include "lint_simd.h"
#include "lint_atomic.h"
#include "lint_matrix.h"

namespace lint {

// threadgroup_memory<N> is deprecated so that clang names each array's size and
// the kernel that declares it; tools/lintmetal adds them up.
template <ulong N> struct [[deprecated]] threadgroup_memory {};
template <class A> threadgroup A& shared();

}  // namespace lint

#define instantiate_kernel(name, func, ...) \
  template decltype(func<__VA_ARGS__>) func<__VA_ARGS__>;

// A local variable in an address space is more than clang takes: the array is a
// reference to one, with threadgroup in its type.
#define shared_memory(T, name, dims)                                \
  typedef T lint_type_##name dims;                                  \
  lint::threadgroup_memory<sizeof(lint_type_##name)>* lint_size_##name; \
  (void)lint_size_##name;                                           \
  threadgroup lint_type_##name& name = lint::shared<lint_type_##name>()

using namespace metal;

#include "dtype.h"
#include "simd.h"
