// The discrete Fourier transform of rows whose length is a power of two:
//   out[k] = scale · Σ x[j] exp(∓2πi jk/n)
// Stockham's algorithm in threadgroup memory, without bit reversal: one step of
// radix 2 if the exponent is odd, and steps of radix 4. A row has n/4 threads,
// and a threadgroup as many rows as its memory holds. Each thread reads what it
// combines, all threads meet, and then they write it to its new places. Longer
// transforms are two launches (fft.go), with the twiddle factors of the first in
// its output. Real inputs have imaginary parts of 0; real outputs drop theirs.
#include "kernel.h"
#include "fft.h"

METAL_FUNC float2 fft_number(float x) { return float2(x, 0.0f); }
METAL_FUNC float2 fft_number(float2 x) { return x; }

template <typename U>
struct fft_result {
  METAL_FUNC static U of(float2 z) { return z; }
};
template <>
struct fft_result<float> {
  METAL_FUNC static float of(float2 z) { return z.x; }
};

METAL_FUNC float2 fft_multiply(float2 a, float2 b) { return float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }

// exp(-2πi j/n), or its conjugate, for j < n, a power of two up to 2^24: the
// angle is taken from the nearest axis, so that no rounding of π counts.
METAL_FUNC float2 fft_root(uint j, uint n, bool inverse) {
  float turn = 4.0f * (float(j) / float(n));
  uint quadrant = uint(turn);
  float part = turn - float(quadrant);
  bool swap = part > 0.5f;
  float angle = (swap ? 1.0f - part : part) * M_PI_2_F;
  float c = precise::cos(angle), s = precise::sin(angle);
  float2 w = swap ? float2(s, c) : float2(c, s);
  w = (quadrant & 1) ? float2(-w.y, w.x) : w;
  w = (quadrant & 2) ? -w : w;
  return float2(w.x, inverse ? w.y : -w.y);
}

template <typename T, typename U>
[[kernel]] void fft(
    device const T* x [[buffer(0)]],
    device U* out [[buffer(1)]],
    constant FftArgs& args [[buffer(2)]],
    uint2 at [[thread_position_in_grid]],
    uint2 place [[thread_position_in_threadgroup]]) {
  shared_memory(float2, lines, [FFT_MAX]);
  threadgroup float2* line = lines + place.y * args.n;
  uint t = place.x, n = args.n;
  bool inverse = args.inverse != 0;
  uint64_t block = at.y / args.inner, i = at.y % args.inner;
  for (uint k = t; k < n; k += args.threads) {
    uint64_t j = i * uint64_t(args.inInner) + k * uint64_t(args.inStride);
    bool mirrored = args.hermitian != 0 && j > args.total / 2;
    float2 z = fft_number(x[block * uint64_t(args.inRow) + (mirrored ? args.total - j : j)]);
    line[k] = mirrored ? float2(z.x, -z.y) : z;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uint s = 1; // how many elements lie transformed together
  if ((ctz(n) & 1) != 0) {
    uint half_n = n / 2, b = t + args.threads;
    bool second = b < half_n;
    float2 u0 = line[t], v0 = line[t + half_n];
    float2 u1 = line[second ? b : t], v1 = line[(second ? b : t) + half_n];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    line[2 * t] = u0 + v0;
    line[2 * t + 1] = u0 - v0;
    if (second) {
      line[2 * b] = u1 + v1;
      line[2 * b + 1] = u1 - v1;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    s = 2;
  }
  for (; s < n; s *= 4) {
    uint quarter = n / 4, k = t & (s - 1);
    float2 w = fft_root(k, 4 * s, inverse);
    float2 w2 = fft_multiply(w, w);
    float2 a = line[t], b = fft_multiply(line[t + quarter], w);
    float2 c = fft_multiply(line[t + 2 * quarter], w2), d = fft_multiply(line[t + 3 * quarter], fft_multiply(w2, w));
    float2 even = a + c, odd = a - c, sum = b + d, turned = b - d;
    turned = inverse ? float2(-turned.y, turned.x) : float2(turned.y, -turned.x);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint to = (t - k) * 4 + k;
    line[to] = even + sum;
    line[to + s] = odd + turned;
    line[to + 2 * s] = even - sum;
    line[to + 3 * s] = odd - turned;
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (uint k = t; k < n; k += args.threads) {
    uint64_t j = i * uint64_t(args.outInner) + k * uint64_t(args.outStride);
    if (j < args.outs) {
      float2 z = line[k];
      if (args.twiddle != 0) {
        z = fft_multiply(z, fft_root(uint(i) * k, args.total, inverse));
      }
      out[block * uint64_t(args.outRow) + j] = fft_result<U>::of(z * args.scale);
    }
  }
}

// clang-format off
instantiate_kernel("fft_c64_c64", fft, float2, float2)
instantiate_kernel("fft_f32_c64", fft, float, float2)
instantiate_kernel("fft_c64_f32", fft, float2, float)
// clang-format on
