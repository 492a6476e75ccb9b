// Arguments of gather and scatter.
#pragma once

struct GatherArgs {
  uint64_t rows;  // indices
  uint64_t width; // elements of a row
  int64_t table;  // rows of the table
};

// Along an axis: data is [outer, axis, inner], indices [outer, count, inner].
struct GatherAxisArgs {
  uint64_t outer;
  uint64_t axis;
  uint64_t inner;
  uint64_t count;
  uint32_t add;
  uint32_t reserved;
};
