// Math functions of the shim, one per launch.
#include "../../../kernels/kernel.h"

static_assert(sizeof(float2) == 8 && sizeof(float3) == 16 && sizeof(float4) == 16, "Metal's sizes");
static_assert(sizeof(half3) == 8 && sizeof(half4) == 8 && sizeof(bfloat4) == 8, "Metal's sizes");
static_assert(sizeof(packed_float3) == 12 && sizeof(uchar4) == 4 && sizeof(ulong2) == 16, "Metal's sizes");
static_assert(alignof(float3) == 16 && alignof(half4) == 8 && alignof(packed_float4) == 4, "Metal's alignments");

struct MathArgs {
  uint op;
};

METAL_FUNC float math_op(uint op, float x, float y) {
  switch (op) {
    case 0: return exp(x);
    case 1: return precise::exp2(x);
    case 2: return fast::exp10(x);
    case 3: return log(x);
    case 4: return log2(x);
    case 5: return log10(x);
    case 6: return sin(x);
    case 7: return cos(x);
    case 8: return tan(x);
    case 9: return asin(x);
    case 10: return acos(x);
    case 11: return atan(x);
    case 12: return sinh(x);
    case 13: return cosh(x);
    case 14: return tanh(x);
    case 15: return asinh(x);
    case 16: return acosh(x);
    case 17: return atanh(x);
    case 18: return sqrt(x);
    case 19: return precise::rsqrt(x);
    case 20: return floor(x);
    case 21: return ceil(x);
    case 22: return rint(x);
    case 23: return round(x);
    case 24: return trunc(x);
    case 25: return fabs(x);
    case 26: return sign(x);
    case 27: return pow(x, y);
    case 28: return powr(x, y);
    case 29: return atan2(x, y);
    case 30: return fmod(x, y);
    case 31: return max(x, y);
    case 32: return min(x, y);
    case 33: return copysign(x, y);
    case 34: return fma(x, y, x);
    case 35: return clamp(x, -1.0f, y);
    case 36: return isnan(x) ? 1.0f : 0.0f;
    case 37: return isinf(x) ? 1.0f : 0.0f;
    case 38: return isfinite(x) ? 1.0f : 0.0f;
    case 39: return signbit(x) ? 1.0f : 0.0f;
    case 40: return select(x, y, x > y);
    case 41: return saturate(x);
    case 42: return ldexp(x, 3);
    case 43: return fdim(x, y);
    case 44: return mix(x, y, 0.25f);
    case 45: return dot(float3(x, y, x), float3(1.0f, 2.0f, y));
  }
  return 0.0f;
}

template <int = 0>
[[kernel]] void math(
    device const float* x [[buffer(0)]],
    device const float* y [[buffer(1)]],
    device float* out [[buffer(2)]],
    constant MathArgs& args [[buffer(3)]],
    uint i [[thread_position_in_grid]]) {
  out[i] = math_op(args.op, x[i], y[i]);
}

instantiate_kernel("selftest_math", math, 0)

METAL_FUNC uint bits_op(uint op, uint x, uint y) {
  switch (op) {
    case 0: return clz(x);
    case 1: return ctz(x);
    case 2: return popcount(x);
    case 3: return reverse_bits(x);
    case 4: return mulhi(x, y);
    case 5: return as_type<uint>(mulhi(as_type<int>(x), as_type<int>(y)));
    case 6: return rotate(x, y);
    case 7: return extract_bits(x, 5u, 9u);
    case 8: return insert_bits(x, y, 5u, 9u);
    case 9: return abs(as_type<int>(x) >> 1);
    case 10: return absdiff(x, y);
    case 11: return clz(ushort(x));
    case 12: return popcount(uchar(x));
    case 13: return clamp(x, 10u, y | 10u);
    case 14: return uint(mulhi(ulong(x) << 20, ulong(y) << 30));
    case 15: return as_type<uint>(extract_bits(as_type<int>(x), 5u, 9u));
  }
  return 0;
}

template <int = 0>
[[kernel]] void bits(
    device const uint* x [[buffer(0)]],
    device const uint* y [[buffer(1)]],
    device uint* out [[buffer(2)]],
    constant MathArgs& args [[buffer(3)]],
    uint i [[thread_position_in_grid]]) {
  out[i] = bits_op(args.op, x[i], y[i]);
}

instantiate_kernel("selftest_bits", bits, 0)

// Arithmetic in a 16-bit type: each operation rounds once, in T or in float.
template <typename T>
[[kernel]] void half_ops(
    device const T* x [[buffer(0)]],
    device const T* y [[buffer(1)]],
    device T* out [[buffer(2)]],
    constant MathArgs& args [[buffer(3)]],
    uint i [[thread_position_in_grid]]) {
  T a = x[i];
  T b = y[i];
  T r = a;
  switch (args.op) {
    case 0: r = a * b + a; break;                    // rounds twice
    case 1: r = T(float(a) * float(b) + float(a)); break;
    case 2: r = a / b; break;
    case 3: r += b; break;
    case 4: r = a - 1; break;
    case 5: r = T(a * 2.0f + b); break;              // float as soon as one is
    case 6: r = a > b ? a : -b; break;
  }
  out[i] = r;
}

instantiate_kernel("selftest_half_ops_f16", half_ops, half)
instantiate_kernel("selftest_half_ops_bf16", half_ops, bfloat)

// Vectors: out[i] mixes constructors, operators and comparisons of float4.
template <int = 0>
[[kernel]] void vectors(
    device const float4* x [[buffer(0)]],
    device const packed_float3* y [[buffer(1)]],
    device float4* out [[buffer(2)]],
    constant MathArgs& args [[buffer(3)]],
    uint i [[thread_position_in_grid]]) {
  float4 a = x[i];
  float3 b = y[i];
  switch (args.op) {
    case 0: a = a * 2.0f + float4(b, 1.0f); break;
    case 1: a = 1.0f / a - float4(float2(b.x, b.y), float2(b.z)); break;
    case 2: a = select(a, float4(b, 0.0f), a > float4(0.0f)); break;
    case 3: a = float4(half4(a)); break;
    case 4: a = float4(int4(a * 10.0f) % 4); break;
    case 5: a = float4(a[3], a[2], any(a > 3.0f) ? 1.0f : 0.0f, all(a == a) ? 1.0f : 0.0f); break;
    case 6: a = as_type<float4>(as_type<uint4>(a) ^ 0x80000000u); break;
    case 7: a = max(a, -a) + float4(length(b)); break;
  }
  out[i] = a;
}

instantiate_kernel("selftest_vectors", vectors, 0)
