// Arguments and op codes of the elementwise functions of two operands, and of
// selection (ternary.metal).
#pragma once

#define BINARY_DIMS 8

struct BinaryArgs {
  int64_t aStrides[BINARY_DIMS];
  int64_t bStrides[BINARY_DIMS];
  int64_t cStrides[BINARY_DIMS]; // third operand of Where
  int64_t aOffset;
  int64_t bOffset;
  int64_t cOffset;
  uint64_t size;
  uint32_t shape[BINARY_DIMS];
  uint32_t ndim;
  uint32_t op;
};

#define BINARY_ADD 0
#define BINARY_SUBTRACT 1
#define BINARY_MULTIPLY 2
#define BINARY_DIVIDE 3
#define BINARY_FLOOR_DIVIDE 4
#define BINARY_REMAINDER 5
#define BINARY_POWER 6
#define BINARY_MAXIMUM 7
#define BINARY_MINIMUM 8
#define BINARY_LOG_ADD_EXP 9
#define BINARY_ARC_TAN2 10
#define BINARY_EQUAL 11
#define BINARY_NOT_EQUAL 12
#define BINARY_LESS 13
#define BINARY_LESS_EQUAL 14
#define BINARY_GREATER 15
#define BINARY_GREATER_EQUAL 16
#define BINARY_LOGICAL_AND 17
#define BINARY_LOGICAL_OR 18
#define BINARY_BITWISE_AND 19
#define BINARY_BITWISE_OR 20
#define BINARY_BITWISE_XOR 21
#define BINARY_LEFT_SHIFT 22
#define BINARY_RIGHT_SHIFT 23
