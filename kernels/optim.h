// Arguments of the optimizer kernels. hyper is a float buffer that the host
// fills before each step, so that a replayed program follows a schedule.
#pragma once

#define HYPER_LR 0
#define HYPER_GRAD_SCALE 1 // gradients are multiplied by it
#define HYPER_STEP_SIZE 2  // lr, with Adam's first bias correction if it is on
#define HYPER_V_SCALE 3    // 1/sqrt(1 - beta2^t) with bias correction, else 1
#define HYPER_SIZE 8

struct AdamWArgs {
  uint64_t size;
  uint64_t decayCount; // weight decay applies to the first elements only
  float beta1;
  float beta2;
  float eps;
  float weightDecay;
  float gain1; // 1 - beta1 and 1 - beta2, from double: 1.0f - 0.999f is off by 1e-5
  float gain2;
};

struct SGDArgs {
  uint64_t size;
  float momentum;
  float dampening;
  float weightDecay;
  uint32_t nesterov;
  uint32_t first; // the velocity has no history yet
  uint32_t reserved;
};

struct ClipArgs {
  float maxNorm;
};

struct SumSquaresArgs {
  uint64_t size;
  uint64_t chunk;
};
