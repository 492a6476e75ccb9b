package graph

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// Stack joins arrays of one shape along a new axis. Mirrors mx.stack.
func Stack(arrays []*Array, axis int) *Array {
	present("Stack", arrays...)
	check(len(arrays) > 0, "Stack", "no arrays")
	axis = normAxis("Stack", axis, len(arrays[0].shape)+1)
	in := make([]*Array, len(arrays))
	for i, a := range arrays {
		check(slices.Equal(a.shape, arrays[0].shape), "Stack", "shapes %v and %v differ", arrays[0].shape, a.shape)
		in[i] = ExpandDims(a, axis)
	}
	return Concatenate(in, axis)
}

// SplitAt cuts axis before each of the given places. Mirrors mx.split.
func SplitAt(a *Array, axis int, places ...int) []*Array {
	present("SplitAt", a)
	axis = normAxis("SplitAt", axis, len(a.shape))
	d := a.shape[axis]
	var parts []*Array
	at := 0
	for _, p := range append(slices.Clone(places), d) {
		if p < 0 {
			p += d
		}
		end := min(max(p, at), d)
		parts = append(parts, SliceAxis(a, axis, at, end))
		at = end
	}
	return parts
}

// maxParts is the most arrays that one call makes.
const maxParts = 1 << 16

// SplitEqual cuts axis into n equal parts. Mirrors mx.split.
func SplitEqual(a *Array, n, axis int) []*Array {
	present("SplitEqual", a)
	d := a.Dim(axis)
	check(n > 0 && d%n == 0 && n <= maxParts, "SplitEqual", "axis of %d does not divide into %d parts", d, n)
	var places []int
	for i := 1; i < n; i++ {
		places = append(places, i*(d/n))
	}
	return SplitAt(a, axis, places...)
}

// Flip reverses axes (none: all). Mirrors mx.flip.
func Flip(a *Array, axes ...int) *Array {
	present("Flip", a)
	if len(axes) == 0 {
		for i := range a.shape {
			axes = append(axes, i)
		}
	}
	for _, ax := range axes {
		ax = normAxis("Flip", ax, len(a.shape))
		start, stop, step := make([]int, len(a.shape)), slices.Clone(a.shape), slices.Repeat([]int{1}, len(a.shape))
		start[ax], stop[ax], step[ax] = a.shape[ax]-1, -1, -1
		a = Slice(a, start, stop, step)
	}
	return a
}

// Roll moves the elements of an axis by shift places, the last ones to the
// front. Mirrors mx.roll.
func Roll(a *Array, shift, axis int) *Array {
	present("Roll", a)
	axis = normAxis("Roll", axis, len(a.shape))
	d := a.shape[axis]
	if d == 0 {
		return a
	}
	shift = ((shift % d) + d) % d
	if shift == 0 {
		return a
	}
	return Concatenate([]*Array{SliceAxis(a, axis, d-shift, d), SliceAxis(a, axis, 0, d-shift)}, axis)
}

// Repeat repeats each element of an axis n times. Mirrors mx.repeat.
func Repeat(a *Array, n, axis int) *Array {
	present("Repeat", a)
	axis = normAxis("Repeat", axis, len(a.shape))
	check(n >= 0, "Repeat", "%d repeats", n)
	wide := slices.Insert(slices.Clone(a.shape), axis+1, n)
	shape := slices.Clone(a.shape)
	shape[axis] *= n
	return Reshape(BroadcastTo(ExpandDims(a, axis+1), wide), shape...)
}

// Tile repeats a as a whole along its axes; missing axes count as 1. Mirrors
// mx.tile.
func Tile(a *Array, reps ...int) *Array {
	present("Tile", a)
	n := max(len(reps), len(a.shape))
	reps = append(slices.Repeat([]int{1}, n-len(reps)), reps...)
	shape := append(slices.Repeat([]int{1}, n-len(a.shape)), a.shape...)
	var narrow, wide, out []int
	for i, d := range shape {
		narrow, wide, out = append(narrow, 1, d), append(wide, reps[i], d), append(out, reps[i]*d)
	}
	return Reshape(BroadcastTo(Reshape(a, narrow...), wide), out...)
}

