package graph

import (
	"fmt"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// argSort is the order of the last axis.
type argSort struct{ constantGradient }

func (argSort) String() string { return "ArgSort" }

func (argSort) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.ArgSort(l, l.Contiguous(in[0]), out[0])
}

// ArgSort is the stable order of the elements along axis, as uint32; NaN comes
// last. Mirrors mx.argsort.
func ArgSort(a *Array, axis int) *Array {
	present("ArgSort", a)
	axis = normAxis("ArgSort", axis, len(a.shape))
	last := len(a.shape) - 1
	if axis != last {
		return SwapAxes(ArgSort(SwapAxes(a, axis, last), last), axis, last)
	}
	if isWide(a.dtype) {
		a = orderKey(a)
	}
	return apply1(argSort{}, a.shape, metal.Uint32, a)
}

// Sort orders the elements along axis; NaN comes last. Mirrors mx.sort.
func Sort(a *Array, axis int) *Array {
	present("Sort", a)
	return takeAlongAxis(a, ArgSort(a, axis), axis)
}

// Partition moves the element that sorting would put at kth there, with none
// larger before it and none smaller behind; negative kth counts from the end.
// Here it sorts. Mirrors mx.partition.
func Partition(a *Array, kth, axis int) *Array {
	return takeAlongAxis(a, ArgPartition(a, kth, axis), axis)
}

// ArgPartition is the order that Partition puts the elements in, as uint32.
// Mirrors mx.argpartition.
func ArgPartition(a *Array, kth, axis int) *Array {
	present("ArgPartition", a)
	d := a.shape[normAxis("ArgPartition", axis, len(a.shape))]
	check(kth >= -d && kth < d, "ArgPartition", "kth %d is outside axis %d of %v", kth, axis, a.shape)
	return ArgSort(a, axis)
}

// TopK is the k largest elements along axis, in ascending order; NaN counts as
// the largest. Mirrors mx.topk.
func TopK(a *Array, k, axis int) *Array {
	present("TopK", a)
	axis = normAxis("TopK", axis, len(a.shape))
	d := a.shape[axis]
	check(k >= 0 && k <= d, "TopK", "k %d is not between 0 and %d, axis %d of %v", k, d, axis, a.shape)
	return takeAlongAxis(a, SliceAxis(ArgSort(a, axis), axis, d-k, d), axis)
}

// searchSorted finds the places of values in a sorted vector; its inputs are
// the vector and the values.
type searchSorted struct {
	constantGradient
	right bool
}

func (op searchSorted) String() string { return fmt.Sprintf("SearchSorted[right=%v]", op.right) }

func (op searchSorted) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.SearchSorted(l, l.Contiguous(in[0]), l.Contiguous(in[1]), out[0], op.right)
}

// SearchSorted is how many elements of sorted, a vector in ascending order, lie
// before each of the values, as uint32: those less than it and, if right is
// set, those equal to it. NaN counts as the largest. Mirrors mx.searchsorted.
func SearchSorted(sorted, values *Array, right bool) *Array {
	present("SearchSorted", sorted, values)
	check(len(sorted.shape) == 1, "SearchSorted", "sequence has shape %v, want one axis", sorted.shape)
	dt := resultType(sorted, values)
	sorted, values = AsType(sorted, dt), AsType(values, dt)
	if isWide(dt) {
		sorted, values = orderKey(sorted), orderKey(values)
	}
	return apply1(searchSorted{right: right}, values.shape, metal.Uint32, sorted, values)
}

// Median is the middle element over axes (nil: all), or the mean of the middle
// two. Mirrors mx.median.
func Median(a *Array, axes []int, keepDims bool) *Array {
	present("Median", a)
	a = AsType(a, atLeastFloat(a.dtype))
	f := foldOf("Median", a.shape, axes)
	x := f.rows(a)
	n := x.Dim(-1)
	check(n > 0, "Median", "axes %v of %v are empty", axes, a.shape)
	s := Sort(x, -1)
	at := func(i int) *Array { return SliceAxis(s, -1, i, i+1) }
	m := at(n / 2)
	if n%2 == 0 {
		m = Multiply(Add(at(n/2-1), m), 0.5)
	}
	return f.shaped(m, keepDims)
}
