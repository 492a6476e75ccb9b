// Convolution, channels last: x [N, in..., C], w [O, taps..., C/groups],
// y [N, out..., O]; see conv.h for how positions meet.
//
//   conv_unfold: u[g, row, (k, c)] = x[n, p(o, k), g, c], zeros outside, for the
//     rows (n, o) from first on: y = u @ wᵀ per group. One thread per element.
//   conv_fold: x[n, p, g, c] = sum of u[g, (n, o), (k, c)] over the o and k that
//     meet p, in the order of k: the transpose. One thread per element of x from
//     position first on; u begins with row base.
//   conv_depthwise: y where every group has one input channel, directly;
//   conv_depthwise_input and conv_depthwise_weight are its transposes. The latter
//     sums args.rows output positions a part: parts [part, O, taps] in float.
#include "kernel.h"
#include "conv.h"

// Flat positions are split into the axes' and the image's.
struct ConvPlace {
  int n, at[CONV_AXES];
};

METAL_FUNC ConvPlace conv_place(int64_t flat, int a, int b, int c) {
  ConvPlace p;
  p.at[2] = int(flat % c);
  flat /= c;
  p.at[1] = int(flat % b);
  flat /= b;
  p.at[0] = int(flat % a);
  p.n = int(flat / a);
  return p;
}

METAL_FUNC ConvPlace conv_out_place(constant ConvArgs& args, int64_t flat) {
  return conv_place(flat, args.out[0], args.out[1], args.out[2]);
}

METAL_FUNC ConvPlace conv_in_place(constant ConvArgs& args, int64_t flat) {
  return conv_place(flat, args.in[0], args.in[1], args.in[2]);
}

// conv_tap_place is where the weights with flat index k lie among the taps.
METAL_FUNC ConvPlace conv_tap_place(constant ConvArgs& args, int k) {
  ConvPlace p = conv_place(k, args.taps[0], args.taps[1], args.taps[2]);
  if (args.flip) {
    for (int d = 0; d < CONV_AXES; d++) {
      p.at[d] = args.taps[d] - 1 - p.at[d];
    }
  }
  return p;
}

METAL_FUNC int conv_taps(constant ConvArgs& args) {
  return args.taps[0] * args.taps[1] * args.taps[2];
}

// conv_input is the flat input position (n, p) that output position and tap
// meet, or -1.
METAL_FUNC int64_t conv_input(constant ConvArgs& args, ConvPlace o, ConvPlace k) {
  int64_t flat = o.n;
  for (int d = 0; d < CONV_AXES; d++) {
    int p = o.at[d] * args.stride[d] - args.pad[d] + k.at[d] * args.tapDilation[d];
    if (p < 0 || p % args.inputDilation[d] != 0 || p / args.inputDilation[d] >= args.in[d]) {
      return -1;
    }
    flat = flat * args.in[d] + p / args.inputDilation[d];
  }
  return flat;
}

// conv_output is the flat output position that input position and tap meet,
// or -1.
METAL_FUNC int64_t conv_output(constant ConvArgs& args, ConvPlace p, ConvPlace k) {
  int64_t flat = p.n;
  for (int d = 0; d < CONV_AXES; d++) {
    int o = p.at[d] * args.inputDilation[d] + args.pad[d] - k.at[d] * args.tapDilation[d];
    if (o < 0 || o % args.stride[d] != 0 || o / args.stride[d] >= args.out[d]) {
      return -1;
    }
    flat = flat * args.out[d] + o / args.stride[d];
  }
  return flat;
}

template <typename T>
[[kernel]] void unfold(
    device const T* x [[buffer(0)]],
    device T* u [[buffer(1)]],
    constant ConvArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint c = args.channels / args.groups;
  int64_t p = conv_input(args, conv_out_place(args, args.first + at.y), conv_tap_place(args, int(at.x / c)));
  T v = T(0.0f);
  if (p >= 0) {
    v = x[p * args.channels + at.z * c + at.x % c];
  }
  u[(int64_t(at.z) * args.rows + at.y) * grid.x + at.x] = v;
}

