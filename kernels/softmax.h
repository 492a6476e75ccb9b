// Arguments of softmax and logsumexp: rows of n elements, contiguous.
#pragma once

// A row is read by one threadgroup of at most this many threads.
#define SOFTMAX_THREADS 256

struct SoftmaxArgs {
  uint32_t rows;
  uint32_t n;
};