// Pad puts value around a: widths[i] elements before and after axis i. Mirrors
// mx.pad with mode constant.
func Pad(a *Array, widths [][2]int, value any) *Array {
	present("Pad", a)
	checkWidths("Pad", a, widths)
	v := asArray("Pad", value)
	for ax, w := range widths {
		side := func(n int) *Array {
			shape := slices.Clone(a.shape)
			shape[ax] = n
			return BroadcastTo(AsType(v, a.dtype), shape)
		}
		a = padded(a, ax, side(w[0]), side(w[1]))
	}
	return a
}

// PadMode is how PadWith makes the elements outside.
type PadMode int

const (
	PadEdge      PadMode = iota // repeats the outermost element
	PadReflect                  // mirrors about the outermost element
	PadSymmetric                // mirrors about the edge
)

// PadWith continues a beyond its edges. Mirrors mx.pad's other modes.
func PadWith(a *Array, widths [][2]int, mode PadMode) *Array {
	present("PadWith", a)
	checkWidths("PadWith", a, widths)
	for ax, w := range widths {
		a = padded(a, ax, mode.side(a, ax, w[0], true), mode.side(a, ax, w[1], false))
	}
	return a
}

// side is the n elements that the mode puts before or after axis ax.
func (mode PadMode) side(a *Array, ax, n int, before bool) *Array {
	d, skipped := a.shape[ax], 0
	if mode == PadReflect {
		skipped = 1 // the outermost element
	}
	room := d - skipped
	if mode == PadEdge && d > 0 {
		room = math.MaxInt
	}
	check(n == 0 || n <= room, "PadWith", "width %d is too large for an axis of %d", n, d)
	edge := 0
	if !before {
		edge = d - 1
	}
	if mode == PadEdge && n > 0 {
		shape := slices.Clone(a.shape)
		shape[ax] = n
		return BroadcastTo(SliceAxis(a, ax, edge, edge+1), shape)
	}
	if before {
		return Flip(SliceAxis(a, ax, skipped, skipped+n), ax)
	}
	return Flip(SliceAxis(a, ax, d-skipped-n, d-skipped), ax)
}

func checkWidths(op string, a *Array, widths [][2]int) {
	check(len(widths) == len(a.shape), op, "%d widths for shape %v", len(widths), a.shape)
	for _, w := range widths {
		check(w[0] >= 0 && w[1] >= 0, op, "negative width %v", w)
	}
}

// padded joins what is not empty.
func padded(a *Array, axis int, before, after *Array) *Array {
	parts := slices.DeleteFunc([]*Array{before, a, after}, func(x *Array) bool { return x != a && x.shape[axis] == 0 })
	return Concatenate(parts, axis)
}

// Unflatten splits one axis into several; one extent may be -1. Mirrors
// mx.unflatten.
func Unflatten(a *Array, axis int, shape ...int) *Array {
	present("Unflatten", a)
	axis = normAxis("Unflatten", axis, len(a.shape))
	known := knownSize(shape)
	shape = slices.Clone(shape)
	for i, d := range shape {
		if d == -1 {
			check(known > 0 && a.shape[axis]%known == 0, "Unflatten", "axis %d of %v does not split into %v", axis, a.shape, shape)
			shape[i] = a.shape[axis] / known
		}
	}
	check(sizeOf(shape) == a.shape[axis], "Unflatten", "axis %d of %v does not split into %v", axis, a.shape, shape)
	return Reshape(a, slices.Concat(a.shape[:axis], shape, a.shape[axis+1:])...)
}

