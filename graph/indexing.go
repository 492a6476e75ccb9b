package graph

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Term is one entry of an index expression such as a[1, 2:5, ids].
type Term struct {
	kind              termKind
	at                int
	start, stop, step *int
	array             *Array
	trusted           bool // the array's elements are inside
}

type termKind int

const (
	termInt termKind = iota
	termSpan
	termNewAxis
	termEllipsis
	termArray
)

// At is the index i, which drops its axis; negative i counts from the end.
func At(i int) Term { return Term{kind: termInt, at: i} }

// Span is the slice start:stop:step with Python's rules; nil is a bound left out.
func Span(start, stop, step *int) Term {
	return Term{kind: termSpan, start: start, stop: stop, step: step}
}

// NewAxis inserts an axis of extent 1. Mirrors mx.newaxis.
func NewAxis() Term { return Term{kind: termNewAxis} }

// Ellipsis stands for as many whole axes as are left.
func Ellipsis() Term { return Term{kind: termEllipsis} }

// Pick is an array of integer indices, negative ones from the end. Several of
// them broadcast together. An index outside its axis is an error of Eval.
func Pick(a *Array) Term { return Term{kind: termArray, array: a} }

// span is a resolved slice of one axis.
type span struct{ start, step, n int }

// resolve applies Python's rules for slices of an axis of extent d.
func (t Term) resolve(d int) span {
	s := span{step: 1}
	if t.step != nil {
		s.step = *t.step
	}
	check(s.step != 0, "GetItem", "slice step is 0")
	s.step = min(max(s.step, -max(d, 1)), max(d, 1)) // a longer step goes nowhere else
	lo, hi := 0, d                                   // what bounds are clipped to
	if s.step < 0 {
		lo, hi = -1, d-1
	}
	bound := func(p *int, fallback int) int {
		if p == nil {
			return fallback
		}
		v := *p
		if v < 0 {
			v += d
		}
		return min(max(v, lo), hi)
	}
	var stop int
	if s.step > 0 {
		s.start, stop = bound(t.start, lo), bound(t.stop, hi)
		s.n = max(0, (stop-s.start+s.step-1)/s.step)
	} else {
		s.start, stop = bound(t.start, hi), bound(t.stop, lo)
		s.n = max(0, (s.start-stop-s.step-1)/-s.step)
	}
	return s
}

// indexPlan is an index expression fitted to an array: per entry the axis it
// reads, in order.
type indexPlan struct {
	a     *Array
	terms []Term
	axis  []int // axis of each term, -1 for a new axis
	spans []span
}

func planIndex(op string, a *Array, terms []Term) *indexPlan {
	used, ellipsis := 0, -1
	for i, t := range terms {
		switch t.kind {
		case termEllipsis:
			check(ellipsis < 0, op, "two ellipses in one index")
			ellipsis = i
		case termArray:
			check(t.array != nil, op, "index array is nil")
			check(t.array.dtype.IsInteger(), op, "index array is %v, want integers", t.array)
			used++
		case termInt, termSpan:
			used++
		}
	}
	check(used <= len(a.shape), op, "%d indices for an array of shape %v", used, a.shape)
	whole := slices.Repeat([]Term{Span(nil, nil, nil)}, len(a.shape)-used)
	if ellipsis >= 0 {
		terms = slices.Concat(terms[:ellipsis], whole, terms[ellipsis+1:])
	} else {
		terms = slices.Concat(terms, whole)
	}
	p := &indexPlan{a: a, terms: terms, axis: make([]int, len(terms)), spans: make([]span, len(terms))}
	ax := 0
	for i, t := range terms {
		p.axis[i] = -1
		if t.kind == termNewAxis {
			continue
		}
		p.axis[i] = ax
		switch t.kind {
		case termSpan:
			p.spans[i] = t.resolve(a.shape[ax])
		case termInt:
			p.terms[i].at = normIndex(op, t.at, a.shape[ax])
		}
		ax++
	}
	return p
}

func normIndex(op string, i, d int) int {
	check(i >= -d && i < d, op, "index %d is outside an axis of %d", i, d)
	if i < 0 {
		return i + d
	}
	return i
}

// arrays is the number of index arrays.
func (p *indexPlan) arrays() int {
	n := 0
	for _, t := range p.terms {
		if t.kind == termArray {
			n++
		}
	}
	return n
}

// whole reports whether term i takes its axis as it is.
func (p *indexPlan) whole(i int) bool {
	return p.terms[i].kind == termSpan && p.spans[i] == span{0, 1, p.a.shape[p.axis[i]]}
}

// GetItem is a[terms], with NumPy's rules. Slices and integers are views.
// Mirrors array.__getitem__.
func GetItem(a *Array, terms ...Term) *Array {
	present("GetItem", a)
	p := planIndex("GetItem", a, terms)
	if p.arrays() == 0 {
		return p.view()
	}
	if i, ok := p.single(); ok {
		ids := p.terms[i].array
		if !p.terms[i].trusted {
			ids = insideAxis("GetItem", ids, a.shape[p.axis[i]])
		}
		return take(a, ids, p.axis[i])
	}
	pos := p.positions("GetItem")
	return take(Reshape(a, -1), pos, 0)
}

