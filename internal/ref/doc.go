// Package ref holds the truth that kernels are tested against: each op in
// float64, written the slow and obvious way, and the one rule that says how far
// a kernel may be off.
//
// A reference takes operands as float64 values that were rounded to the
// kernel's dtype first, in row-major order, and returns a [Result]: per output
// element the value and its magnitude, the sum of the absolute terms it is made
// of. It knows the class of its op and thereby the tolerance; a row of the case
// table cannot widen it.
//
// Start reading at compare.go.
package ref
