// The part of Metal's standard library that the kernels use, for a C++17
// compiler: kernels/kernel.h includes it wherever Apple's compiler is absent.
// No standard header is included, so that names such as abs or exp mean
// metal::abs and metal::exp, as they do in Metal.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
// Metal's kernels are built without fast-math: no contraction to FMA. No-errno
// and no-trapping change no value, and let loops over threads vectorise.
#pragma GCC optimize( \
    "O3", "fp-contract=off", "no-math-errno", "no-trapping-math")
#endif

#define FT_INLINE inline __attribute__((always_inline))
#define METAL_FUNC FT_INLINE

// Address spaces. In C++ there is one; tools/lintmetal checks them.
#define device
#define constant const
#define threadgroup
#define thread

// [[kernel]]: a kernel is inlined into the loop over its threads.
#define kernel gnu::always_inline

#include "types.h"
#include "vec.h"
#include "math.h"
#include "run.h"
#include "simd.h"
#include "atomic.h"
#include "matrix.h"
