// The elementwise functions that have no vector form, a block at a time.
#pragma once

#include <stdint.h>

namespace ft {

// scalar_unary is r[i] = f(a[i]) with f by its code in kernels/unary.h,
// scalar_binary r[i] = f(a[i], b[i]) by kernels/binary.h: the very functions
// of the .metal kernels.
void scalar_unary(uint32_t op, const float* a, float* r, int64_t n);
void scalar_binary(uint32_t op, const float* a, const float* b, float* r, int64_t n);

}  // namespace ft
