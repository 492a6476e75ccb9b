package graph

import (
	"fmt"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// ScanOptions says how a scan runs; the zero value is MLX's default.
type ScanOptions struct {
	Reverse   bool // from the last element to the first
	Exclusive bool // an element's own value does not count
}

// scan is a running fold along an axis.
type scan struct {
	op   kernels.ScanOp
	axis int
	ScanOptions
}

// CumSum is the running sum along axis; bool counts in int32. Mirrors mx.cumsum and mx.cumulative_sum.
func CumSum(a *Array, axis int, o ScanOptions) *Array {
	present("CumSum", a)
	if a.dtype == metal.Complex64 {
		return byParts(a, func(part *Array) *Array { return CumSum(part, axis, o) })
	}
	if a.dtype == metal.Bool {
		a = AsType(a, metal.Int32)
	}
	return scan{op: kernels.CumSum, ScanOptions: o}.apply(a, axis)
}

// CumProd is the running product along axis. Mirrors mx.cumprod and mx.cumulative_prod.
func CumProd(a *Array, axis int, o ScanOptions) *Array {
	present("CumProd", a)
	op := kernels.CumProd
	if a.dtype == metal.Bool {
		op = kernels.CumMin // and
	}
	return scan{op: op, ScanOptions: o}.apply(a, axis)
}

// CumMax is the running maximum along axis, NaN from the first NaN on. Mirrors
// mx.cummax.
func CumMax(a *Array, axis int, o ScanOptions) *Array {
	present("CumMax", a)
	return scan{op: kernels.CumMax, ScanOptions: o}.apply(a, axis)
}

// CumMin is the running minimum along axis, NaN from the first NaN on. Mirrors
// mx.cummin.
func CumMin(a *Array, axis int, o ScanOptions) *Array {
	present("CumMin", a)
	return scan{op: kernels.CumMin, ScanOptions: o}.apply(a, axis)
}

// LogCumSumExp is ln Σ eᵃ running along axis, without overflow. What it adds to
// the maximum is less than one at each step: integers keep the maximum. Mirrors
// mx.logcumsumexp.
func LogCumSumExp(a *Array, axis int, o ScanOptions) *Array {
	present("LogCumSumExp", a)
	op := kernels.LogCumSumExp
	if kind(a.dtype) < 2 {
		op = kernels.CumMax
	}
	return scan{op: op, ScanOptions: o}.apply(a, axis)
}

func (op scan) apply(a *Array, axis int) *Array {
	op.axis = normAxis(string(op.op), axis, len(a.shape))
	if isWide(a.dtype) {
		return op.doubled(a)
	}
	return apply1(op, a.shape, a.dtype, a)
}

func (op scan) String() string {
	return fmt.Sprintf("%s[%d reverse=%v exclusive=%v]", op.op, op.axis, op.Reverse, op.Exclusive)
}

func (op scan) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Scan(l, op.op, l.Contiguous(in[0]), out[0], op.axis, op.Reverse, op.Exclusive)
}

func (op scan) VJP(c *Cotangents) []*Array {
	x, g := c.In[0], c.Cot[0]
	if x.Size() == 0 {
		return []*Array{g}
	}
	if op.op == kernels.CumSum {
		op.Reverse = !op.Reverse
		return []*Array{apply1(op, g.shape, g.dtype, g)}
	}
	x, g = asFloat32(x), asFloat32(g)
	if op.Exclusive {
		// Output k is the inclusive scan's output k-1.
		op.Exclusive = false
		g = op.pulled(g, ZerosLike(op.last(g)))
	}
	y := apply1(op, x.shape, x.dtype, x)
	back := linearScan{axis: op.axis, reverse: !op.Reverse}
	var dx *Array
	switch op.op {
	case kernels.CumProd:
		// ∂y[i]/∂x[k] is what precedes x[k] times what lies between k and i.
		op.Exclusive, back.before = true, true
		dx = Multiply(apply1(op, x.shape, x.dtype, x), apply1(back, x.shape, x.dtype, x, g))
	case kernels.LogCumSumExp:
		// ∂y[i]/∂x[k] = exp(x[k]-y[k])·exp(y[k]-y[k+1])···exp(y[i-1]-y[i]).
		shrink := expDifference(y, op.pulled(y, op.last(y)))
		dx = Multiply(expDifference(x, y), apply1(back, x.shape, x.dtype, shrink, g))
	default:
		dx = apply1(scatterAxis{op.axis, scatterSum}, x.shape, g.dtype, ZerosLike(x), op.winners(x, y), g)
	}
	return []*Array{AsType(dx, c.In[0].dtype)}
}

// last is the element that the scan reaches last, as an extent of 1.
func (op scan) last(a *Array) *Array {
	if op.Reverse {
		return SliceAxis(a, op.axis, 0, 1)
	}
	return SliceAxis(a, op.axis, a.shape[op.axis]-1, a.shape[op.axis])
}

// pulled is a moved one place against the scan's direction; end takes the last
// place.
func (op scan) pulled(a, end *Array) *Array {
	n := a.shape[op.axis]
	if op.Reverse {
		return Concatenate([]*Array{end, SliceAxis(a, op.axis, 0, n-1)}, op.axis)
	}
	return Concatenate([]*Array{SliceAxis(a, op.axis, 1, n), end}, op.axis)
}

// winners is the place of the element that each y, an inclusive maximum or
// minimum of x, comes from: the latest among equals.
func (op scan) winners(x, y *Array) *Array {
	n := x.shape[op.axis]
	places := alongAxis(Arange(0, float64(n), 1, metal.Int32), op.axis, len(x.shape))
	same := Equal(x, y)
	if op.Reverse {
		return CumMin(Where(same, places, Scalar(float64(n-1), metal.Int32)), op.axis, ScanOptions{Reverse: true})
	}
	return CumMax(Where(same, places, Scalar(0, metal.Int32)), op.axis, ScanOptions{})
}

// expDifference is exp(a-b) for a ≤ b, and 1 where both are -∞.
func expDifference(a, b *Array) *Array {
	return Exp(Where(IsNegInf(b), ZerosLike(a), Subtract(a, b)))
}

// linearScan is y[k] = c[k] + a[k]·y[k-1] along an axis, in float32, for inputs
// a and c; with a[k-1] instead of a[k] if before is set.
type linearScan struct {
	axis            int
	reverse, before bool
}

func (op linearScan) String() string {
	return fmt.Sprintf("LinearScan[%d reverse=%v before=%v]", op.axis, op.reverse, op.before)
}

func (op linearScan) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.LinearScan(l, l.Contiguous(in[0]), l.Contiguous(in[1]), out[0], op.axis, op.reverse, op.before)
}

func (op linearScan) VJP(c *Cotangents) []*Array {
	a, y := c.In[0], c.Out[0]
	gc := apply1(linearScan{op.axis, !op.reverse, !op.before}, y.shape, y.dtype, a, c.Cot[0])
	return []*Array{when(c.Want[0], func() *Array {
		toward := scan{axis: op.axis, ScanOptions: ScanOptions{Reverse: op.reverse}}
		if op.before { // a[k] leads from y[k] to y[k+1]
			return Multiply(y, toward.pulled(gc, ZerosLike(toward.last(gc))))
		}
		toward.Reverse = !op.reverse
		return Multiply(gc, toward.pulled(y, ZerosLike(toward.last(y))))
	}), gc}
}
