// Arguments of the norms over rows of n elements, contiguous.
#pragma once

#define NORM_THREADS 256

struct NormArgs {
  uint32_t rows;
  uint32_t n;
  float eps;
  uint32_t weighted; // w is there; otherwise the binding repeats x
  uint32_t blockRows; // rows whose contributions to dw one threadgroup adds
};
