// The native gemm for any processor: vectors of four floats, which are SSE2 on
// amd64 and NEON on arm64. The micro tile fills 16 or 32 registers.
#include "native_gemm.h"

#define FT_ISA baseline
#if defined(__aarch64__)
#define FT_FMA 1
#define FT_MR 8
#define FT_NV 3
#else
#define FT_MR 4
#define FT_NV 2
#endif
#define FT_KC 256
#define FT_PAIRS 0
#include "native_gemm_core.h"
#include "native_gemm_skinny.h"

const ft::GemmIsa* ft::gemm_base() { return &baseline::isa; }
