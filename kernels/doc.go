// Package kernels holds the Metal shaders and the functions that launch them.
//
// One op family is one stem: x.h (the args struct, shared by shader and host),
// x.metal (the shaders, forward and gradient), x.go (the launch functions). A
// launch function knows buffers and sizes, not arrays: it writes [metal.Dispatch]
// values to an [Emitter], which also lends scratch memory.
//
// Invariants:
//   - Kernel names start with their stem and end with their dtype: the names
//     exist in the .metal file and in one Go expression, nowhere else.
//   - Sums are kept in float32, in an order that does not depend on the
//     machine; there are no floating-point atomics.
//   - A kernel touches nothing outside the views of its dispatch.
//
// docs/kernel-dialect.md is the dialect, docs/adding-an-op.md the way to add one.
package kernels
