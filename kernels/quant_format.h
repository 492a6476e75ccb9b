// The formats of quantised matrices: how a unit of eight elements is packed, and
// what an element and a scale stand for. An element x of an affine format is
// scale * code + bias; one of the others is scale * x, x an e2m1 or e4m3 float.
#pragma once

// The kinds of a format: what its scales are.
#define QUANT_AFFINE 0  // floats of the matrix's own dtype, with biases
#define QUANT_E8M0 1    // powers of two
#define QUANT_E4M3 2    // 8-bit floats

constant float quant_e2m1[8] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};

METAL_FUNC float quant_from_e2m1(uint code) {
  float a = quant_e2m1[code & 7];
  return code & 8 ? -a : a;
}

// The code of the value that is nearest to x in T's arithmetic, the first of those
// that are equally near: 0 for what is not finite or too large for T to tell.
template <typename T>
METAL_FUNC uint quant_to_e2m1(float x) {
  uint best = 0;
  float least = INFINITY;
  for (uint code = 0; code < 16; code++) {
    float off = fabs(float(T(x - quant_from_e2m1(code))));
    best = off < least ? code : best;
    least = off < least ? off : least;
  }
  return best;
}

// e4m3 as MLX has it: to nearest even, what exceeds the largest number, 448,
// becomes 448, infinities and NaN too. No code is NaN: 127 is 480.
METAL_FUNC uint quant_to_e4m3(float x) {
  uint u = as_type<uint>(x), sign = u >> 31 << 7, a = u & 0x7fffffff;
  if (a >= 0x43e00000) {
    return sign | 0x7e;
  }
  if (a < 0x3c800000) {  // below 2^-6 the steps are 2^-9
    return sign | uint(rint(as_type<float>(a) * 512.0f));
  }
  return sign | ((a - 0x3c000000 + 0x7ffff + (a >> 20 & 1)) >> 20);
}

METAL_FUNC float quant_from_e4m3(uint code) {
  uint a = code & 127;
  float x = a < 8 ? float(a) * 0.001953125f : as_type<float>((a << 20) + 0x3c000000);
  return code & 128 ? -x : x;
}

METAL_FUNC float quant_from_e8m0(uint code) { return as_type<float>(code == 0 ? 0x00400000u : code << 23); }

// The exponent of the power of two that is nearest to x on a logarithmic scale,
// in T's arithmetic; 0 for 0. Its code has 8 bits of it: below 2^-127 it wraps.
template <typename T>
METAL_FUNC int quant_exponent(float x) {
  return x > 0.0f && x < INFINITY ? int(rint(float(T(precise::log2(x))))) : 0;
}

METAL_FUNC float quant_power(int e) { return as_type<float>(e < -126 ? 1u << (e + 149) : uint(e + 127) << 23); }

// quant_scale is the type of scales: T in affine formats.
template <typename T, int KIND> struct quant_scale {
  typedef uint8_t type;
  static METAL_FUNC float value(uint8_t s) { return KIND == QUANT_E8M0 ? quant_from_e8m0(s) : quant_from_e4m3(s); }
};
template <typename T> struct quant_scale<T, QUANT_AFFINE> {
  typedef T type;
  static METAL_FUNC float value(T s) { return float(s); }
};

// The value of a code before scaling.
template <int BITS, int KIND>
METAL_FUNC float quant_value(uint code) {
  return KIND == QUANT_AFFINE ? float(code) : BITS == 4 ? quant_from_e2m1(code) : quant_from_e4m3(code);
}

// The codes of four elements whose first bit is bit from of w, a unit.
template <int BITS>
METAL_FUNC uint quant_four(device const uint8_t* w, uint from) {
  uint bits = 0;
  w += from / 8;
  for (uint i = 0; i < (from % 8 + 4 * BITS + 7) / 8; i++) {
    bits |= uint(w[i]) << (8 * i);
  }
  return bits >> (from % 8);
}

// Unpacks a unit, before scaling.
template <int BITS, int KIND>
METAL_FUNC void quant_unpack(device const uint8_t* w, thread float* x) {
  uint low = quant_four<BITS>(w, 0), high = quant_four<BITS>(w, 4 * BITS);
  for (uint i = 0; i < 4; i++) {
    x[i] = quant_value<BITS, KIND>(low >> (i * BITS) & ((1u << BITS) - 1));
    x[i + 4] = quant_value<BITS, KIND>(high >> (i * BITS) & ((1u << BITS) - 1));
  }
}

// Packs the codes of a unit.
template <int BITS>
METAL_FUNC void quant_pack(thread const uint* codes, device uint8_t* w) {
  uint64_t all = 0;
  for (uint i = 0; i < 8; i++) {
    all |= uint64_t(codes[i]) << (i * BITS);
  }
  for (uint i = 0; i < BITS; i++) {
    w[i] = uint8_t(all >> (8 * i));
  }
}
