package graph

import (
	"slices"
)

// Inner is the sum of products over the last axes, for all pairs of the others.
// Mirrors mx.inner.
func Inner(a, b *Array) *Array {
	present("Inner", a, b)
	if len(a.shape) == 0 || len(b.shape) == 0 {
		return Multiply(a, b)
	}
	check(a.Dim(-1) == b.Dim(-1), "Inner", "last axes of %v and %v differ", a.shape, b.shape)
	return Tensordot(a, b, []int{len(a.shape) - 1}, []int{len(b.shape) - 1})
}

// Outer is all products of an element of a and one of b. Mirrors mx.outer.
func Outer(a, b *Array) *Array {
	present("Outer", a, b)
	return Multiply(Reshape(a, a.Size(), 1), Reshape(b, 1, b.Size()))
}

// Tensordot sums products over the given axes of a and b. Mirrors mx.tensordot.
func Tensordot(a, b *Array, axesA, axesB []int) *Array {
	present("Tensordot", a, b)
	check(len(axesA) == len(axesB), "Tensordot", "axes %v and %v differ in number", axesA, axesB)
	permA, outer, k := contracted("Tensordot", a, axesA, false)
	permB, inner, kb := contracted("Tensordot", b, axesB, true)
	for i := range axesA {
		check(a.Dim(axesA[i]) == b.Dim(axesB[i]), "Tensordot", "axes %v of %v and %v of %v do not match", axesA, a.shape, axesB, b.shape)
	}
	x := Reshape(Transpose(a, permA...), sizeOf(outer), k)
	y := Reshape(Transpose(b, permB...), kb, sizeOf(inner))
	return Reshape(Matmul(x, y), append(outer, inner...)...)
}

// contracted orders the axes of x so that the contracted ones come last, or
// first; it returns the extents of the others and the product of theirs.
func contracted(op string, x *Array, axes []int, first bool) (perm, free []int, k int) {
	var inside []int
	k = 1
	for _, ax := range axes {
		ax = normAxis(op, ax, len(x.shape))
		inside, k = append(inside, ax), k*x.shape[ax]
	}
	var outside []int
	for i, d := range x.shape {
		if !slices.Contains(inside, i) {
			outside, free = append(outside, i), append(free, d)
		}
	}
	if first {
		return append(inside, outside...), free, k
	}
	return append(outside, inside...), free, k
}

// GatherMM multiplies chosen matrices: a[lhs] @ b[rhs], where the index arrays
// (nil: every matrix in order) name one of the batch of each, from the end where
// they are negative. An index outside is an error of Eval. Mirrors
// mx.gather_mm.
func GatherMM(a, b, lhs, rhs *Array) *Array {
	present("GatherMM", a, b)
	pick := func(x, ids *Array) *Array {
		check(len(x.shape) >= 2, "GatherMM", "operand has shape %v, want at least 2 axes", x.shape)
		n := len(x.shape) - 2
		if ids == nil {
			return x
		}
		many := sizeOf(x.shape[:n])
		check(ids.dtype.IsInteger(), "GatherMM", "indices are %s, want integers", ids.dtype)
		return take(Reshape(x, append([]int{many}, x.shape[n:]...)...), insideAxis("GatherMM", ids, many), 0)
	}
	return Matmul(pick(a, lhs), pick(b, rhs))
}

// VecDot is the sum of a·b over axis, after broadcasting. Mirrors mx.vecdot.
func VecDot(a, b *Array, axis int) *Array {
	present("VecDot", a, b)
	return Sum(Multiply(a, b), []int{axis}, false)
}

// Kron is the Kronecker product: each element of a times b, with as many axes as
// the operand that has more. Mirrors mx.kron.
func Kron(a, b *Array) *Array {
	present("Kron", a, b)
	checkShape("Kron", append(slices.Clone(a.shape), b.shape...), Promote(a.dtype, b.dtype))
	n := max(len(a.shape), len(b.shape))
	left, right, shape := make([]int, 2*n), make([]int, 2*n), make([]int, n)
	at := func(x *Array, i int) int {
		if i += len(x.shape) - n; i >= 0 {
			return x.shape[i]
		}
		return 1
	}
	for i := range n {
		left[2*i], left[2*i+1] = at(a, i), 1
		right[2*i], right[2*i+1] = 1, at(b, i)
		shape[i] = at(a, i) * at(b, i)
	}
	return Reshape(Multiply(Reshape(a, left...), Reshape(b, right...)), shape...)
}

// Cross is the vector product of a and b along axis, of 3 elements; vectors of 2
// have a third of 0. Mirrors mx.linalg.cross.
func Cross(a, b *Array, axis int) *Array {
	present("Cross", a, b)
	part := func(x *Array, i int) *Array {
		ax := normAxis("Cross", axis, len(x.shape))
		if i >= x.shape[ax] {
			return Scalar(0, x.dtype)
		}
		return Squeeze(SliceAxis(x, ax, i, i+1), ax)
	}
	for _, x := range []*Array{a, b} {
		n := x.shape[normAxis("Cross", axis, len(x.shape))]
		check(n == 2 || n == 3, "Cross", "axis %d of %v has %d elements, not 2 or 3", axis, x.shape, n)
	}
	component := func(i, j int) *Array {
		return Subtract(Multiply(part(a, i), part(b, j)), Multiply(part(a, j), part(b, i)))
	}
	return Stack(BroadcastArrays(component(1, 2), component(2, 0), component(0, 1)), axis)
}
