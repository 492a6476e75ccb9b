package graph

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// Elementwise functions that are made of others, as most of MLX's are.

// Trunc rounds toward zero; integers stay. Mirrors mx.trunc.
func Trunc(a *Array) *Array {
	present("Trunc", a)
	if !a.dtype.IsFloat() {
		return a
	}
	return Where(Less(a, 0.0), Ceil(a), Floor(a))
}

// RoundTo rounds half to even at the given decimal; integers stay integers.
// Mirrors mx.round.
func RoundTo(a *Array, decimals int) *Array {
	present("RoundTo", a)
	whole := kind(a.dtype) < 2
	if decimals == 0 || (decimals > 0 && whole) {
		return Round(a)
	}
	scale := float32(math.Pow(10, float64(decimals)))
	dt := atLeastFloat(a.dtype)
	r := Multiply(Round(Multiply(AsType(a, dt), Scalar(float64(scale), dt))), Scalar(float64(1/scale), dt))
	if !whole {
		return r
	}
	return AsType(AsType(Round(r), metal.Int64), a.dtype) // wraps
}

// Positive is a itself: arrays do not change. Mirrors mx.positive.
func Positive(a any) *Array { return asArray("Positive", a) }

// Degrees turns radians into degrees. Mirrors mx.degrees.
func Degrees(a *Array) *Array {
	present("Degrees", a)
	return Multiply(AsType(a, atLeastFloat(a.dtype)), 180/math.Pi)
}

// Radians turns degrees into radians. Mirrors mx.radians.
func Radians(a *Array) *Array {
	present("Radians", a)
	return Multiply(AsType(a, atLeastFloat(a.dtype)), math.Pi/180)
}

// NanToNum replaces NaN by nan and the infinities by posInf and negInf.
// Mirrors mx.nan_to_num.
func NanToNum(a *Array, nan, posInf, negInf float64) *Array {
	present("NanToNum", a)
	check(a.dtype != metal.Complex64, "NanToNum", "not defined for complex64")
	if !a.dtype.IsFloat() {
		return a
	}
	a = Where(IsNaN(a), nan, a)
	a = Where(IsPosInf(a), posInf, a)
	return Where(IsNegInf(a), negInf, a)
}

// LogicalXor is true where one of both is non-zero. Mirrors mx.logical_xor.
func LogicalXor(a, b any) *Array { return NotEqual(truth("LogicalXor", a), truth("LogicalXor", b)) }

// DivMod is the quotient rounded down and the remainder with the divisor's sign.
// Mirrors mx.divmod.
func DivMod(a, b any) (quotient, remainder *Array) {
	r := Remainder(a, b)
	x := asArray("DivMod", a)
	if r.dtype.IsFloat() {
		return FloorDivide(a, b), r
	}
	return FloorDivide(Subtract(x, r), b), r // exact: no rounding is left to do
}

// IsClose is |a-b| ≤ absTol + relTol·|b|, with infinities equal to themselves
// and NaN to NaN if equalNaN is set. Mirrors mx.isclose.
func IsClose(a, b *Array, relTol, absTol float64, equalNaN bool) *Array {
	near := LessEqual(Abs(Subtract(a, b)), Add(absTol, Multiply(relTol, Abs(b))))
	inf := LogicalOr(IsInf(a), IsInf(b))
	near = LogicalOr(LogicalAnd(near, LogicalNot(inf)), LogicalAnd(inf, Equal(a, b)))
	if equalNaN {
		near = LogicalOr(near, LogicalAnd(IsNaN(a), IsNaN(b)))
	}
	return near
}

// ArrayEqual is whether a and b have the same shape and elements, NaN being
// equal to NaN if equalNaN is set: a bool without axes. Mirrors mx.array_equal.
func ArrayEqual(a, b *Array, equalNaN bool) *Array {
	present("ArrayEqual", a, b)
	if !slices.Equal(a.shape, b.shape) {
		return Scalar(0, metal.Bool)
	}
	same := Equal(a, b)
	if equalNaN {
		same = LogicalOr(same, LogicalAnd(IsNaN(a), IsNaN(b)))
	}
	return All(same, nil, false)
}

// AllClose is whether IsClose holds everywhere: a bool without axes. Mirrors
// mx.allclose.
func AllClose(a, b *Array, relTol, absTol float64, equalNaN bool) *Array {
	return All(IsClose(a, b, relTol, absTol, equalNaN), nil, false)
}
