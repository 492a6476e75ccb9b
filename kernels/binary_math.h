// The float functions behind the binary op codes: shared by the binary kernels
// and the chain kernel.
#pragma once

#include "binary.h"
#include "unary_math.h"

// remainder_float has the divisor's sign.
METAL_FUNC float remainder_float(float a, float b) {
  float r = fmod(a, b);
  if (r != 0.0f && (r < 0.0f) != (b < 0.0f)) {
    r += b;
  }
  return r;
}

METAL_FUNC float log_add_exp_float(float a, float b) {
  if (isnan(a) || isnan(b)) {
    return NAN;
  }
  float hi = max(a, b), lo = min(a, b);
  if (lo == -INFINITY || hi == INFINITY) {
    return hi;
  }
  return hi + log1p_float(precise::exp(lo - hi));
}

METAL_FUNC float binary_float(uint op, float a, float b) {
  switch (op) {
    case BINARY_ADD: return a + b;
    case BINARY_SUBTRACT: return a - b;
    case BINARY_MULTIPLY: return a * b;
    case BINARY_DIVIDE: return a / b;
    case BINARY_FLOOR_DIVIDE: return floor(a / b);
    case BINARY_REMAINDER: return remainder_float(a, b);
    case BINARY_POWER: return precise::pow(a, b);
    case BINARY_MAXIMUM: return isnan(a) ? a : (a > b ? a : b);
    case BINARY_MINIMUM: return isnan(a) ? a : (a < b ? a : b);
    case BINARY_LOG_ADD_EXP: return log_add_exp_float(a, b);
    default: return precise::atan2(a, b);
  }
}

METAL_FUNC bool compare_float(uint op, float a, float b) {
  switch (op) {
    case BINARY_EQUAL: return a == b;
    case BINARY_NOT_EQUAL: return a != b;
    case BINARY_LESS: return a < b;
    case BINARY_LESS_EQUAL: return a <= b;
    case BINARY_GREATER: return a > b;
    default: return a >= b;
  }
}
