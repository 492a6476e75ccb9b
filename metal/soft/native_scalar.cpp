// The elementwise functions of the kernel files as plain loops.
#include "../../kernels/kernel.h"
#include "../../kernels/binary_math.h"

#include "native_scalar.h"

void ft::scalar_unary(uint32_t op, const float* a, float* r, int64_t n) {
  for (int64_t i = 0; i < n; i++) r[i] = unary_float(op, a[i]);
}

void ft::scalar_binary(uint32_t op, const float* a, const float* b, float* r, int64_t n) {
  for (int64_t i = 0; i < n; i++) r[i] = binary_float(op, a[i], b[i]);
}
