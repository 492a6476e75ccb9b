// Elementary functions of vectors, for native_simd.h, with C's results for
// infinities and NaN. The polynomials are those of S. Moshier's Cephes library,
// single precision, except where others are named. Largest errors in units of the
// last place, over one float of every hundred, which a test asserts: exp 1.0, log
// 0.9, sigmoid 1.9, tanh 1.3, erf 1.2, sine and cosine 2.0.

namespace ft {
namespace FT_ISA {

// e^x: x = n ln 2 + r, |r| <= ln 2 / 2. ln 2 is split so that n times its first
// part is exact.
FT_OP vf exp(vf x) {
  x = x > 89.0f ? splat(89.0f) : x;
  x = x < -105.0f ? splat(-105.0f) : x;
  vf n = rint(x * 1.44269504088896341f);
  vf r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  vf p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r;
  return scale(p + 1.0f, n);
}

// ln x: x = 2^e (1 + m), sqrt(1/2) <= 1 + m < sqrt(2).
FT_OP vf log(vf x) {
  vi small = x < 0x1p-126f;
  vf y = small ? x * 0x1p23f : x;
  vu u = bits_of(y);
  vf e = __builtin_convertvector((vi)((u >> 23) & 0xffu) - 126, vf) - (small ? splat(23.0f) : vf{});
  vf m = float_of((u & 0x007fffffu) | 0x3f000000u);  // [1/2, 1)
  vi low = m < 0.707106781186547524f;
  e = e - (low ? splat(1.0f) : vf{});
  m = m - 1.0f + (low ? m : vf{});
  vf z = m * m;
  vf p = splat(7.0376836292e-2f);
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  p = p * m * z;
  p = p - e * 2.12194440e-4f;
  p = p - 0.5f * z;
  vf r = (m + p) + e * 0.693359375f;
  r = y < __builtin_inff() ? r : y;  // infinity and NaN
  r = y > 0.0f ? r : (y == 0.0f ? splat(-__builtin_inff()) : splat(__builtin_nanf("")));
  return r;
}

// 1 / (1 + e^-x), by e^-|x| on both sides, so that small values keep their
// digits. What rounding takes from the denominator is given back.
FT_OP vf sigmoid(vf x) {
  vf e = exp(-abs(x)), d = 1.0f + e, lost = e - (d - 1.0f);
  vf q = (x < 0.0f ? e : (vf{} + 1.0f)) / d;
  return q - q * lost;
}

FT_OP vf tanh(vf x) {
  vf a = abs(x), z = x * x;
  vf p = splat(-5.70498872745e-3f);
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  vf small = p * z * x + x;
  vf large = 1.0f - 2.0f / (exp(a + a) + 1.0f);
  large = float_of(bits_of(large) | (bits_of(x) & 0x80000000u));
  return a < 0.625f ? small : large;
}

// erf by N. Juffa's minimax polynomials: of x, and of ln(1 - erf |x|).
FT_OP vf erf(vf x) {
  vf a = abs(x), z = x * x;
  vf p = splat(-5.96761703e-4f);
  p = p * z + 4.99119423e-3f;
  p = p * z - 2.67681349e-2f;
  p = p * z + 1.12819925e-1f;
  p = p * z - 3.76125336e-1f;
  p = p * z + 1.28379166e-1f;
  vf small = p * x + x;
  p = -1.72853470e-5f * a + 3.83197126e-4f;
  p = p * z + (-3.88396438e-3f * a + 2.42546219e-2f);
  p = p * a - 1.06777877e-1f;
  p = p * a - 6.34846687e-1f;
  p = p * a - 1.28717512e-1f;
  vf large = 1.0f - exp(p * a - a);
  large = a < 4.0f ? large : (vf{} + 1.0f);  // where the polynomial ends
  large = float_of(bits_of(large) | (bits_of(x) & 0x80000000u));
  vf r = a < 0.927734375f ? small : large;
  return x != x ? x : r;
}

// sincos gives the sine and cosine of |x| < 2^20: x less the nearest multiple n
// of pi/2, which is taken away in parts.
FT_OP void sincos(vf x, vf* sine, vf* cosine) {
  vf n = rint(x * 0.636619772367581343f);
#if defined(FT_FMA)
  // Each product is exact inside a fused multiply-add.
  vf r = x - n * 1.57079637050628662109f;
  r = r + n * 4.37113882867379e-8f;
  r = r + n * 1.71512451000588e-15f;
#else
  vf r;
  for (int i = 0; i < lanes; i++)
    r[i] = float((double(x[i]) - double(n[i]) * 1.57079632673412561417) - double(n[i]) * 6.07710050650619224932e-11);
#endif
  vf z = r * r;
  vf s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
  vf c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * (z * z) - 0.5f * z + 1.0f;
  vu quadrant = (vu)__builtin_convertvector(n, vi);
  vi odd = (vi)(quadrant & 1u) != 0;
  vf a = odd ? c : s, b = odd ? s : c;
  *sine = float_of(bits_of(a) ^ ((quadrant & 2u) << 30));
  *cosine = float_of(bits_of(b) ^ (((quadrant + 1u) & 2u) << 30));
}

// top_of is the maximum of a row; NaNs are passed over.
template <class T> static float top_of(const T* x, int64_t n) {
  vf low = splat(-__builtin_inff()), m[4] = {low, low, low, low};
  each4(n, [&](int64_t i, auto k, int j) { m[j] = max(keep(load(x + i, k), k, -__builtin_inff()), m[j]); });
  return highest(m);
}

// logsumexp is ln Σ e^x of a row, without overflow.
template <class T> static float logsumexp(const T* x, int64_t n) {
  const float top = top_of(x, n), shift = __builtin_isinf(top) ? 0.0f : top;
  return shift + __builtin_logf(total(n, [&](int64_t i, auto k) { return keep(exp(load(x + i, k) - shift), k, 0.0f); }));
}

}  // namespace FT_ISA
}  // namespace ft
