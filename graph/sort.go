package graph

import (
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// sortPairs bounds the comparisons of one sort. Sorting compares all pairs of an
// axis: it serves permutations, medians and small sets, not large arrays.
const sortPairs = 1 << 28

// ArgSort is the stable order of the elements along axis, as uint32; NaN comes
// last. Mirrors mx.argsort.
func ArgSort(a *Array, axis int) *Array {
	axis = normAxis("ArgSort", axis, len(a.shape))
	last := len(a.shape) - 1
	if axis != last {
		return SwapAxes(ArgSort(SwapAxes(a, axis, last), last), axis, last)
	}
	n := a.shape[last]
	check(a.Size()*n <= sortPairs, "ArgSort", "axis of %d in %v is too long: %d comparisons are the limit", n, a.shape, sortPairs)
	a = StopGradient(a)
	x, y := ExpandDims(a, -1), ExpandDims(a, -2) // x[i] against y[j]
	before, same := Less(y, x), Equal(y, x)
	if a.dtype.IsFloat() {
		xn, yn := IsNaN(x), IsNaN(y)
		before = LogicalOr(before, LogicalAnd(xn, LogicalNot(yn)))
		same = LogicalOr(same, LogicalAnd(xn, yn))
	}
	earlier := below(n, n, -1) // j < i
	rank := Sum(LogicalOr(before, LogicalAnd(same, earlier)), []int{-1}, false)
	ids := BroadcastTo(Arange(0, float64(n), 1, metal.Uint32), a.shape)
	return PutAlongAxis(Zeros(a.shape, metal.Uint32), rank, ids, last)
}

// Sort orders the elements along axis; NaN comes last. Mirrors mx.sort.
func Sort(a *Array, axis int) *Array { return TakeAlongAxis(a, ArgSort(a, axis), axis) }

// Median is the middle element over axes (nil: all), or the mean of the middle
// two. Mirrors mx.median.
func Median(a *Array, axes []int, keepDims bool) *Array {
	a = AsType(a, atLeastFloat(a.dtype))
	x, kept, short := rowsOver("Median", a, axes)
	n := x.Dim(-1)
	check(n > 0, "Median", "axes %v of %v are empty", axes, a.shape)
	s := Sort(x, -1)
	at := func(i int) *Array { return SliceAxis(s, -1, i, i+1) }
	m := at(n / 2)
	if n%2 == 0 {
		m = Multiply(Add(at(n/2-1), m), 0.5)
	}
	if keepDims {
		return Reshape(m, kept...)
	}
	return Reshape(m, short...)
}

// rowsOver views a with the given axes (nil: all) merged into the last, and
// returns a's shape with them as 1 and without them.
func rowsOver(op string, a *Array, axes []int) (rows *Array, kept, short []int) {
	drop := make([]bool, len(a.shape))
	for _, ax := range axes {
		ax = normAxis(op, ax, len(a.shape))
		check(!drop[ax], op, "axis %d is repeated in %v", ax, axes)
		drop[ax] = true
	}
	perm, merged, n := []int{}, []int{}, 1
	kept, short = slices.Clone(a.shape), []int{}
	for i, d := range a.shape {
		if axes != nil && !drop[i] {
			perm, short = append(perm, i), append(short, d)
		} else {
			merged, kept[i], n = append(merged, i), 1, n*d
		}
	}
	perm = append(perm, merged...)
	if len(perm) > 0 {
		a = Transpose(a, perm...)
	}
	return Reshape(a, append(slices.Clone(short), n)...), kept, short
}
