// Arguments and op codes of the elementwise functions of one operand.
#pragma once

#define UNARY_DIMS 8

struct UnaryArgs {
  int64_t strides[UNARY_DIMS];
  int64_t offset;
  uint64_t size;
  uint32_t shape[UNARY_DIMS];
  uint32_t ndim;
  uint32_t op;
};

#define UNARY_ABS 0
#define UNARY_NEGATIVE 1
#define UNARY_SIGN 2
#define UNARY_SQUARE 3
#define UNARY_SQRT 4
#define UNARY_RSQRT 5
#define UNARY_RECIPROCAL 6
#define UNARY_EXP 7
#define UNARY_EXPM1 8
#define UNARY_LOG 9
#define UNARY_LOG2 10
#define UNARY_LOG10 11
#define UNARY_LOG1P 12
#define UNARY_SIGMOID 13
#define UNARY_ERF 14
#define UNARY_ERFINV 15
#define UNARY_SIN 16
#define UNARY_COS 17
#define UNARY_TAN 18
#define UNARY_ARCSIN 19
#define UNARY_ARCCOS 20
#define UNARY_ARCTAN 21
#define UNARY_SINH 22
#define UNARY_COSH 23
#define UNARY_TANH 24
#define UNARY_ARCSINH 25
#define UNARY_ARCCOSH 26
#define UNARY_ARCTANH 27
#define UNARY_FLOOR 28
#define UNARY_CEIL 29
#define UNARY_ROUND 30
#define UNARY_LOGICAL_NOT 31
#define UNARY_BITWISE_INVERT 32
#define UNARY_IS_NAN 33
#define UNARY_IS_INF 34
#define UNARY_IS_FINITE 35
#define UNARY_IS_POS_INF 36
#define UNARY_IS_NEG_INF 37
#define UNARY_EXP_POLYNOMIAL 38
