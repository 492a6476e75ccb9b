// Arguments of the Walsh-Hadamard transform along the middle axis of
// [outer, n, inner], contiguous.
#pragma once

// The longest transform of one threadgroup.
#define HADAMARD_MAX 4096

struct HadamardArgs {
  uint64_t inner;
  uint32_t n;       // a power of two, at most HADAMARD_MAX
  uint32_t threads; // of a row
  float scale;
  uint32_t reserved;
};

struct HadamardMixArgs {
  uint64_t inner;
  uint64_t size;
  uint32_t n; // 12, 20 or 28
  float scale;
  uint32_t signs[28]; // of each output, whose inputs are added where a bit is set
};
