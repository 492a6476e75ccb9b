// The chain kernel interprets a short program of elementwise steps: one launch
// for a whole tree of them. Registers are float32. Register r < inputs is input
// r at the thread's element; the others are steps' results, in order. The last
// step's result is the output.
#pragma once

#define CHAIN_STEPS 24
#define CHAIN_INPUTS 8
#define CHAIN_REGISTERS 32

// How an input is stepped through.
#define CHAIN_FULL 0   // element i
#define CHAIN_SCALAR 1 // element 0
#define CHAIN_ROW 2    // element i modulo the input's size

// Element types of inputs and roundings of steps.
#define CHAIN_F32 0
#define CHAIN_F16 1
#define CHAIN_BF16 2

// Codes: unary functions have theirs of unary.h, binary functions theirs of
// binary.h plus CHAIN_BINARY; CHAIN_CAST only rounds.
#define CHAIN_BINARY 64
#define CHAIN_CAST 127

struct ChainArgs {
  uint64_t size;
  uint32_t inputs;
  uint32_t steps;
  uint32_t inType[CHAIN_INPUTS];
  uint32_t inMode[CHAIN_INPUTS];
  uint32_t inSize[CHAIN_INPUTS];
  uint8_t code[CHAIN_STEPS];
  uint8_t a[CHAIN_STEPS];
  uint8_t b[CHAIN_STEPS];
  uint8_t round[CHAIN_STEPS];
};