// single is the one index array of an index that has nothing else.
func (p *indexPlan) single() (int, bool) {
	at := -1
	for i, t := range p.terms {
		switch {
		case t.kind == termArray && at < 0:
			at = i
		case !p.whole(i):
			return 0, false
		}
	}
	return at, at >= 0
}

func (p *indexPlan) view() *Array {
	n := len(p.a.shape)
	start, stop, step, shape := make([]int, n), make([]int, n), make([]int, n), []int{}
	for i, t := range p.terms {
		ax := p.axis[i]
		switch t.kind {
		case termNewAxis:
			shape = append(shape, 1)
		case termInt:
			start[ax], stop[ax], step[ax] = t.at, t.at+1, 1
		default:
			s := p.spans[i]
			start[ax], stop[ax], step[ax] = s.start, s.start+s.n*s.step, s.step
			shape = append(shape, s.n)
		}
	}
	return Reshape(Slice(p.a, start, stop, step), shape...)
}

// layout is the shape of the result, the axis of it that each term fills (-1
// for none), and where the axes of the broadcast index arrays begin.
func (p *indexPlan) layout() (shape []int, place []int, block int, picked []int) {
	var arrays [][]int
	first, last := -1, -1
	for i, t := range p.terms {
		if t.kind == termArray {
			arrays = append(arrays, t.array.shape)
		}
		if p.advanced(t) {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	picked = broadcastShapes("GetItem", arrays...)
	together := true // index arrays side by side keep their place, others go first
	for i := first; i >= 0 && i <= last; i++ {
		together = together && p.advanced(p.terms[i])
	}
	place = make([]int, len(p.terms))
	insert := func() {
		block = len(shape)
		shape = append(shape, picked...)
	}
	if len(arrays) > 0 && !together {
		insert()
	}
	for i, t := range p.terms {
		place[i] = -1
		if p.advanced(t) {
			if together && i == first {
				insert()
			}
			continue
		}
		if t.kind == termInt {
			continue
		}
		place[i] = len(shape)
		if t.kind == termNewAxis {
			shape = append(shape, 1)
		} else {
			shape = append(shape, p.spans[i].n)
		}
	}
	if shape == nil {
		shape = []int{}
	}
	return shape, place, block, picked
}

// advanced reports whether t broadcasts with the index arrays: they do, and
// integers next to them.
func (p *indexPlan) advanced(t Term) bool {
	return t.kind == termArray || (t.kind == termInt && p.arrays() > 0)
}

// checkPositions refuses arrays whose elements int32 cannot number.
func checkPositions(op string, a *Array) {
	check(a.Size() <= math.MaxInt32, op, "%v has too many elements to be picked one by one: at most %d", a, math.MaxInt32)
}

// positions is where each element of the result lies in the flattened array.
func (p *indexPlan) positions(op string) *Array {
	checkPositions(op, p.a)
	shape, place, block, picked := p.layout()
	strides := kernels.RowMajor(p.a.shape)
	offset := 0
	var sum *Array
	add := func(x *Array) {
		if sum == nil {
			sum = x
		} else {
			sum = Add(sum, x)
		}
	}
	for i, t := range p.terms {
		ax := p.axis[i]
		switch t.kind {
		case termInt:
			offset += t.at * strides[ax]
		case termSpan:
			s := p.spans[i]
			offset += s.start * strides[ax]
			add(alongAxis(Multiply(Arange(0, float64(s.n), 1, metal.Int32), s.step*strides[ax]), place[i], len(shape)))
		case termArray:
			idx := t.array
			if !t.trusted {
				idx = insideAxis(op, idx, p.a.shape[ax])
			}
			idx = AsType(idx, metal.Int32)
			idx = Where(Less(idx, 0), Add(idx, p.a.shape[ax]), idx)
			along := slices.Repeat([]int{1}, len(shape))
			copy(along[block+len(picked)-len(idx.shape):], idx.shape)
			add(Reshape(Multiply(idx, strides[ax]), along...))
		}
	}
	if sum == nil {
		sum = Zeros(shape, metal.Int32)
	}
	return BroadcastTo(Add(sum, offset), shape)
}

// fitValue broadcasts what is written to shape; leading axes of 1 too many are
// dropped.
func fitValue(op string, value any, shape []int, dt metal.DType) *Array {
	v := AsType(asArray(op, value), dt)
	for len(v.shape) > len(shape) && v.shape[0] == 1 {
		v = Squeeze(v, 0)
	}
	return BroadcastTo(v, shape)
}

// SetItem is a with a[terms] replaced by value, which broadcasts. Where index
// arrays name an element twice, one of the values wins. Mirrors
// array.__setitem__.
func SetItem(a *Array, value any, terms ...Term) *Array {
	present("SetItem", a)
	pos := planIndex("SetItem", a, terms).positions("SetItem")
	v := fitValue("SetItem", value, pos.shape, a.dtype)
	flat := putAlongAxis(Reshape(a, -1), Reshape(pos, -1), Reshape(v, -1), 0)
	return Reshape(flat, a.shape...)
}

// SetMask is a with value, which broadcasts, where mask holds. mask is bool and
// covers the leading axes of a. Mirrors array.__setitem__ with a mask.
func SetMask(a, mask *Array, value any) *Array {
	present("SetMask", a, mask)
	n := len(mask.shape)
	check(mask.dtype == metal.Bool && n <= len(a.shape) && slices.Equal(mask.shape, a.shape[:n]), "SetMask", "mask is %v for an array of shape %v", mask, a.shape)
	full := Reshape(mask, append(slices.Clone(mask.shape), slices.Repeat([]int{1}, len(a.shape)-n)...)...)
	return Where(full, AsType(asArray("SetMask", value), a.dtype), a)
}

// AddAt is a with value added at a[terms]; elements that are named twice get
// both. Mirrors array.at[].add.
func AddAt(a *Array, value any, terms ...Term) *Array {
	return updateAt("AddAt", scatterSum, a, value, terms)
}

// SubtractAt is a with value subtracted at a[terms], twice where an element is
// named twice. Mirrors array.at[].subtract.
func SubtractAt(a *Array, value any, terms ...Term) *Array {
	return updateAt("SubtractAt", scatterSum, a, Negative(asArray("SubtractAt", value)), terms)
}

// MultiplyAt is a with a[terms] multiplied by value, twice where an element is
// named twice. It has no gradient. Mirrors array.at[].multiply.
func MultiplyAt(a *Array, value any, terms ...Term) *Array {
	return updateAt("MultiplyAt", scatterProduct, a, value, terms)
}

// DivideAt is a with a[terms] multiplied by the reciprocal of value, in a's
// dtype, as MLX does it. It has no gradient. Mirrors array.at[].divide.
func DivideAt(a *Array, value any, terms ...Term) *Array {
	return updateAt("DivideAt", scatterProduct, a, Divide(1, asArray("DivideAt", value)), terms)
}

// MaximumAt is a with the greater of a[terms] and value there. Mirrors
// array.at[].maximum.
func MaximumAt(a *Array, value any, terms ...Term) *Array {
	return updateAt("MaximumAt", scatterMaximum, a, value, terms)
}

// MinimumAt is a with the smaller of a[terms] and value there. Mirrors
// array.at[].minimum.
func MinimumAt(a *Array, value any, terms ...Term) *Array {
	return updateAt("MinimumAt", scatterMinimum, a, value, terms)
}

func updateAt(op string, how scatterMode, a *Array, value any, terms []Term) *Array {
	present(op, a)
	pos := planIndex(op, a, terms).positions(op)
	v := Reshape(fitValue(op, value, pos.shape, a.dtype), -1)
	flat := apply1(scatterAxis{0, how}, []int{a.Size()}, a.dtype, Reshape(a, -1), Reshape(pos, -1), v)
	return Reshape(flat, a.shape...)
}

// DynamicSlice is a window of the given sizes that starts at start[i] on
// axes[i]. Mirrors mx.slice.
func DynamicSlice(a, start *Array, axes, sizes []int) *Array {
	present("DynamicSlice", a, start)
	check(len(start.shape) == 1 && start.shape[0] == len(axes) && len(sizes) == len(a.shape), "DynamicSlice",
		"start is %v, axes %v, sizes %v for shape %v", start, axes, sizes, a.shape)
	return GetItem(a, dynamicTerms("DynamicSlice", a, start, axes, sizes)...)
}

// DynamicSliceUpdate is a with the window of update's shape that starts at
// start[i] on axes[i] replaced by update. Mirrors mx.slice_update.
func DynamicSliceUpdate(a, update, start *Array, axes []int) *Array {
	present("DynamicSliceUpdate", a, update, start)
	check(len(start.shape) == 1 && start.shape[0] == len(axes) && len(update.shape) == len(a.shape), "DynamicSliceUpdate",
		"start is %v, axes %v, update %v for shape %v", start, axes, update, a.shape)
	return SetItem(a, update, dynamicTerms("DynamicSliceUpdate", a, start, axes, update.shape)...)
}

// dynamicTerms indexes every axis by an array, in an open mesh.
func dynamicTerms(op string, a, start *Array, axes, sizes []int) []Term {
	n := len(a.shape)
	terms := make([]Term, n)
	for i := range terms {
		check(sizes[i] >= 0 && sizes[i] <= a.shape[i], op, "window %v does not fit into %v", sizes, a.shape)
		idx := Arange(0, float64(sizes[i]), 1, metal.Int32)
		for k, ax := range axes {
			if normAxis(op, ax, n) == i {
				first := AsType(SliceAxis(start, 0, k, k+1), metal.Int32)
				idx = Add(idx, Clip(first, 0, a.shape[i]-sizes[i]))
			}
		}
		terms[i] = Term{kind: termArray, array: alongAxis(idx, i, n), trusted: true}
	}
	return terms
}