// Tri is n×m with ones on and below diagonal k. Mirrors mx.tri.
func Tri(n, m, k int, dt metal.DType) *Array { return AsType(below(n, m, k), dt) }

// below tells which elements of n×m lie on or below diagonal k.
func below(n, m, k int) *Array {
	rows, cols := grid(n, m, k)
	return GreaterEqual(ExpandDims(rows, 1), ExpandDims(cols, 0))
}

// grid is the numbers of n rows, and those of m columns counted from diagonal k.
func grid(n, m, k int) (rows, cols *Array) {
	check(n >= 0 && m >= 0, "Tri", "%d rows and %d columns", n, m)
	k = min(max(k, -n), m) // beyond that nothing changes
	return Arange(0, float64(n), 1, metal.Int32), Arange(float64(-k), float64(m-k), 1, metal.Int32)
}

// Tril keeps what lies on or below diagonal k of the last two axes. Mirrors
// mx.tril.
func Tril(a *Array, k int) *Array {
	present("Tril", a)
	check(len(a.shape) >= 2, "Tril", "array has shape %v, want at least 2 axes", a.shape)
	return Where(below(a.Dim(-2), a.Dim(-1), k), a, Scalar(0, a.dtype))
}

// Triu keeps what lies on or above diagonal k. Mirrors mx.triu.
func Triu(a *Array, k int) *Array {
	present("Triu", a)
	check(len(a.shape) >= 2, "Triu", "array has shape %v, want at least 2 axes", a.shape)
	return Where(below(a.Dim(-2), a.Dim(-1), max(k, math.MinInt+1)-1), Scalar(0, a.dtype), a)
}

// Eye is n×m with ones on diagonal k. Mirrors mx.eye.
func Eye(n, m, k int, dt metal.DType) *Array {
	rows, cols := grid(n, m, k)
	return AsType(Equal(ExpandDims(rows, 1), ExpandDims(cols, 0)), dt)
}

// Diagonal is the diagonal of two axes, as the last axis. Mirrors mx.diagonal.
func Diagonal(a *Array, offset, axis1, axis2 int) *Array {
	present("Diagonal", a)
	n := len(a.shape)
	axis1, axis2 = normAxis("Diagonal", axis1, n), normAxis("Diagonal", axis2, n)
	check(axis1 != axis2, "Diagonal", "axis %d is given twice", axis1)
	var perm []int
	for i := range n {
		if i != axis1 && i != axis2 {
			perm = append(perm, i)
		}
	}
	x := Transpose(a, append(perm, axis1, axis2)...)
	offset = min(max(offset, -x.Dim(-2)), x.Dim(-1)) // beyond that the diagonal is empty
	first, cols := max(0, -offset), x.Dim(-1)
	length := max(0, min(x.Dim(-2)-first, cols-max(0, offset)))
	start := first*cols + max(0, offset)
	flat := Reshape(x, append(slices.Clone(x.shape[:n-2]), x.Dim(-2)*cols)...)
	ids := Add(Multiply(Arange(0, float64(length), 1, metal.Int32), cols+1), start)
	return take(flat, ids, -1)
}

// Diag makes a matrix with a vector on diagonal k, or takes the diagonal of a
// matrix. Mirrors mx.diag.
func Diag(a *Array, k int) *Array {
	present("Diag", a)
	if len(a.shape) == 2 {
		return Diagonal(a, k, 0, 1)
	}
	check(len(a.shape) == 1, "Diag", "array has shape %v, want 1 or 2 axes", a.shape)
	check(max(k, -k) <= math.MaxInt32 && k != math.MinInt, "Diag", "diagonal %d", k)
	n := a.shape[0] + max(k, -k)
	row := Pad(a, [][2]int{{max(k, 0), max(-k, 0)}}, 0) // each element in its column
	return Where(Eye(n, n, k, metal.Bool), BroadcastTo(row, []int{n, n}), Scalar(0, a.dtype))
}

