// Native fft of kernels/fft.metal: the same steps, on real and imaginary parts
// that lie apart, with the roots of unity from a table.
#include <algorithm>
#include <cmath>
#include <utility>

#include "native.h"
#include "native_types.h"

#include "../../kernels/fft.h"

namespace {

// exp(-2πi j/FFT_MAX), made in double.
struct roots {
  float re[FFT_MAX], im[FFT_MAX];
  roots() {
    for (int j = 0; j < FFT_MAX; j++) {
      re[j] = float(std::cos(2 * M_PI * j / FFT_MAX));
      im[j] = float(-std::sin(2 * M_PI * j / FFT_MAX));
    }
  }
};
const roots unity;

const FftArgs& args_of(const ft_launch* l) { return *static_cast<const FftArgs*>(l->args); }

int64_t rows_per_piece(const FftArgs& args) { return std::max(int64_t(1), int64_t(2 * FFT_MAX / args.n)); }

int64_t units(const ft_launch* l) { return ft::ceil_div(int64_t(args_of(l).rows), rows_per_piece(args_of(l))); }

// A row and where the next step puts it.
struct line {
  float re[FFT_MAX], im[FFT_MAX];
};

void radix2(uint32_t n, const line& x, line& y) {
  const uint32_t half = n / 2;
  for (uint32_t b = 0; b < half; b++) {
    y.re[2 * b] = x.re[b] + x.re[b + half];
    y.im[2 * b] = x.im[b] + x.im[b + half];
    y.re[2 * b + 1] = x.re[b] - x.re[b + half];
    y.im[2 * b + 1] = x.im[b] - x.im[b + half];
  }
}

// way is 1 forward and -1 inverse: what the roots' imaginary parts are times.
void radix4(uint32_t n, uint32_t s, float way, const line& x, line& y) {
  const uint32_t q = n / 4, step = FFT_MAX / (4 * s);
  for (uint32_t from = 0; from < q; from += s) {
    for (uint32_t k = 0; k < s; k++) {
      const uint32_t t = from + k, to = 4 * from + k;
      const float w1 = unity.re[k * step], v1 = way * unity.im[k * step], w2 = unity.re[2 * k * step], v2 = way * unity.im[2 * k * step];
      const float w3 = unity.re[3 * k * step], v3 = way * unity.im[3 * k * step];
      const float br = x.re[t + q] * w1 - x.im[t + q] * v1, bi = x.re[t + q] * v1 + x.im[t + q] * w1;
      const float cr = x.re[t + 2 * q] * w2 - x.im[t + 2 * q] * v2, ci = x.re[t + 2 * q] * v2 + x.im[t + 2 * q] * w2;
      const float dr = x.re[t + 3 * q] * w3 - x.im[t + 3 * q] * v3, di = x.re[t + 3 * q] * v3 + x.im[t + 3 * q] * w3;
      const float er = x.re[t] + cr, ei = x.im[t] + ci, odd_r = x.re[t] - cr, odd_i = x.im[t] - ci;
      const float sr = br + dr, si = bi + di, tr = way * (bi - di), ti = way * (dr - br);
      y.re[to] = er + sr;
      y.im[to] = ei + si;
      y.re[to + s] = odd_r + tr;
      y.im[to + s] = odd_i + ti;
      y.re[to + 2 * s] = er - sr;
      y.im[to + 2 * s] = ei - si;
      y.re[to + 3 * s] = odd_r - tr;
      y.im[to + 3 * s] = odd_i - ti;
    }
  }
}

struct pair {
  float re, im;
};
void read(float x, float& re, float& im) { re = x, im = 0; }
void read(pair x, float& re, float& im) { re = x.re, im = x.im; }
void write(float re, float, float* out) { *out = re; }
void write(float re, float im, pair* out) { *out = {re, im}; }

template <class T> void load(const FftArgs& args, const T* x, int64_t i, line& to) {
  for (uint32_t k = 0; k < args.n; k++) {
    const int64_t j = i * args.inInner + k * args.inStride;
    const bool mirrored = args.hermitian && j > args.total / 2;
    read(x[mirrored ? args.total - j : j], to.re[k], to.im[k]);
    if (mirrored) to.im[k] = -to.im[k];
  }
}

template <class U> void store(const FftArgs& args, line& from, int64_t i, U* out) {
  if (args.twiddle) { // powers of one root, each from the one before, in double
    const double angle = 2 * M_PI * double(i) / args.total, c = std::cos(angle), s = args.inverse ? std::sin(angle) : -std::sin(angle);
    double wr = 1, wi = 0;
    for (uint32_t k = 0; k < args.n; k++) {
      const double re = from.re[k], im = from.im[k], next = wr * c - wi * s;
      from.re[k] = float(re * wr - im * wi);
      from.im[k] = float(re * wi + im * wr);
      wi = wr * s + wi * c;
      wr = next;
    }
  }
  for (uint32_t k = 0; k < args.n; k++) {
    const int64_t j = i * args.outInner + k * args.outStride;
    if (j >= args.outs) break;
    write(from.re[k] * args.scale, from.im[k] * args.scale, out + j);
  }
}

template <class T, class U> void run(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const FftArgs& args = args_of(l);
  const int64_t per = rows_per_piece(args), last = std::min(end * per, int64_t(args.rows));
  line* a = static_cast<line*>(ft_scratch(w, 2 * sizeof(line)));
  line* b = a + 1;
  for (int64_t r = begin * per; r < last; r++) {
    const int64_t block = r / args.inner, i = r % args.inner;
    load(args, static_cast<const T*>(l->bufs[0]) + block * args.inRow, i, *a);
    uint32_t s = 1;
    if (__builtin_ctz(args.n) & 1) {
      radix2(args.n, *a, *b);
      std::swap(a, b);
      s = 2;
    }
    for (; s < args.n; s *= 4) {
      radix4(args.n, s, args.inverse ? -1.0f : 1.0f, *a, *b);
      std::swap(a, b);
    }
    store(args, *a, i, static_cast<U*>(l->bufs[1]) + block * args.outRow);
  }
}

FT_NATIVE("fft_c64_c64", units, (run<pair, pair>));
FT_NATIVE("fft_f32_c64", units, (run<float, pair>));
FT_NATIVE("fft_c64_f32", units, (run<pair, float>));

}  // namespace
