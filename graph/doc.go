// Package graph is the array engine: lazy arrays with MLX's semantics,
// automatic differentiation, and the lowering of a graph to a flat list of
// kernel dispatches.
//
// An [Array] is a node of a graph until [Eval] computes it. Arrays are values:
// nothing changes one in place. Functions carry MLX's names in Go spelling.
//
// Invariants:
//   - The order in which nodes are created is the order in which they run. A
//     function's forward pass, its gradient and a recomputed block therefore
//     run where they are written, and memory follows from that order.
//   - Building a graph panics with an [*Error] on the caller's mistakes (shape,
//     dtype, axis); running it returns errors (memory, devices, cancellation).
//   - Memory is planned over the finished dispatch list: one arena holds every
//     temporary, and its size is known before anything runs.
//
// Start at array.go and op.go; fast_rms_norm.go is a whole op; lower.go,
// memory.go and compile.go turn a graph into a program.
package graph
