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
  static constexpr uint32_t all[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  vu x;
  memcpy(&x, all, sizeof x);
  return x;
}

// bytes_to_codes widens the first bytes of p, nibbles_to_codes the first half
// bytes, lower half first.
FT_OP vu bytes_to_codes(const uint8_t* p) {
#if defined(FT_AVX512)
  return (vu)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p));
#elif defined(FT_AVX2)
  return (vu)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p));
#else
  typedef uint8_t bytes __attribute__((vector_size(lanes)));
  bytes b;
  memcpy(&b, p, sizeof b);
  return __builtin_convertvector(b, vu);
#endif
}
FT_OP vu nibbles_to_codes(const uint8_t* p) {
#if defined(FT_AVX2)
  uint64_t x = 0;
  memcpy(&x, p, lanes / 2);
  const __m128i b = _mm_cvtsi64_si128(int64_t(x)), mask = _mm_set1_epi8(15);
  const __m128i both = _mm_unpacklo_epi8(_mm_and_si128(b, mask), _mm_and_si128(_mm_srli_epi16(b, 4), mask));
#if defined(FT_AVX512)
  return (vu)_mm512_cvtepu8_epi32(both);
#else
  return (vu)_mm256_cvtepu8_epi32(both);
#endif
#else
  uint16_t x;
  memcpy(&x, p, sizeof x);
  return ((vu{} + uint32_t(x)) >> (iota() * 4)) & 15u;
#endif
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
    return nibbles_to_codes(p);
  } else if constexpr (B == 2) {
    return ((vu{} + few<lanes / 4>(p)) >> (iota() * 2)) & 3u;
  } else {
    // Four elements lie in B / 2 bytes, from the middle of a byte where B is odd.
    uint32_t x[4];
    FT_UNROLL for (int q = 0; q < lanes / 4; q++) {
      const int64_t bit = (e + 4 * q) * B;
      x[q] = few<(B + 1) / 2>(row + bit / 8) >> (bit % 8);
    }
#if defined(FT_AVX512)
    const __m512i at = _mm512_srli_epi32((__m512i)iota(), 2);
    const vu w = (vu)_mm512_permutexvar_epi32(at, _mm512_castsi128_si512(_mm_set_epi32(int(x[3]), int(x[2]), int(x[1]), int(x[0]))));
#elif defined(FT_AVX2)
    const vu w = (vu)_mm256_set_m128i(_mm_set1_epi32(int(x[1])), _mm_set1_epi32(int(x[0])));
#else
    const vu w = vu{} + x[0];
#endif
    return (w >> ((iota() & 3u) * B)) & ((1u << B) - 1);
  }
}

// value is what codes stand for, before scaling.
template <int F> FT_OP vf value(vu c) {
  if constexpr (F == 14) {
#if defined(FT_AVX512)
    const __m512 table = _mm512_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f, -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f);
    return (vf)_mm512_permutexvar_ps((__m512i)c, table);
#elif defined(FT_AVX2)
    const __m256 table = _mm256_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f);
    return float_of(bits_of((vf)_mm256_permutevar8x32_ps(table, (__m256i)c)) | (c & 8u) << 28);
#else
    // Twice the value is m, or (2 + m) * 2^(e - 1).
    const vu e = c >> 1 & 3u, m = c & 1u;
    const vu twice = e == 0u ? m : (m | 2u) << ((e - 1u) & 3u);
    const vf x = __builtin_convertvector((vi)twice, vf) * 0.5f;
    return float_of(bits_of(x) | (c & 8u) << 28);
#endif
  } else if constexpr (F == 18) {
    const vu a = c & 127u;
    const vf small = __builtin_convertvector((vi)a, vf) * 0.001953125f;
    const vf x = a < 8u ? small : float_of((a << 20) + 0x3c000000u);
    return float_of(bits_of(x) | (c & 128u) << 24);
  } else {
    return __builtin_convertvector((vi)c, vf);
  }
}

// evens and odds take two vectors apart: interleave_low and interleave_high put
// them together again.
#if defined(FT_AVX512)
FT_OP vf evens(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30); }
FT_OP vf odds(vf a, vf b) { return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31); }
#elif defined(FT_AVX2)
FT_OP vf evens(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14); }
FT_OP vf odds(vf a, vf b) { return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15); }
#else
FT_OP vf evens(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 2, 4, 6); }
FT_OP vf odds(vf a, vf b) { return __builtin_shufflevector(a, b, 1, 3, 5, 7); }
#endif

// unpack_step unpacks V vectors from element e on. V = 2 is for elements of four
// bits: those of even number, then the others, which needs fewer instructions than
// their order.
template <int F, int V> FT_OP void unpack_step(const uint8_t* row, int64_t e, vf* x) {
  if constexpr (V == 2) {
    static_assert(bits_in<F> == 4, "two elements in a byte");
    const vu c = bytes_to_codes(row + e / 2);
#if defined(FT_AVX512)
    if constexpr (F == 4) { // a table of 16 needs no mask
      const __m512 table = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
      x[0] = (vf)_mm512_permutexvar_ps((__m512i)c, table), x[1] = (vf)_mm512_permutexvar_ps((__m512i)(c >> 4), table);
      return;
    }
#endif
    x[0] = value<F>(c & 15u), x[1] = value<F>(c >> 4);
  } else {
    x[0] = value<F>(codes<bits_in<F>>(row, e));
  }
}

// parted rearranges n elements as steps of two vectors have them; joined undoes it.
void parted(float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += 2 * lanes) {
    const vf a = load(x + i), b = load(x + i + lanes);
    store(x + i, evens(a, b)), store(x + i + lanes, odds(a, b));
  }
}
void joined(float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += 2 * lanes) {
    const vf a = load(x + i), b = load(x + i + lanes);
    store(x + i, interleave_low(a, b)), store(x + i + lanes, interleave_high(a, b));
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
template <int F, class T> void dequantise(const uint8_t* row, int64_t from, int64_t n, int64_t group, const float* s, const float* b, T* out) {
  for (int64_t e = 0; e < n; e += group, s++, b++)
    for (int64_t i = e; i < e + group; i += lanes) store(out + i, unpack<F>(row, from + i) * *s + *b);
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft
