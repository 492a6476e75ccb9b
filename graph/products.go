package graph

import (
	"slices"
	"strings"
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

// Einsum is Einstein's summation, such as "bij,jk->bik": labels that the result
// lacks are summed. A label occurs once in an operand. Mirrors mx.einsum.
func Einsum(subscripts string, operands ...*Array) *Array {
	present("Einsum", operands...)
	left, result, explicit := strings.Cut(strings.ReplaceAll(subscripts, " ", ""), "->")
	parts := strings.Split(left, ",")
	check(len(parts) == len(operands), "Einsum", "%q has %d operands, got %d", subscripts, len(parts), len(operands))
	if !explicit {
		result = impliedResult(left)
	}
	order := result
	for _, r := range left {
		if r != ',' && !strings.ContainsRune(order, r) {
			order += string(r)
		}
	}
	var product *Array
	for i, labels := range parts {
		x := alignLabels(subscripts, operands[i], labels, order)
		if product == nil {
			product = x
		} else {
			product = Multiply(product, x)
		}
	}
	var summed []int
	for i := len(result); i < len(order); i++ {
		summed = append(summed, i)
	}
	if len(summed) == 0 {
		return product
	}
	return Sum(product, summed, false)
}

// impliedResult is the labels that occur once, in alphabetical order.
func impliedResult(left string) string {
	var once []rune
	for _, r := range left {
		if r != ',' && strings.Count(left, string(r)) == 1 {
			once = append(once, r)
		}
	}
	slices.Sort(once)
	return string(once)
}

// alignLabels views x with one axis per label of order.
func alignLabels(subscripts string, x *Array, labels, order string) *Array {
	check(len(labels) == len(x.shape), "Einsum", "%q: labels %q for an operand of shape %v", subscripts, labels, x.shape)
	var perm []int
	shape := slices.Repeat([]int{1}, len(order))
	for i, r := range order {
		check(strings.Count(labels, string(r)) <= 1, "Einsum", "%q: label %q occurs twice in an operand", subscripts, string(r))
		if at := strings.IndexRune(labels, r); at >= 0 {
			perm = append(perm, at)
			shape[i] = x.shape[at]
		}
	}
	check(len(perm) == len(labels), "Einsum", "%q: labels %q", subscripts, labels)
	if len(perm) > 0 {
		x = Transpose(x, perm...)
	}
	return Reshape(x, shape...)
}

// GatherMM multiplies chosen matrices: a[lhs] @ b[rhs], where the index arrays
// (nil: every matrix in order) name one of the batch of each. Mirrors
// mx.gather_mm.
func GatherMM(a, b, lhs, rhs *Array) *Array {
	present("GatherMM", a, b)
	pick := func(x, ids *Array) *Array {
		check(len(x.shape) >= 2, "GatherMM", "operand has shape %v, want at least 2 axes", x.shape)
		n := len(x.shape) - 2
		if ids == nil {
			return x
		}
		return Take(Reshape(x, append([]int{sizeOf(x.shape[:n])}, x.shape[n:]...)...), ids, 0)
	}
	return Matmul(pick(a, lhs), pick(b, rhs))
}
