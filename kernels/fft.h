// Arguments of the discrete Fourier transform. Row r is i = r % inner of block
// o = r / inner: its element k is at o·inRow + i·inInner + k·inStride of the
// input, and likewise of the output.
#pragma once

// The longest transform of one threadgroup.
#define FFT_MAX 2048

struct FftArgs {
  uint64_t rows;
  int64_t inRow;
  int64_t inInner;
  int64_t inStride;
  int64_t outRow;
  int64_t outInner;
  int64_t outStride;
  uint32_t n;         // a power of two, at most FFT_MAX
  uint32_t inner;
  uint32_t total;     // the length that the rows of a block are parts of
  uint32_t outs;      // of each block only the first so many elements are written
  uint32_t threads;   // of a row
  uint32_t inverse;   // exp(+2πi jk/n)
  uint32_t hermitian; // a block of the input holds elements 0 to total/2, whose conjugates the others are
  uint32_t twiddle;   // element k is multiplied by the root of unity total^(i·k)
  float scale;
  uint32_t reserved;
};
