// The native gemm for AVX-512.
#include "native_gemm.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif
#define FT_ISA avx512
#define FT_AVX512 1
#define FT_AVX2 1
#define FT_FMA 1
#define FT_MR 14
#define FT_NV 2
#define FT_KC 384
#define FT_PAIRS 0
#include "native_gemm_core.h"
#include "native_gemm_skinny.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif

const ft::GemmIsa* ft::gemm_avx512() { return &avx512::isa; }
#else
const ft::GemmIsa* ft::gemm_avx512() { return nullptr; }
#endif
