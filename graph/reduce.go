package graph

import (
	"fmt"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// reduce folds axes; the output keeps them as extents of 1.
type reduce struct {
	op   kernels.ReduceOp
	axes []int
}

func (op reduce) String() string { return string(op.op) + axesString(op.axes) }

func (op reduce) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Reduce(l, op.op, l.Contiguous(in[0]), out[0], op.axes)
}

func (op reduce) VJP(c *Cotangents) []*Array {
	x, y, g := c.In[0], c.Out[0], c.Cot[0]
	switch op.op {
	case kernels.Sum:
		return []*Array{BroadcastTo(g, x.shape)}
	case kernels.Max, kernels.Min:
		// Equal elements share the gradient evenly.
		m := AsType(Equal(x, y), g.dtype)
		return []*Array{Multiply(m, Divide(g, Sum(m, op.axes, true)))}
	case kernels.Prod:
		return []*Array{conjugated(g, func(g *Array) *Array { return prodGrad(x, g, op.axes) })}
	}
	return []*Array{nil}
}

// prodGrad multiplies, for each element, what comes before and behind it in its
// group: that is exact where elements are zero.
func prodGrad(x, g *Array, axes []int) *Array {
	f := foldOf("Prod", x.shape, axes)
	rows := f.rows(x)
	others := Multiply(CumProd(rows, -1, ScanOptions{Exclusive: true}), CumProd(rows, -1, ScanOptions{Exclusive: true, Reverse: true}))
	return Multiply(unpermuted(others, x.shape, f.perm()), g)
}

// apply normalises the axes (nil means all) and drops them unless keep is set.
func (op reduce) apply(a *Array, dt metal.DType, axes []int, keep bool) *Array {
	f := foldOf(string(op.op), a.shape, axes)
	op.axes = f.inside
	r := AsType(a, dt)
	if len(op.axes) > 0 {
		r = apply1(op, f.kept, dt, r)
	}
	return f.shaped(r, keep)
}

// fold is how the axes of a shape divide: those that are folded, and the others.
type fold struct {
	outside, inside []int // ascending
	kept, short     []int // the shape with the folded axes as 1, and without them
}

// foldOf folds the given axes of shape (nil: all).
func foldOf(op string, shape, axes []int) fold {
	drop := make([]bool, len(shape))
	for _, ax := range axes {
		ax = normAxis(op, ax, len(shape))
		check(!drop[ax], op, "axis %d is repeated in %v", ax, axes)
		drop[ax] = true
	}
	f := fold{inside: []int{}, kept: slices.Clone(shape), short: []int{}}
	for i, d := range shape {
		if axes == nil || drop[i] {
			f.inside, f.kept[i] = append(f.inside, i), 1
		} else {
			f.outside, f.short = append(f.outside, i), append(f.short, d)
		}
	}
	return f
}

// shaped is r, one element for each of the axes outside, in its final shape.
func (f fold) shaped(r *Array, keep bool) *Array {
	if keep {
		return Reshape(r, f.kept...)
	}
	return Reshape(r, f.short...)
}

// perm is the order of axes with the folded ones last.
func (f fold) perm() []int { return slices.Concat(f.outside, f.inside) }

// rows views a with the folded axes merged into the last.
func (f fold) rows(a *Array) *Array {
	n := 1
	for _, ax := range f.inside {
		n *= a.shape[ax]
	}
	return Reshape(permute(a, f.perm()), append(slices.Clone(f.short), n)...)
}

// permute is Transpose, of an array without axes too.
func permute(a *Array, perm []int) *Array {
	if len(perm) == 0 {
		return a
	}
	return Transpose(a, perm...)
}

// unpermuted views rows, whose elements are those of an array of the given shape
// with its axes in the order of perm, as that array.
func unpermuted(rows *Array, shape, perm []int) *Array {
	permuted := make([]int, len(perm))
	for i, ax := range perm {
		permuted[i] = shape[ax]
	}
	return permute(Reshape(rows, permuted...), inverse(perm))
}

// sumDType is the dtype in which integers are added: mx.sum's rule.
func sumDType(d metal.DType) metal.DType {
	switch {
	case d == metal.Bool, d.IsSigned() && d.Size() <= 4:
		return metal.Int32
	case d.IsUnsigned() && d.Size() <= 4:
		return metal.Uint32
	}
	return d
}