template <typename T>
[[kernel]] void fold(
    device const float* u [[buffer(0)]],
    device T* x [[buffer(1)]],
    constant ConvArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.size) {
    return;
  }
  uint c = args.channels / args.groups, channel = uint(i % args.channels);
  ConvPlace p = conv_in_place(args, args.first + int64_t(i / args.channels));
  int n = conv_taps(args);
  float sum = 0.0f;
  for (int k = 0; k < n; k++) {
    int64_t o = conv_output(args, p, conv_tap_place(args, k));
    if (o >= 0) {
      int64_t row = int64_t(channel / c) * args.rows + o - args.base;
      sum += u[(row * n + k) * c + channel % c];
    }
  }
  x[i] = T(sum);
}

template <typename T>
[[kernel]] void depthwise(
    device const T* x [[buffer(0)]],
    device const T* w [[buffer(1)]],
    device T* y [[buffer(2)]],
    constant ConvArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.size) {
    return;
  }
  uint o = uint(i % args.outputs), c = o / (args.outputs / args.channels);
  ConvPlace place = conv_out_place(args, int64_t(i / args.outputs));
  int n = conv_taps(args);
  float sum = 0.0f;
  for (int k = 0; k < n; k++) {
    int64_t p = conv_input(args, place, conv_tap_place(args, k));
    if (p >= 0) {
      sum += float(x[p * args.channels + c]) * float(w[int64_t(o) * n + k]);
    }
  }
  y[i] = T(sum);
}

template <typename T>
[[kernel]] void depthwise_input(
    device const T* y [[buffer(0)]],
    device const T* w [[buffer(1)]],
    device T* x [[buffer(2)]],
    constant ConvArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= args.size) {
    return;
  }
  uint c = uint(i % args.channels), each = args.outputs / args.channels;
  ConvPlace place = conv_in_place(args, int64_t(i / args.channels));
  int n = conv_taps(args);
  float sum = 0.0f;
  for (int k = 0; k < n; k++) {
    int64_t p = conv_output(args, place, conv_tap_place(args, k));
    if (p >= 0) {
      for (uint o = c * each; o < (c + 1) * each; o++) {
        sum += float(y[p * args.outputs + o]) * float(w[int64_t(o) * n + k]);
      }
    }
  }
  x[i] = T(sum);
}

template <typename T>
[[kernel]] void depthwise_weight(
    device const T* x [[buffer(0)]],
    device const T* y [[buffer(1)]],
    device float* parts [[buffer(2)]],
    constant ConvArgs& args [[buffer(3)]],
    uint3 at [[thread_position_in_grid]],
    uint3 grid [[threads_per_grid]]) {
  uint o = at.x, c = o / (args.outputs / args.channels);
  ConvPlace k = conv_tap_place(args, int(at.y));
  int64_t first = int64_t(at.z) * args.rows;
  int64_t last = min(first + int64_t(args.rows), int64_t(args.size));
  float sum = 0.0f;
  for (int64_t row = first; row < last; row++) {
    int64_t p = conv_input(args, conv_out_place(args, row), k);
    if (p >= 0) {
      sum += float(x[p * args.channels + c]) * float(y[row * args.outputs + o]);
    }
  }
  parts[(int64_t(at.z) * args.outputs + o) * grid.y + at.y] = sum;
}

// clang-format off
#define instantiate_conv(tn, T)                                              \
  instantiate_kernel("conv_unfold_" #tn, unfold, T)                          \
  instantiate_kernel("conv_fold_" #tn, fold, T)                              \
  instantiate_kernel("conv_depthwise_" #tn, depthwise, T)                    \
  instantiate_kernel("conv_depthwise_input_" #tn, depthwise_input, T)        \
  instantiate_kernel("conv_depthwise_weight_" #tn, depthwise_weight, T)
instantiate_conv(f32, float)
instantiate_conv(f16, half)
instantiate_conv(bf16, bfloat)
// clang-format on
