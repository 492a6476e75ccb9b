// out[i] = program(in0[i], in1[i], …): see chain.h. One thread per element; the
// program is uniform, so no simdgroup diverges. Every step rounds to its dtype:
// the result has the bits of the unfused kernels.
#include "kernel.h"
#include "binary_math.h"
#include "chain.h"

METAL_FUNC float chain_load(device const uchar* x, uint type, uint64_t i) {
  switch (type) {
    case CHAIN_F16: return float(((device const half*)x)[i]);
    case CHAIN_BF16: return float(((device const bfloat*)x)[i]);
    default: return ((device const float*)x)[i];
  }
}

METAL_FUNC float chain_round(uint type, float v) {
  switch (type) {
    case CHAIN_F16: return float(half(v));
    case CHAIN_BF16: return float(bfloat(v));
    default: return v;
  }
}

METAL_FUNC uint64_t chain_index(constant ChainArgs& args, uint k, uint64_t i) {
  switch (args.inMode[k]) {
    case CHAIN_SCALAR: return 0;
    case CHAIN_ROW: return i % args.inSize[k];
    default: return i;
  }
}

METAL_FUNC float chain_step(uint code, float a, float b) {
  if (code == CHAIN_CAST) {
    return a;
  }
  return code >= CHAIN_BINARY ? binary_float(code - CHAIN_BINARY, a, b) : unary_float(code, a);
}

template <typename U>
[[kernel]] void chain(
    device const uchar* in0 [[buffer(0)]],
    device const uchar* in1 [[buffer(1)]],
    device const uchar* in2 [[buffer(2)]],
    device const uchar* in3 [[buffer(3)]],
    device const uchar* in4 [[buffer(4)]],
    device const uchar* in5 [[buffer(5)]],
    device const uchar* in6 [[buffer(6)]],
    device const uchar* in7 [[buffer(7)]],
    device U* out [[buffer(8)]],
    constant ChainArgs& args [[buffer(9)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.size) {
    return;
  }
  float r[CHAIN_REGISTERS];
  device const uchar* ins[CHAIN_INPUTS] = {in0, in1, in2, in3, in4, in5, in6, in7};
  for (uint k = 0; k < args.inputs; k++) {
    r[k] = chain_load(ins[k], args.inType[k], chain_index(args, k, i));
  }
  for (uint s = 0; s < args.steps; s++) {
    r[args.inputs + s] = chain_round(args.round[s], chain_step(args.code[s], r[args.a[s]], r[args.b[s]]));
  }
  out[i] = U(r[args.inputs + args.steps - 1]);
}

instantiate_kernel("chain_f32", chain, float)
instantiate_kernel("chain_f16", chain, half)
instantiate_kernel("chain_bf16", chain, bfloat)
