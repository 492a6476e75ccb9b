package graph

import (
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
)

// BroadcastShapes is the shape that all of shapes broadcast to, by NumPy's
// rule. Mirrors mx.broadcast_shapes.
func BroadcastShapes(shapes ...[]int) []int { return broadcastShapes("BroadcastShapes", shapes...) }

func broadcastShapes(op string, shapes ...[]int) []int {
	var out []int
	for _, s := range shapes {
		if len(s) > len(out) {
			out = append(slices.Repeat([]int{1}, len(s)-len(out)), out...)
		}
		for i := range s {
			j := len(out) - len(s) + i
			switch {
			case out[j] == 1:
				out[j] = s[i]
			case s[i] != 1 && s[i] != out[j]:
				fail(op, "shapes %v do not broadcast", shapes)
			}
		}
	}
	return out
}

// subview is the strided window of t that starts at element start (counted in
// elements of memory from t's element 0).
func subview(t kernels.Tensor, start int, shape, strides []int) kernels.Tensor {
	lo, hi := 0, 0
	empty := false
	for i, d := range shape {
		if d == 0 {
			empty = true
		}
		span := (d - 1) * strides[i]
		lo, hi = lo+min(0, span), hi+max(0, span)
	}
	size := int64(t.DType.Size())
	first := t.Offset + start // element 0, from View.Off
	v := t.View
	if empty {
		v.Len = 0
		return kernels.Tensor{View: v, DType: t.DType, Shape: shape, Strides: strides}
	}
	v.Off += int64(first+lo) * size
	v.Len = int64(hi-lo+1) * size
	return kernels.Tensor{View: v, DType: t.DType, Shape: shape, Strides: strides, Offset: -lo}
}

// broadcastTo repeats axes by stride 0.
type broadcastTo struct{}

// BroadcastTo views a in a larger shape. Mirrors mx.broadcast_to.
func BroadcastTo(a *Array, shape []int) *Array {
	present("BroadcastTo", a)
	if slices.Equal(a.shape, shape) {
		return a
	}
	check(slices.Equal(broadcastShapes("BroadcastTo", a.shape, shape), shape), "BroadcastTo", "shape %v does not broadcast to %v", a.shape, shape)
	out := apply1(broadcastTo{}, slices.Clone(shape), a.dtype, a)
	out.weak = a.weak
	return out
}

func (broadcastTo) String() string { return "BroadcastTo" }

func (broadcastTo) View(in kernels.Tensor, shape []int) (kernels.Tensor, bool) {
	strides := make([]int, len(shape))
	lead := len(shape) - len(in.Shape)
	for i, d := range in.Shape {
		if d != 1 || shape[lead+i] == 1 {
			strides[lead+i] = in.Strides[i]
		}
	}
	return subview(in, 0, shape, strides), true
}

func (broadcastTo) Lower(l *Lowering, in, out []kernels.Tensor) { kernels.Copy(l, in[0], out[0]) }

func (broadcastTo) VJP(c *Cotangents) []*Array {
	return []*Array{unbroadcast(c.Cot[0], c.In[0].shape)}
}

// unbroadcast sums g over the axes along which shape was repeated.
func unbroadcast(g *Array, shape []int) *Array {
	lead := len(g.shape) - len(shape)
	var axes []int
	for i := range g.shape {
		if i < lead || (shape[i-lead] == 1 && g.shape[i] != 1) {
			axes = append(axes, i)
		}
	}
	if len(axes) > 0 {
		g = Sum(g, axes, true)
	}
	return Reshape(g, shape...)
}

// reshape changes the shape and keeps the order of elements.
type reshape struct{}

// Reshape gives a another shape of the same size; one extent may be -1.
// Mirrors mx.reshape.
func Reshape(a *Array, shape ...int) *Array {
	present("Reshape", a)
	shape = slices.Clone(shape)
	hole := slices.Index(shape, -1)
	if hole >= 0 {
		check(!slices.Contains(shape[hole+1:], -1), "Reshape", "shape %v has two unknown extents", shape)
		known := knownSize(shape)
		check(known > 0 && a.Size()%known == 0, "Reshape", "shape %v does not divide %d elements", shape, a.Size())
		shape[hole] = a.Size() / known
	}
	check(sizeOf(shape) == a.Size(), "Reshape", "cannot reshape %v to %v", a.shape, shape)
	if slices.Equal(shape, a.shape) {
		return a
	}
	return apply1(reshape{}, shape, a.dtype, a)
}

