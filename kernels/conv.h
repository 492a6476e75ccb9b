// Arguments of the convolution kernels. Arrays are channels last, with up to
// three spatial axes; missing ones have extent 1. Output position o and tap
// k of an axis (of the kernel) meet input position p where
//
//   p * inputDilation = o * stride - pad + k * tapDilation;
//
// with flip, the weights of tap k are stored at taps - 1 - k.
#pragma once

#define CONV_AXES 3

struct ConvArgs {
  uint64_t size;  // threads
  int64_t first;  // row, image position or output position of the launch's first one
  int64_t base;   // row of the unfolded matrix that its memory begins with
  int32_t in[CONV_AXES];
  int32_t out[CONV_AXES];
  int32_t taps[CONV_AXES];
  int32_t stride[CONV_AXES];
  int32_t pad[CONV_AXES];
  int32_t tapDilation[CONV_AXES];
  int32_t inputDilation[CONV_AXES];
  uint32_t channels;  // of the input
  uint32_t outputs;   // channels of the output
  uint32_t groups;
  uint32_t rows;      // of the unfolded matrix in memory; of a part of conv_depthwise_weight
  uint32_t flip;
};
