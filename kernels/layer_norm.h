// Arguments of layer normalisation over rows of n elements, contiguous.
#pragma once

// A row is read by one threadgroup of at most this many threads.
#define LAYER_NORM_THREADS 256

struct LayerNormArgs {
  uint32_t rows;
  uint32_t n;
  float eps;
  uint32_t blockRows; // rows whose contributions to dw and db one thread adds
};
