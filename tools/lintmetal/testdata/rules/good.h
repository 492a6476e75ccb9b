// Arguments of the fixtures.
#pragma once

#define GOOD_DIMS 4

struct GoodArgs {
  int64_t strides[GOOD_DIMS];
  uint64_t size;
  float scale;
  uint32_t n;
  uint8_t codes[2][GOOD_DIMS];
};
