// Arguments of block_mask: x and out are [batch, rows, cols] and contiguous, mask
// is [batch, rows/block, cols/block], each extent rounded up.
#pragma once

struct BlockMaskArgs {
  uint64_t size;
  int64_t xBatch; // elements from one matrix to the next; 0: they are one
  int64_t maskBatch;
  uint32_t rows;
  uint32_t cols;
  uint32_t block;
  uint32_t maskCols;
};
