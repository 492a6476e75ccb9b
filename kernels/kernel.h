// The kernel dialect: the first include of every .metal file. The same text
// compiles as Metal 3.1 and, through metal/soft/shim, as C++17.
// docs/kernel-dialect.md is the manual.
#pragma once

#ifdef __METAL_VERSION__

#include <metal_stdlib>
#include <metal_atomic>
#include <metal_math>
#include <metal_simdgroup>
#include <metal_simdgroup_matrix>

// Makes func<…> a kernel called name.
#define instantiate_kernel(name, func, ...) \
  template [[host_name(name)]] [[kernel]] decltype(func<__VA_ARGS__>) func<__VA_ARGS__>;

// Threadgroup memory, declared first in a kernel, before any barrier or simd
// function: shared_memory(float, partial, [32]);
#define shared_memory(T, name, dims) threadgroup T name dims

#else
#include "../metal/soft/shim/metal.h"
#endif

using namespace metal;

#include "dtype.h"
#include "simd.h"
