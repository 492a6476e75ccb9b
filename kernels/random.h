// Arguments of the random kernels.
#pragma once

struct RandomArgs {
  uint64_t size; // words
};