// Sum adds over axes (nil: all). Small integers widen to 32 bits. Mirrors
// mx.sum.
func Sum(a *Array, axes []int, keepDims bool) *Array {
	present("Sum", a)
	return reduce{op: kernels.Sum}.apply(a, sumDType(a.dtype), axes, keepDims)
}

// Prod multiplies over axes (nil: all). Mirrors mx.prod.
func Prod(a *Array, axes []int, keepDims bool) *Array {
	present("Prod", a)
	return reduce{op: kernels.Prod}.apply(a, sumDType(a.dtype), axes, keepDims)
}

// Max is the largest element over axes (nil: all), NaN if there is one. Mirrors
// mx.max.
func Max(a *Array, axes []int, keepDims bool) *Array {
	present("Max", a)
	checkReduced("Max", a, axes)
	return reduce{op: kernels.Max}.apply(a, a.dtype, axes, keepDims)
}

// Min is the smallest element over axes (nil: all), NaN if there is one.
// Mirrors mx.min.
func Min(a *Array, axes []int, keepDims bool) *Array {
	present("Min", a)
	checkReduced("Min", a, axes)
	return reduce{op: kernels.Min}.apply(a, a.dtype, axes, keepDims)
}

// checkReduced refuses reductions without identity over an empty axis.
func checkReduced(op string, a *Array, axes []int) {
	for i, d := range a.shape {
		check(d > 0 || (axes != nil && !slices.Contains(axes, i) && !slices.Contains(axes, i-len(a.shape))), op, "axis %d of %v is empty", i, a.shape)
	}
}

// All is true where every element over axes is non-zero. Mirrors mx.all.
func All(a *Array, axes []int, keepDims bool) *Array {
	present("All", a)
	return reduce{op: kernels.All}.apply(a, metal.Bool, axes, keepDims)
}

// Any is true where some element over axes is non-zero. Mirrors mx.any.
func Any(a *Array, axes []int, keepDims bool) *Array {
	present("Any", a)
	return reduce{op: kernels.Any}.apply(a, metal.Bool, axes, keepDims)
}

// reducedCount is the number of elements folded into one.
func reducedCount(a *Array, axes []int) float64 {
	n := 1
	if axes == nil {
		return float64(a.Size())
	}
	for _, ax := range axes {
		n *= a.shape[normAxis("Mean", ax, len(a.shape))]
	}
	return float64(n)
}

// Mean is the average over axes (nil: all); integers become float32. Mirrors
// mx.mean.
func Mean(a *Array, axes []int, keepDims bool) *Array {
	present("Mean", a)
	a = AsType(a, atLeastFloat(a.dtype))
	s := Sum(a, axes, keepDims)
	return Multiply(s, Scalar(1/reducedCount(a, axes), a.dtype))
}

// Var is the variance over axes (nil: all) with ddof degrees of freedom taken
// off. Mirrors mx.var.
func Var(a *Array, axes []int, keepDims bool, ddof int) *Array {
	present("Var", a)
	a = AsType(a, atLeastFloat(a.dtype))
	n := reducedCount(a, axes)
	d := Subtract(a, Mean(a, axes, true))
	if d.dtype == metal.Complex64 {
		d = Abs(d)
	}
	d = Square(d)
	return Multiply(Sum(d, axes, keepDims), 1/max(n-float64(ddof), 0))
}

// Std is the square root of Var. Mirrors mx.std.
func Std(a *Array, axes []int, keepDims bool, ddof int) *Array {
	return Sqrt(Var(a, axes, keepDims, ddof))
}

// argReduce finds the index of an extreme element along one axis.
type argReduce struct {
	constantGradient
	op   kernels.ReduceOp
	axis int
}

func (op argReduce) String() string { return fmt.Sprintf("%s[%d]", op.op, op.axis) }

func (op argReduce) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.ArgReduce(l, op.op, l.Contiguous(in[0]), out[0], op.axis)
}

func (op argReduce) apply(a *Array, axis int, keep bool) *Array {
	axis = normAxis(string(op.op), axis, len(a.shape))
	check(a.shape[axis] > 0, string(op.op), "axis %d of %v is empty", axis, a.shape)
	op.axis = axis
	if isWide(a.dtype) {
		a = extremeKey(op.op, a)
	}
	shape := slices.Clone(a.shape)
	shape[axis] = 1
	r := apply1(op, shape, metal.Uint32, a)
	if keep {
		return r
	}
	return Squeeze(r, axis)
}

