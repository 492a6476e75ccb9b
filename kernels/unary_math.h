// The float functions behind the unary op codes: shared by the unary kernels
// and the chain kernel, so that a fused graph gives the same bits.
#pragma once

#include "unary.h"

// erf by W. J. Cody's rational approximations in three ranges
// ("Rational Chebyshev approximations for the error function", 1969),
// evaluated in float: a few ulp.
METAL_FUNC float erf_float(float x) {
  float a = abs(x);
  float r;
  if (a < 0.5f) {
    float z = x * x;
    float p = 3209.377589138469472562f + z * (377.4852376853020208137f + z * (113.8641541510501556495f + z * (3.161123743870565596947f + z * 0.185777706184603152673f)));
    float q = 2844.236833439170622273f + z * (1282.616526077372275645f + z * (244.0246379344441733056f + z * (23.60129095234412093499f + z)));
    return x * (p / q);
  }
  if (a < 4.0f) {
    float p = 1230.33935479799725272f + a * (2051.07837782607146532f + a * (1712.04761263407058314f + a * (881.952221241769090411f + a * (298.635138197400131132f + a * (66.1191906371416294775f + a * (8.88314979438837594118f + a * (0.564188496988670089180f + a * 2.15311535474403846343e-8f)))))));
    float q = 1230.33935480374942043f + a * (3439.36767414372163696f + a * (4362.61909014324715820f + a * (3290.79923573345962678f + a * (1621.38957456669018874f + a * (537.181101862009857509f + a * (117.693950891312499305f + a * (15.7449261107098347253f + a)))))));
    r = 1.0f - precise::exp(-a * a) * (p / q);
  } else {
    r = a != a ? a : 1.0f;
  }
  return x < 0.0f ? -r : r;
}

// erfinv by M. Giles's polynomials for single precision ("Approximating the
// erfinv function", GPU Computing Gems 2, 2010), with one Newton step.
METAL_FUNC float erfinv_float(float x) {
  float w = -precise::log((1.0f - x) * (1.0f + x));
  float p;
  if (w < 5.0f) {
    w = w - 2.5f;
    p = 2.81022636e-08f;
    p = 3.43273939e-07f + p * w;
    p = -3.5233877e-06f + p * w;
    p = -4.39150654e-06f + p * w;
    p = 0.00021858087f + p * w;
    p = -0.00125372503f + p * w;
    p = -0.00417768164f + p * w;
    p = 0.246640727f + p * w;
    p = 1.50140941f + p * w;
  } else {
    w = precise::sqrt(w) - 3.0f;
    p = -0.000200214257f;
    p = 0.000100950558f + p * w;
    p = 0.00134934322f + p * w;
    p = -0.00367342844f + p * w;
    p = 0.00573950773f + p * w;
    p = -0.0076224613f + p * w;
    p = 0.00943887047f + p * w;
    p = 1.00167406f + p * w;
    p = 2.83297682f + p * w;
  }
  if (abs(x) == 1.0f) {
    return x * INFINITY;
  }
  return p * x;
}

// expm1 without cancellation: u = e^x rounded, corrected by its own logarithm
// (W. Kahan).
METAL_FUNC float expm1_float(float x) {
  float u = precise::exp(x);
  if (u == 1.0f) {
    return x;
  }
  float um1 = u - 1.0f;
  if (um1 == -1.0f || isinf(u)) {
    return um1;
  }
  return um1 * (x / precise::log(u));
}

// log1p by the same device.
METAL_FUNC float log1p_float(float x) {
  float u = 1.0f + x;
  if (u == 1.0f) {
    return x;
  }
  if (u == INFINITY) {
    return u;
  }
  return precise::log(u) * (x / (u - 1.0f));
}

// e^x as MLX's CPU backend computes it, to the bit: 2^t, whole and part apart,
// by a polynomial. For comparing with it; precise::exp is more precise.
METAL_FUNC float exp_polynomial_float(float x) {
  if (isnan(x)) {
    return x;
  }
  if (x > 88.0f) {
    return INFINITY;
  }
  if (x < -88.0f) {
    return 0.0f;
  }
  float t = x * 1.442695f;
  float whole = floor(t + 0.5f);
  float part = t - whole;
  float r = 1.535336188319500e-4f;
  r = fma(r, part, 1.339887440266574e-3f);
  r = fma(r, part, 9.618437357674640e-3f);
  r = fma(r, part, 5.550332471162809e-2f);
  r = fma(r, part, 2.402264791363012e-1f);
  r = fma(r, part, 6.931472028550421e-1f);
  r = fma(r, part, 1.0f);
  return as_type<float>((int(whole) + 127) << 23) * r;
}

METAL_FUNC float sigmoid_float(float x) {
  float e = precise::exp(-abs(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

METAL_FUNC float sign_float(float x) {
  return float(x > 0.0f) - float(x < 0.0f);
}

METAL_FUNC float unary_transcendental(uint op, float x) {
  switch (op) {
    case UNARY_EXP: return precise::exp(x);
    case UNARY_EXPM1: return expm1_float(x);
    case UNARY_LOG: return precise::log(x);
    case UNARY_LOG2: return precise::log2(x);
    case UNARY_LOG10: return precise::log10(x);
    case UNARY_LOG1P: return log1p_float(x);
    case UNARY_SIGMOID: return sigmoid_float(x);
    case UNARY_ERF: return erf_float(x);
    case UNARY_ERFINV: return erfinv_float(x);
    case UNARY_SIN: return precise::sin(x);
    case UNARY_COS: return precise::cos(x);
    case UNARY_TAN: return precise::tan(x);
    case UNARY_ARCSIN: return precise::asin(x);
    case UNARY_ARCCOS: return precise::acos(x);
    case UNARY_ARCTAN: return precise::atan(x);
    case UNARY_SINH: return precise::sinh(x);
    case UNARY_COSH: return precise::cosh(x);
    case UNARY_TANH: return precise::tanh(x);
    case UNARY_ARCSINH: return precise::asinh(x);
    case UNARY_ARCCOSH: return precise::acosh(x);
    default: return precise::atanh(x);
  }
}

METAL_FUNC float unary_float(uint op, float x) {
  switch (op) {
    case UNARY_ABS: return abs(x);
    case UNARY_NEGATIVE: return -x;
    case UNARY_SIGN: return sign_float(x);
    case UNARY_SQUARE: return x * x;
    case UNARY_SQRT: return precise::sqrt(x);
    case UNARY_RSQRT: return precise::rsqrt(x);
    case UNARY_RECIPROCAL: return 1.0f / x;
    case UNARY_FLOOR: return floor(x);
    case UNARY_CEIL: return ceil(x);
    case UNARY_ROUND: return rint(x);
    case UNARY_EXP_POLYNOMIAL: return exp_polynomial_float(x);
    default: return unary_transcendental(op, x);
  }
}
