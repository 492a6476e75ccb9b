// Arguments of the fill kernels: a number as an integer and as a float, of
// which the kernel takes the one that fits its dtype.
#pragma once

struct FillArgs {
  int64_t startInt;
  float startFloat;
  uint32_t reserved0;
  int64_t stepInt;
  float stepFloat;
  uint32_t reserved1;
  uint64_t size;
};