// ArgMax is the index of the first largest element along axis, as uint32; NaN
// is ignored. Mirrors mx.argmax.
func ArgMax(a *Array, axis int, keepDims bool) *Array {
	present("ArgMax", a)
	return argReduce{op: kernels.ArgMax}.apply(a, axis, keepDims)
}

// ArgMin is the index of the first smallest element along axis. Mirrors
// mx.argmin.
func ArgMin(a *Array, axis int, keepDims bool) *Array {
	present("ArgMin", a)
	return argReduce{op: kernels.ArgMin}.apply(a, axis, keepDims)
}

// softmax normalises the exponentials of the last axis.
type softmax struct{}

// Softmax is eᵃ/Σeᵃ over axes together (none: all), with statistics in float32.
// Mirrors mx.softmax.
func Softmax(a *Array, axes ...int) *Array {
	present("Softmax", a)
	a = AsType(a, atLeastFloat(a.dtype))
	if isWide(a.dtype) {
		if len(axes) == 0 {
			axes = nil
		}
		return wideSoftmax(a, axes)
	}
	last := len(a.shape) - 1
	if len(axes) == 1 && normAxis("Softmax", axes[0], len(a.shape)) == last {
		return apply1(softmax{}, a.shape, a.dtype, a)
	}
	f := foldOf("Softmax", a.shape, axes)
	rows := f.rows(a)
	return unpermuted(apply1(softmax{}, rows.shape, rows.dtype, rows), a.shape, f.perm())
}

func (softmax) String() string { return "Softmax" }

func (softmax) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Softmax(l, l.Contiguous(in[0]), out[0])
}

func (softmax) VJP(c *Cotangents) []*Array {
	return []*Array{apply1(softmaxVJP{}, c.Out[0].shape, c.Out[0].dtype, c.Out[0], c.Cot[0])}
}

// softmaxVJP is y·(g - Σ y·g); its inputs are y and g.
type softmaxVJP struct{}

func (softmaxVJP) String() string { return "SoftmaxVJP" }

func (softmaxVJP) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.SoftmaxVJP(l, l.Contiguous(in[0]), l.Contiguous(in[1]), out[0])
}

func (softmaxVJP) VJP(c *Cotangents) []*Array {
	y, g, h := c.In[0], c.In[1], c.Cot[0]
	last := []int{len(y.shape) - 1}
	yh := Multiply(y, h)
	dg := Subtract(yh, Multiply(y, Sum(yh, last, true)))
	dy := Subtract(Multiply(h, Subtract(g, Sum(Multiply(y, g), last, true))), Multiply(g, Sum(yh, last, true)))
	return []*Array{dy, dg}
}

// logSumExp is ln Σ eᵃ along the last axis, kept as an extent of 1.
type logSumExp struct{}

// LogSumExp is ln Σ eᵃ over axes (nil: all), without overflow. Mirrors
// mx.logsumexp.
func LogSumExp(a *Array, axes []int, keepDims bool) *Array {
	present("LogSumExp", a)
	checkReduced("LogSumExp", a, axes)
	a = AsType(a, atLeastFloat(a.dtype))
	if isWide(a.dtype) {
		return wideLogSumExp(a, axes, keepDims)
	}
	f := foldOf("LogSumExp", a.shape, axes)
	return f.shaped(apply1(logSumExp{}, append(slices.Clone(f.short), 1), a.dtype, f.rows(a)), keepDims)
}

func (logSumExp) String() string { return "LogSumExp" }

func (logSumExp) Lower(l *Lowering, in, out []kernels.Tensor) {
	y := out[0]
	y.Shape, y.Strides = y.Shape[:len(y.Shape)-1], y.Strides[:len(y.Strides)-1]
	kernels.LogSumExp(l, l.Contiguous(in[0]), y)
}

func (logSumExp) VJP(c *Cotangents) []*Array {
	return []*Array{Multiply(c.Cot[0], Softmax(c.In[0], -1))}
}

// CountNonzero is the number of elements over axes (nil: all) that are not 0,
// int32. Mirrors mx.count_nonzero.
func CountNonzero(a *Array, axes []int, keepDims bool) *Array {
	present("CountNonzero", a)
	return Sum(NotEqual(a, 0), axes, keepDims)
}
