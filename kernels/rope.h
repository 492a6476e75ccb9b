// Arguments of rotary position embedding over x [B, H, T, D]; the last axis is
// contiguous.
#pragma once

struct RopeArgs {
  int64_t xStrides[3]; // batch, head, token
  int64_t outStrides[3];
  uint32_t batch;
  uint32_t heads;
  uint32_t tokens;
  uint32_t headDim;
  uint32_t dims; // leading elements that rotate
  uint32_t traditional;
  uint32_t inverse;
  uint32_t positionStride; // of the batch axis of positions; 0: one row for all
  uint32_t hasPositions;
  uint32_t hasFreqs;
  int32_t offset;
  float scale;
  float stepHigh; // 2 log2(base) / dims, as the sum of two floats: a position
  float stepLow;  // multiplies the error of a frequency
};
