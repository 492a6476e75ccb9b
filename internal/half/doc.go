// Package half converts between float32 and the two 16-bit floating-point
// formats, one number or a whole slice at a time: IEEE binary16 (f16) and
// bfloat16 (bf16), both as raw bits in a uint16.
//
// Invariants:
//   - Widening is exact: every 16-bit pattern has its own float32.
//   - Narrowing rounds to nearest, ties to even, and overflows to infinity, as
//     the kernels and MLX do. A NaN stays a NaN.
//
// The package knows no tensors and no devices.
package half