// knownSize is the product of the extents that are not -1.
func knownSize(shape []int) int {
	return sizeOf(slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == -1 }))
}

func (reshape) String() string { return "Reshape" }

// View splits and merges axes where the strides allow it.
func (reshape) View(in kernels.Tensor, shape []int) (kernels.Tensor, bool) {
	strides, ok := reshapeStrides(in.Shape, in.Strides, shape)
	if !ok {
		return kernels.Tensor{}, false
	}
	return subview(in, 0, shape, strides), true
}

// reshapeStrides is the strides of the new shape over the same memory, if
// there are any: each run of old axes that is contiguous in itself may be cut
// anew.
func reshapeStrides(oldShape, oldStrides, shape []int) ([]int, bool) {
	var dims, steps []int // old axes without the extents of 1
	for i, d := range oldShape {
		if d != 1 {
			dims, steps = append(dims, d), append(steps, oldStrides[i])
		}
	}
	strides := make([]int, len(shape))
	if sizeOf(shape) == 0 {
		return kernels.RowMajor(shape), true
	}
	oi := 0
	for ni := 0; ni < len(shape); {
		if shape[ni] == 1 {
			ni++
			continue
		}
		oj, nj := oi+1, ni+1
		on, nn := dims[oi], shape[ni]
		for on != nn {
			if nn < on {
				nn *= shape[nj]
				nj++
			} else {
				on *= dims[oj]
				oj++
			}
		}
		for k := oi; k+1 < oj; k++ {
			if steps[k] != steps[k+1]*dims[k+1] {
				return nil, false
			}
		}
		step := steps[oj-1]
		for k := nj - 1; k >= ni; k-- {
			strides[k] = step
			step *= shape[k]
		}
		oi, ni = oj, nj
	}
	return strides, true
}

func (reshape) Lower(l *Lowering, in, out []kernels.Tensor) {
	flat := out[0]
	flat.Shape, flat.Strides = in[0].Shape, kernels.RowMajor(in[0].Shape)
	kernels.Copy(l, in[0], flat)
}

func (reshape) VJP(c *Cotangents) []*Array {
	return []*Array{Reshape(c.Cot[0], c.In[0].shape...)}
}

// transpose permutes axes.
type transpose struct{ axes []int }

// Transpose permutes the axes of a; without axes it reverses them. Mirrors
// mx.transpose, mx.permute_dims, mx.matrix_transpose and array.T.
func Transpose(a *Array, axes ...int) *Array {
	present("Transpose", a)
	n := len(a.shape)
	if len(axes) == 0 {
		for i := n - 1; i >= 0; i-- {
			axes = append(axes, i)
		}
	}
	check(len(axes) == n, "Transpose", "%d axes given for shape %v", len(axes), a.shape)
	perm, seen := make([]int, n), make([]bool, n)
	shape := make([]int, n)
	identity := true
	for i, ax := range axes {
		ax = normAxis("Transpose", ax, n)
		check(!seen[ax], "Transpose", "axis %d is repeated in %v", ax, axes)
		seen[ax], perm[i], shape[i] = true, ax, a.shape[ax]
		identity = identity && ax == i
	}
	if identity {
		return a
	}
	return apply1(transpose{perm}, shape, a.dtype, a)
}

// SwapAxes exchanges two axes. Mirrors mx.swapaxes.
func SwapAxes(a *Array, i, j int) *Array {
	present("SwapAxes", a)
	n := len(a.shape)
	perm := make([]int, n)
	for k := range perm {
		perm[k] = k
	}
	i, j = normAxis("SwapAxes", i, n), normAxis("SwapAxes", j, n)
	perm[i], perm[j] = j, i
	return Transpose(a, perm...)
}

func (op transpose) String() string { return "Transpose" + axesString(op.axes) }

func (op transpose) View(in kernels.Tensor, shape []int) (kernels.Tensor, bool) {
	strides := make([]int, len(shape))
	for i, ax := range op.axes {
		strides[i] = in.Strides[ax]
	}
	return subview(in, 0, shape, strides), true
}

