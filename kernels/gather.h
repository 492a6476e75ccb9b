// Arguments of gather and scatter.
#pragma once

struct GatherArgs {
  uint64_t rows;  // indices
  uint64_t width; // elements of a row
  int64_t table;  // rows of the table
};

// A check of n indices by threads; each looks at every threads-th one.
struct GatherCheckArgs {
  uint64_t n;
  uint64_t threads;
  int64_t low;  // the least index that is inside
  int64_t high; // the greatest, and one more
};

// Along an axis: data is [outer, axis, inner], indices [outer, count, inner].
#define GATHER_MULTIPLY 0
#define GATHER_MAXIMUM 1
#define GATHER_MINIMUM 2
struct GatherAxisArgs {
  uint64_t outer;
  uint64_t axis;
  uint64_t inner;
  uint64_t count;
  uint32_t add; // of scatter_axis: whether to add; of scatter_fold: which function
  uint32_t reserved;
};
