// The native gemm of bfloat16 for AMX, and the same without its instructions.
#include "native_gemm.h"

#if defined(__x86_64__) && defined(__linux__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c,amx-tile,amx-bf16"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c,amx-tile,amx-bf16")
#endif
#define FT_AVX512 1
#define FT_AVX2 1
#define FT_FMA 1
#define FT_PAIRS 1

#define FT_ISA amx
#define FT_AMX 1
#include "native_gemm_tiles.h"
#undef FT_ISA
#undef FT_AMX

#define FT_ISA plain_tiles
#define FT_AMX 0
#include "native_gemm_tiles.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

const ft::GemmIsa* ft::gemm_amx(bool plain) {
  static const GemmIsa real = amx::with_tiles(), shown = plain_tiles::with_tiles();
  return plain ? &shown : &real;
}
#else
const ft::GemmIsa* ft::gemm_amx(bool) { return nullptr; }
#endif
