// Arguments of the sorts: rows of n elements, contiguous.
#pragma once

#define SORT_BLOCK 2048  // elements that one threadgroup sorts
#define SORT_THREADS 256 // its threads, SORT_BLOCK / SORT_THREADS elements each

struct SortArgs {
  uint64_t rows;
  uint64_t n;      // of a row; sort_search: of the sorted sequence
  uint64_t width;  // sort_merge: of the runs that are merged in pairs
  uint64_t blocks; // sort_block: threadgroups per row
  uint32_t right;  // sort_search: equal elements lie before the value
  uint32_t reserved;
};