// Trace sums the diagonal of two axes. Mirrors mx.trace.
func Trace(a *Array, offset, axis1, axis2 int) *Array {
	present("Trace", a)
	return AsType(Sum(Diagonal(a, offset, axis1, axis2), []int{-1}, false), a.dtype)
}

// Linspace is n evenly spaced numbers from start to stop. Mirrors mx.linspace.
func Linspace(start, stop float64, n int, dt metal.DType) *Array {
	check(n >= 0, "Linspace", "%d numbers", n)
	if n == 1 {
		return Full([]int{1}, start, dt)
	}
	t := Divide(Arange(0, float64(n), 1, metal.Float32), float64(n-1))
	return AsType(Add(Multiply(Subtract(1.0, t), start), Multiply(t, stop)), dt)
}

// Meshgrid broadcasts vectors to the coordinates of a grid. xy swaps the first
// two axes. Mirrors mx.meshgrid.
func Meshgrid(xy bool, vectors ...*Array) []*Array {
	present("Meshgrid", vectors...)
	n := len(vectors)
	shape := make([]int, n)
	for i, v := range vectors {
		check(len(v.shape) == 1, "Meshgrid", "array %d has shape %v, want one axis", i, v.shape)
		shape[i] = v.shape[0]
	}
	out := make([]*Array, n)
	for i, v := range vectors {
		out[i] = BroadcastTo(alongAxis(v, i, n), shape)
		if xy && n > 1 {
			out[i] = SwapAxes(out[i], 0, 1)
		}
	}
	return out
}

// AsStrided reads the flattened a with the given strides, in elements. Mirrors
// mx.as_strided.
func AsStrided(a *Array, shape, strides []int, offset int) *Array {
	present("AsStrided", a)
	check(len(shape) == len(strides), "AsStrided", "shape %v and strides %v", shape, strides)
	checkShape("AsStrided", shape, a.dtype)
	checkReach(a, shape, strides, offset)
	pos := Full(slices.Repeat([]int{1}, len(shape)), float64(offset), metal.Int32)
	for i, d := range shape {
		pos = Add(pos, alongAxis(Multiply(Arange(0, float64(d), 1, metal.Int32), strides[i]), i, len(shape)))
	}
	return take(Reshape(a, -1), pos, 0)
}

// checkReach refuses strides that lead outside a.
func checkReach(a *Array, shape, strides []int, offset int) {
	if sizeOf(shape) == 0 {
		return
	}
	lo, hi := float64(offset), float64(offset)
	for i, d := range shape {
		span := float64(d-1) * float64(strides[i])
		lo, hi = lo+min(0, span), hi+max(0, span)
	}
	check(lo >= 0 && hi < float64(a.Size()), "AsStrided", "shape %v with strides %v from %d is outside %v", shape, strides, offset, a)
	checkPositions("AsStrided", a)
}

// Unstack is the slices of a at every place of axis, without that axis. Mirrors
// mx.unstack.
func Unstack(a *Array, axis int) []*Array {
	present("Unstack", a)
	axis = normAxis("Unstack", axis, len(a.shape))
	if a.shape[axis] == 0 {
		return nil
	}
	parts := SplitEqual(a, a.shape[axis], axis)
	for i, p := range parts {
		parts[i] = Squeeze(p, axis)
	}
	return parts
}

// Diff is the differences between neighbours along axis, taken n times. Mirrors
// mx.diff.
func Diff(a *Array, n, axis int) *Array {
	present("Diff", a)
	axis = normAxis("Diff", axis, len(a.shape))
	check(n >= 0, "Diff", "n is %d, which must not be negative", n)
	for range min(n, a.shape[axis]) {
		end := a.shape[axis]
		next, this := SliceAxis(a, axis, 1, end), SliceAxis(a, axis, 0, end-1)
		if a.dtype == metal.Bool {
			a = NotEqual(next, this)
		} else {
			a = Subtract(next, this)
		}
	}
	return a
}
