// Unpacking of quantised matrices (kernels/quant_format.h), for native_isa.h's
// sources, in the namespace of one instruction set.
//
// A format F is the bits of an element, plus 10 where it is a small float:
// 2, 3, 4, 5, 6, 8, 14 (e2m1) and 18 (e4m3).

namespace ft {
namespace FT_ISA {
namespace {

template <int F> constexpr int bits_in = F % 10;

// iota is 0, 1, 2, …
FT_OP vu iota() {
  vu x;
  FT_UNROLL for (int i = 0; i < lanes; i++) x[i] = uint32_t(i);
  return x;
}

// bytes_to_codes widens the first bytes of p.
FT_OP vu bytes_to_codes(const uint8_t* p) {
  typedef uint8_t bytes __attribute__((vector_size(lanes)));
  bytes b;
  memcpy(&b, p, sizeof b);
  return __builtin_convertvector(b, vu);
}

// few is the next n <= 4 bytes.
template <int n> FT_OP uint32_t few(const uint8_t* p) {
  uint32_t x = 0;
  if (n == 3) {
    uint16_t low;
    memcpy(&low, p, 2);
    return low | uint32_t(p[2]) << 16;
  }
  memcpy(&x, p, n);
  return x;
}

// codes reads the codes of elements [e, e + lanes) of a row; e is a multiple of
// lanes. No byte of others is read.
template <int B> FT_OP vu codes(const uint8_t* row, int64_t e) {
  const uint8_t* p = row + e * B / 8;
  if constexpr (B == 8) {
    return bytes_to_codes(p);
  } else if constexpr (B == 4) {
    typedef uint8_t bytes __attribute__((vector_size(16)));
    bytes b = {};
    memcpy(&b, p, lanes / 2);
    const bytes low = b & 15, high = b >> 4;
    const bytes both = __builtin_shufflevector(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    uint8_t some[16];
    memcpy(some, &both, sizeof some);
    return bytes_to_codes(some);
  } else if constexpr (B == 2) {
    return ((vu{} + few<lanes / 4>(p)) >> (iota() * 2)) & 3u;
  } else {
    // Four elements lie in B / 2 bytes, from the middle of a byte where B is odd.
    vu w;
    FT_UNROLL for (int q = 0; q < lanes / 4; q++) {
      const int64_t bit = (e + 4 * q) * B;
      const uint32_t x = few<(B + 1) / 2>(row + bit / 8) >> (bit % 8);
      FT_UNROLL for (int i = 0; i < 4; i++) w[4 * q + i] = x;
    }
    return (w >> ((iota() & 3u) * B)) & ((1u << B) - 1);
  }
}

// value is what codes stand for, before scaling.
template <int F> FT_OP vf value(vu c) {
  if constexpr (F == 14) {
    // Twice the value is m, or (2 + m) * 2^(e - 1).
    const vu e = c >> 1 & 3u, m = c & 1u;
    const vu twice = e == 0u ? m : (m | 2u) << ((e - 1u) & 3u);
    const vf x = __builtin_convertvector((vi)twice, vf) * 0.5f;
    return float_of(bits_of(x) | (c & 8u) << 28);
  } else if constexpr (F == 18) {
    const vu a = c & 127u;
    const vf small = __builtin_convertvector((vi)a, vf) * 0.001953125f;
    const vf x = a < 8u ? small : float_of((a << 20) + 0x3c000000u);
    return float_of(bits_of(x) | (c & 128u) << 24);
  } else {
    return __builtin_convertvector((vi)c, vf);
  }
}

template <int F> FT_OP vf unpack(const uint8_t* row, int64_t e) { return value<F>(codes<bits_in<F>>(row, e)); }

// Scales are the scales and biases of a matrix. KIND is that of
// kernels/quant_format.h.
template <class T, int KIND> struct Scales {
  const void *scales, *biases;
  // to writes those of n groups from the i-th on.
  void to(int64_t i, int64_t n, float* s, float* b) const {
    if constexpr (KIND == 0) {
      each(n, [&](int64_t g, auto k) {
        store(s + g, load(static_cast<const T*>(scales) + i + g, k), k);
        store(b + g, load(static_cast<const T*>(biases) + i + g, k), k);
      });
    } else {
      const uint8_t* p = static_cast<const uint8_t*>(scales) + i;
      for (int64_t g = 0; g < n; g += lanes) {
        uint8_t some[lanes] = {};
        const int64_t left = n - g < lanes ? n - g : lanes;
        memcpy(some, p + g, size_t(left));
        const vu c = bytes_to_codes(some);
        const vf x = KIND == 2 ? value<18>(c) : float_of(c == 0u ? (vu{} + 0x00400000u) : c << 23);
        if (left == lanes) store(s + g, x);
        else store_n(s + g, x, left);
      }
      for (int64_t g = 0; g < n; g++) b[g] = 0.0f;
    }
  }
};

// dequantise writes n elements of a row from element from on, which begins a
// group; s and b are the scales and biases of the groups from there.
template <int F> void dequantise(const uint8_t* row, int64_t from, int64_t n, int64_t group, const float* s, const float* b, float* out) {
  for (int64_t e = 0; e < n; e += group, s++, b++)
    for (int64_t i = e; i < e + group; i += lanes) store(out + i, unpack<F>(row, from + i) * *s + *b);
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft
