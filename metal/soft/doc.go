// Package soft is a Metal device made of software: the .metal files of package
// kernels, compiled as C++ and run on the host's processors. It is the default
// device where there is no Apple GPU, and a test bench for kernels everywhere.
//
// A dispatch runs in one of two ways. Exact: the kernel itself, each thread of
// a threadgroup a fiber that barriers and simd functions suspend; kernels
// without them are plain loops over their threads. Native: tuned C++ under the
// same name, with the same buffers and args (native.h). Exact mode is the
// truth; Options.Native turns native kernels off.
//
// Prepare refuses what Metal's validation layer would. Options adds what no
// GPU offers: shuffled schedules, NaN-filled threadgroup memory, guard bytes.
//
// Reading order: soft.go (device), prepare.go (checks and packing), program.go
// (workers), guard.go; then shim/ (the standard library of Metal), executor.cpp
// (units and steps), worker.cpp (fibers and simdgroups).
//
// kernels_*.cpp compiles one kernel file each; a test compares them with the
// files of package kernels. The embedded copies exist for one reason: Go's
// build cache notices an edited header only if a Go file embeds it.
package soft
