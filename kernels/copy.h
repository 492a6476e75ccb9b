// Arguments of the copy kernels. Strides are in elements; axes are merged by
// the launch, so that most copies have one or two.
#pragma once

#define COPY_DIMS 8

struct CopyArgs {
  int64_t srcStrides[COPY_DIMS];
  int64_t dstStrides[COPY_DIMS];
  int64_t srcOffset;
  int64_t dstOffset;
  uint64_t size;
  uint32_t shape[COPY_DIMS];
  uint32_t ndim;
  uint32_t reserved;
};
