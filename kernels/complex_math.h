// Arithmetic of complex numbers, a pair of floats each: x is the real part, y
// the imaginary one. Their order is that of the real parts, then of the
// imaginary ones.
#pragma once

#include "binary_math.h"
#include "complex.h"

METAL_FUNC float2 complex_multiply(float2 a, float2 b) {
  return float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

// R. L. Smith's division: no square that could overflow.
METAL_FUNC float2 complex_divide(float2 a, float2 b) {
  if (abs(b.x) >= abs(b.y)) {
    float r = b.y / b.x, d = b.x + b.y * r;
    return float2((a.x + a.y * r) / d, (a.y - a.x * r) / d);
  }
  float r = b.x / b.y, d = b.x * r + b.y;
  return float2((a.x * r + a.y) / d, (a.y * r - a.x) / d);
}

METAL_FUNC float complex_abs(float2 z) {
  float x = abs(z.x), y = abs(z.y);
  float hi = max(x, y), lo = min(x, y);
  if (hi == 0.0f || isinf(hi)) {
    return hi;
  }
  float r = lo / hi;
  return hi * precise::sqrt(1.0f + r * r);
}

METAL_FUNC float2 complex_sqrt(float2 z) {
  float r = complex_abs(z);
  if (r == 0.0f) {
    return float2(0.0f, z.y);
  }
  float t = precise::sqrt(0.5f * (abs(z.x) + r));
  float u = abs(z.y) / (2.0f * t);
  float re = z.x >= 0.0f ? t : u, im = z.x >= 0.0f ? u : t;
  return float2(re, z.y < 0.0f ? -im : im);
}

METAL_FUNC float2 complex_exp(float2 z) {
  float e = precise::exp(z.x);
  if (z.y == 0.0f) {
    return float2(e, z.y);
  }
  return float2(e * precise::cos(z.y), e * precise::sin(z.y));
}

METAL_FUNC float2 complex_log(float2 z) {
  return float2(precise::log(complex_abs(z)), precise::atan2(z.y, z.x));
}

// ln(1+z) without cancellation near 0.
METAL_FUNC float2 complex_log1p(float2 z) {
  float re;
  if (abs(z.x) < 0.5f && abs(z.y) < 0.5f) {
    re = 0.5f * log1p_float(z.x * (2.0f + z.x) + z.y * z.y);
  } else {
    re = precise::log(complex_abs(float2(1.0f + z.x, z.y)));
  }
  return float2(re, precise::atan2(z.y, 1.0f + z.x));
}

METAL_FUNC float2 complex_sin(float2 z) {
  return float2(precise::sin(z.x) * precise::cosh(z.y), precise::cos(z.x) * precise::sinh(z.y));
}

METAL_FUNC float2 complex_cos(float2 z) {
  return float2(precise::cos(z.x) * precise::cosh(z.y), -(precise::sin(z.x) * precise::sinh(z.y)));
}

// i·z and -i·z: what turns circular functions into hyperbolic ones.
METAL_FUNC float2 complex_left(float2 z) { return float2(-z.y, z.x); }
METAL_FUNC float2 complex_right(float2 z) { return float2(z.y, -z.x); }

METAL_FUNC float2 complex_tanh(float2 z) {
  if (abs(z.x) > 20.0f) { // the hyperbolic functions of 2x may overflow
    return float2(z.x < 0.0f ? -1.0f : 1.0f, 0.0f);
  }
  float d = precise::cosh(2.0f * z.x) + precise::cos(2.0f * z.y);
  return float2(precise::sinh(2.0f * z.x) / d, precise::sin(2.0f * z.y) / d);
}

METAL_FUNC float2 complex_asinh(float2 z) {
  bool left = z.x < 0.0f; // odd: the sum below would cancel there
  float2 w = left ? -z : z;
  float2 s = complex_multiply(w, w);
  float2 r = complex_log(w + complex_sqrt(float2(s.x + 1.0f, s.y)));
  return left ? -r : r;
}

METAL_FUNC float2 complex_asin(float2 z) { return complex_right(complex_asinh(complex_left(z))); }

METAL_FUNC float2 complex_acos(float2 z) {
  float2 s = complex_asin(z);
  return float2(M_PI_2_F - s.x, -s.y);
}

METAL_FUNC float2 complex_acosh(float2 z) {
  float2 r = complex_multiply(complex_sqrt(float2(z.x + 1.0f, z.y)), complex_sqrt(float2(z.x - 1.0f, z.y)));
  return complex_log(z + r);
}

METAL_FUNC float2 complex_atanh(float2 z) {
  return 0.5f * (complex_log1p(z) - complex_log1p(-z));
}

METAL_FUNC bool complex_less(float2 a, float2 b) { return a.x < b.x || (a.x == b.x && a.y < b.y); }
METAL_FUNC bool complex_equal(float2 a, float2 b) { return a.x == b.x && a.y == b.y; }
METAL_FUNC bool complex_is_nan(float2 a) { return isnan(a.x) || isnan(a.y); }

// A real part that is NaN comes through, as in MLX.
METAL_FUNC float2 complex_maximum(float2 a, float2 b) {
  return isnan(a.x) || complex_less(b, a) ? a : b;
}

METAL_FUNC float2 complex_minimum(float2 a, float2 b) {
  return isnan(a.x) || complex_less(a, b) ? a : b;
}

METAL_FUNC float2 complex_power(float2 a, float2 b) {
  if (a.x == 0.0f && a.y == 0.0f) {
    return float2(b.x == 0.0f && b.y == 0.0f ? 1.0f : 0.0f, 0.0f);
  }
  return complex_exp(complex_multiply(b, complex_log(a)));
}

METAL_FUNC float2 complex_log_add_exp(float2 a, float2 b) {
  float2 hi = complex_maximum(a, b), lo = complex_minimum(a, b);
  if (lo.x == -INFINITY || hi.x == INFINITY) {
    return hi;
  }
  return hi + complex_log1p(complex_exp(lo - hi));
}

METAL_FUNC float2 complex_unary(uint op, float2 z) {
  switch (op) {
    case UNARY_NEGATIVE: return -z;
    case UNARY_SIGN: {
      float r = complex_abs(z);
      return r == 0.0f ? z : z / r;
    }
    case UNARY_SQUARE: return complex_multiply(z, z);
    case UNARY_SQRT: return complex_sqrt(z);
    case UNARY_RSQRT: return complex_divide(float2(1.0f, 0.0f), complex_sqrt(z));
    case UNARY_RECIPROCAL: return complex_divide(float2(1.0f, 0.0f), z);
    case UNARY_EXP: return complex_exp(z);
    case UNARY_LOG: return complex_log(z);
    case UNARY_LOG2: return complex_log(z) * 1.44269504f;
    case UNARY_LOG10: return complex_log(z) * 0.434294482f;
    case UNARY_LOG1P: return complex_log1p(z);
    case UNARY_SIN: return complex_sin(z);
    case UNARY_COS: return complex_cos(z);
    case UNARY_TAN: return complex_right(complex_tanh(complex_left(z)));
    case UNARY_ARCSIN: return complex_asin(z);
    case UNARY_ARCCOS: return complex_acos(z);
    case UNARY_ARCTAN: return complex_right(complex_atanh(complex_left(z)));
    case UNARY_SINH: return complex_right(complex_sin(complex_left(z)));
    case UNARY_COSH: return complex_cos(complex_left(z));
    case UNARY_TANH: return complex_tanh(z);
    case UNARY_ARCSINH: return complex_asinh(z);
    case UNARY_ARCCOSH: return complex_acosh(z);
    case UNARY_ARCTANH: return complex_atanh(z);
    case UNARY_ROUND: return float2(rint(z.x), rint(z.y));
    default: return float2(z.x, -z.y); // COMPLEX_CONJUGATE
  }
}

METAL_FUNC float2 complex_binary(uint op, float2 a, float2 b) {
  switch (op) {
    case BINARY_ADD: return a + b;
    case BINARY_SUBTRACT: return a - b;
    case BINARY_MULTIPLY: return complex_multiply(a, b);
    case BINARY_DIVIDE: return complex_divide(a, b);
    case BINARY_POWER: return complex_power(a, b);
    case BINARY_MAXIMUM: return complex_maximum(a, b);
    case BINARY_MINIMUM: return complex_minimum(a, b);
    default: return complex_log_add_exp(a, b);
  }
}

METAL_FUNC bool complex_compare(uint op, float2 a, float2 b) {
  switch (op) {
    case BINARY_EQUAL: return complex_equal(a, b);
    case BINARY_NOT_EQUAL: return !complex_equal(a, b);
    case BINARY_LESS: return complex_less(a, b);
    case BINARY_LESS_EQUAL: return complex_less(a, b) || complex_equal(a, b);
    case BINARY_GREATER: return complex_less(b, a);
    default: return complex_less(b, a) || complex_equal(a, b);
  }
}
