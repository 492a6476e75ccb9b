package graph

import (
	"math"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Folds, orders and exponentials of 8-byte numbers, float64 and complex64, are
// made of elementwise functions: few programs need them, and none of them often.

// isWide reports whether d is float64 or complex64.
func isWide(d metal.DType) bool { return d == metal.Float64 || d == metal.Complex64 }

// orderKey is uint64 numbers in the order of the elements of a, which are wide:
// the smallest for the lowest. Complex numbers are ordered by their real parts,
// equal ones by their imaginary parts.
func orderKey(a *Array) *Array {
	a = StopGradient(a)
	if a.dtype == metal.Float64 {
		return floatKey(a, metal.Uint64)
	}
	half := func(part *Array) *Array { return AsType(floatKey(part, metal.Uint32), metal.Uint64) }
	return BitwiseOr(LeftShift(half(Real(a)), 32), half(Imag(a)))
}

// floatKey is the bits of the floats of a as unsigned integers of the same size
// and order; 0 and -0 are equal, NaN is the largest.
func floatKey(a *Array, dt metal.DType) *Array {
	bits, top := View(Add(a, 0.0), dt), word(1<<(8*dt.Size()-1), dt)
	key := Where(Less(bits, top), BitwiseOr(bits, top), BitwiseInvert(bits))
	return Where(IsNaN(a), word(math.MaxUint64>>(64-8*dt.Size()), dt), key)
}

// word is an unsigned integer as an array without axes.
func word(v uint64, dt metal.DType) *Array {
	return AsType(Reshape(FromSlice([]uint64{v}), []int{}...), dt)
}

// extremeKey is orderKey for the search of the largest or the smallest element,
// which passes over NaN.
func extremeKey(op kernels.ReduceOp, a *Array) *Array {
	key := orderKey(a)
	if op == kernels.ArgMax {
		return Where(IsNaN(a), word(0, metal.Uint64), key)
	}
	return key
}

// wideFold is a scan's function of two elements, and the value that changes none.
type wideFold struct {
	join func(a, b any) *Array
	none float64
}

var wideFolds = map[kernels.ScanOp]wideFold{
	kernels.CumSum: {Add, 0}, kernels.CumProd: {Multiply, 1}, kernels.CumMax: {Maximum, math.Inf(-1)}, kernels.CumMin: {Minimum, math.Inf(1)},
	kernels.LogCumSumExp: {LogAddExp, math.Inf(-1)},
}

// doubled is the scan of wide elements: after round r each holds the fold of the
// 2^r elements up to it.
func (op scan) doubled(a *Array) *Array {
	n, f := a.shape[op.axis], wideFolds[op.op]
	if n == 0 {
		return a
	}
	none := Scalar(f.none, a.dtype)
	if a.dtype == metal.Complex64 && (op.op == kernels.CumMax || op.op == kernels.CumMin) {
		none = Complex(f.none, f.none)
	}
	back := func(k int) *Array { // k places later
		edge := append([]int{}, a.shape...)
		edge[op.axis] = k
		if op.Reverse {
			return Concatenate([]*Array{SliceAxis(a, op.axis, k, n), BroadcastTo(none, edge)}, op.axis)
		}
		return Concatenate([]*Array{BroadcastTo(none, edge), SliceAxis(a, op.axis, 0, n-k)}, op.axis)
	}
	if op.Exclusive {
		a = back(1)
	}
	for k := 1; k < n; k *= 2 {
		a = f.join(back(k), a)
	}
	return a
}

// wideSoftmax is Softmax of wide numbers.
func wideSoftmax(a *Array, axes []int) *Array {
	e := Exp(Subtract(a, StopGradient(Max(a, axes, true))))
	return Divide(e, Sum(e, axes, true))
}

// wideLogSumExp is LogSumExp of wide numbers.
func wideLogSumExp(a *Array, axes []int, keepDims bool) *Array {
	top := StopGradient(Max(a, axes, true))
	top = Where(IsFinite(top), top, ZerosLike(top))
	r := Add(Log(Sum(Exp(Subtract(a, top)), axes, true)), top)
	return foldOf("LogSumExp", a.shape, axes).shaped(r, keepDims)
}