func (transpose) Lower(l *Lowering, in, out []kernels.Tensor) { kernels.Copy(l, in[0], out[0]) }

func (op transpose) VJP(c *Cotangents) []*Array {
	return []*Array{Transpose(c.Cot[0], inverse(op.axes)...)}
}

// inverse is the permutation that undoes perm.
func inverse(perm []int) []int {
	inv := make([]int, len(perm))
	for i, ax := range perm {
		inv[ax] = i
	}
	return inv
}

// ExpandDims inserts axes of extent 1 at the given places of the result.
// Mirrors mx.expand_dims.
func ExpandDims(a *Array, axes ...int) *Array {
	present("ExpandDims", a)
	n := len(a.shape) + len(axes)
	at := make([]bool, n)
	for _, ax := range axes {
		ax = normAxis("ExpandDims", ax, n)
		check(!at[ax], "ExpandDims", "axis %d is repeated", ax)
		at[ax] = true
	}
	shape, k := make([]int, n), 0
	for i := range shape {
		shape[i] = 1
		if !at[i] {
			shape[i] = a.shape[k]
			k++
		}
	}
	return Reshape(a, shape...)
}

// alongAxis views a vector as an array of ndim axes that extends along one.
func alongAxis(v *Array, axis, ndim int) *Array {
	shape := slices.Repeat([]int{1}, ndim)
	shape[axis] = v.shape[0]
	return Reshape(v, shape...)
}

// Squeeze removes the given axes of extent 1, or all of them. Mirrors
// mx.squeeze.
func Squeeze(a *Array, axes ...int) *Array {
	present("Squeeze", a)
	drop := make([]bool, len(a.shape))
	for i, d := range a.shape {
		drop[i] = len(axes) == 0 && d == 1
	}
	for _, ax := range axes {
		ax = normAxis("Squeeze", ax, len(a.shape))
		check(a.shape[ax] == 1, "Squeeze", "axis %d of %v is not 1", ax, a.shape)
		drop[ax] = true
	}
	shape := []int{}
	for i, d := range a.shape {
		if !drop[i] {
			shape = append(shape, d)
		}
	}
	return Reshape(a, shape...)
}

// Flatten merges axes start to end (inclusive) into one. Mirrors mx.flatten.
func Flatten(a *Array, start, end int) *Array {
	present("Flatten", a)
	if len(a.shape) == 0 {
		return Reshape(a, 1)
	}
	start, end = normAxis("Flatten", start, len(a.shape)), normAxis("Flatten", end, len(a.shape))
	check(start <= end, "Flatten", "axes %d to %d", start, end)
	shape := append(slices.Clone(a.shape[:start]), sizeOf(a.shape[start:end+1]))
	return Reshape(a, append(shape, a.shape[end+1:]...)...)
}

// AtLeast1D is a with one axis if it has none. Mirrors mx.atleast_1d.
func AtLeast1D(a *Array) *Array {
	present("AtLeast1D", a)
	if len(a.shape) > 0 {
		return a
	}
	return Reshape(a, 1)
}

// AtLeast2D is a with two axes if it has fewer: a vector becomes one row.
// Mirrors mx.atleast_2d.
func AtLeast2D(a *Array) *Array {
	present("AtLeast2D", a)
	if len(a.shape) > 1 {
		return a
	}
	return ExpandDims(AtLeast1D(a), 0)
}

// AtLeast3D is a with three axes if it has fewer: [n] becomes [1,n,1], and [m,n]
// becomes [m,n,1]. Mirrors mx.atleast_3d.
func AtLeast3D(a *Array) *Array {
	present("AtLeast3D", a)
	if len(a.shape) > 2 {
		return a
	}
	return ExpandDims(AtLeast2D(a), -1)
}

// BroadcastArrays is the arrays, all broadcast to the shape they meet in.
// Mirrors mx.broadcast_arrays.
func BroadcastArrays(arrays ...*Array) []*Array {
	present("BroadcastArrays", arrays...)
	shapes := make([][]int, len(arrays))
	for i, a := range arrays {
		shapes[i] = a.shape
	}
	shape := broadcastShapes("BroadcastArrays", shapes...)
	out := make([]*Array, len(arrays))
	for i, a := range arrays {
		out[i] = BroadcastTo(a, shape)
	}
	return out
}
