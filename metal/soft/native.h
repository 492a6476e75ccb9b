// Native kernels: tuned C++ that stands in for the .metal kernel of the same
// name. It gets the same buffers and the same args struct.
//
//   #include "../../kernels/rms_norm.h"          // the args struct
//   static int64_t units(const ft_launch* l) { return rows of l->args; }
//   static void run(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {…}
//   FT_NATIVE("rms_norm_f32", units, run);
//
// Contract:
//   - units is how many independent pieces the launch has; run does the pieces
//     [begin, end). Pieces of one launch run at the same time on several host
//     threads, in ranges that nothing may be assumed of: the result of a piece
//     must not depend on them. A piece is best 20 µs to 200 µs of work.
//   - units may return 0 to decline a launch; the .metal kernel runs then.
//   - run writes what the kernel writes, to nothing else, and never past the
//     end of the views in l->bytes.
#pragma once

#include <stddef.h>
#include <stdint.h>

extern "C" {

// One launch: In then Out buffers, their lengths in bytes, the args struct.
struct ft_launch {
  void* const* bufs;
  const int64_t* bytes;
  const void* args;
  uint32_t grid[3], group[3];
  int64_t workers;  // host threads that may share it: a hint for the number of pieces, not for results
};

// The host thread that runs a piece.
struct ft_worker;

// ft_scratch is at least n bytes for the worker alone, 64-byte aligned, with
// undefined contents, valid until its next call on this worker.
void* ft_scratch(ft_worker* w, size_t n);

struct ft_native {
  const char* name;
  int64_t (*units)(const ft_launch*);
  void (*run)(const ft_launch*, int64_t begin, int64_t end, ft_worker*);
  ft_native* next;
};
void ft_register_native(ft_native* n);

// What the processor can do beyond the baseline the package is compiled for.
// Code for it carries __attribute__((target("avx2,fma,f16c"))) and the like.
struct ft_cpu_features {
  bool avx2;        // AVX2, FMA and F16C
  bool avx512;      // AVX-512 F, BW, DQ, VL
  bool avx512_bf16; // vdpbf16ps, vcvtneps2bf16
  bool amx;         // tiles of bfloat16, which the system lends
  bool plain_tiles; // tests: code for AMX without its instructions
  bool neon;        // always, on arm64
};
const ft_cpu_features* ft_cpu(void);
}

// FT_NATIVE registers run as the native form of the kernel called name, which
// must be a string of static lifetime.
#define FT_NATIVE_JOIN2(a, b) a##b
#define FT_NATIVE_JOIN(a, b) FT_NATIVE_JOIN2(a, b)
#define FT_NATIVE(name, units, run) FT_NATIVE_AT(name, units, run, __COUNTER__)
#define FT_NATIVE_AT(name, units, run, n)                                      \
  static ft_native FT_NATIVE_JOIN(ft_native_, n) = {name, units, run, nullptr}; \
  static const bool FT_NATIVE_JOIN(ft_native_done_, n) =                       \
      (ft_register_native(&FT_NATIVE_JOIN(ft_native_, n)), true)
