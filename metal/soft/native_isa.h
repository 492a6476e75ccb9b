// Compiles a source of native kernels once per instruction set. The source
// includes itself through this header:
//
//   #ifndef FT_ISA
//   #define FT_SOURCE "native_softmax.cpp"
//   #include "native_isa.h"
//   #endif
//   #ifdef FT_ISA
//   namespace ft { namespace FT_ISA { namespace { …kernels, with native_simd.h… } } }
//   #else
//   FT_RUNNER(softmax_f32, softmax<float>)
//   FT_NATIVE("softmax_f32", units, softmax_f32);
//   #endif
//
// FT_RUNNER(name, function) defines the run function that picks the widest set
// which the processor has.
#pragma once

#include "native.h"
#include "native_types.h"

// The macros FT_AVX512, FT_AVX2 and FT_FMA tell what the code may use.
#if defined(__x86_64__)

#define FT_ISA avx512
#define FT_AVX512 1
#define FT_AVX2 1
#define FT_FMA 1
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,prefer-vector-width=512")
#endif
#include "native_simd.h"
#include FT_SOURCE
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#undef FT_ISA
#undef FT_AVX512

#define FT_ISA avx2
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
#include "native_simd.h"
#include FT_SOURCE
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#undef FT_ISA
#undef FT_AVX2
#undef FT_FMA

#elif defined(__aarch64__)
#define FT_FMA 1
#endif

#define FT_ISA baseline
#include "native_simd.h"
#include FT_SOURCE
#undef FT_ISA
#undef FT_FMA

#if defined(__x86_64__)
#define FT_RUNNER(name, ...)                                                   \
  static void name(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) { \
    const ft_cpu_features* cpu = ft_cpu();                                     \
    (cpu->avx512 ? ft::avx512::__VA_ARGS__                                     \
                 : cpu->avx2 ? ft::avx2::__VA_ARGS__ : ft::baseline::__VA_ARGS__)(l, begin, end, w); \
  }
#else
#define FT_RUNNER(name, ...)                                                   \
  static void name(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) { \
    ft::baseline::__VA_ARGS__(l, begin, end, w);                               \
  }
#endif
