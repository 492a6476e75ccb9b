// Arguments of segmented_mm: a is [m, k], b is [k, n], out is [segments, m, n],
// all contiguous. Threadgroups have SEGMENTED_MM_TILE by SEGMENTED_MM_TILE
// threads, one for each element of a tile of out.
#pragma once

#define SEGMENTED_MM_TILE 16

struct SegmentedMmArgs {
  uint32_t segments;
  uint32_t m;
  uint32_t n;
  uint32_t k;
};
