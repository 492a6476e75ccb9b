// Arguments of the cross-entropy kernels: rows of n logits, contiguous, and one
// target per row. A negative target is a row that does not count.
#pragma once

// A row is read by one threadgroup of at most this many threads.
#define CROSS_ENTROPY_THREADS 256

struct CrossEntropyArgs {
  uint32_t rows;
  uint32_t n;
  uint32_t scaled; // g is there; otherwise it is 1, and the binding repeats lse
  uint32_t skip;   // log-sum-exps of rows that do not count are not wanted
};

// Rows that count are moved to the front.
struct CrossEntropyOrderArgs {
  uint32_t rows;
  uint32_t reserved;
};

struct ExpandRowsArgs {
  uint64_t size;
  uint64_t n;
};

struct ScaleRowsArgs {
  uint64_t size;
  uint64_t n;
};
