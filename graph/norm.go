package graph

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// Norm is a norm of order ord along axes: of vectors for one axis, of matrices
// for two. ord is nil or 2 for the Euclidean norm of vectors, any other number p
// for (Σ|x|ᵖ)^(1/p), 0 for the count of what is not 0, ±Inf for the greatest or
// least |x|. For matrices it is nil or "fro" for Frobenius' norm, ±1 for the
// greatest or least sum of a column, ±Inf for that of a row; the norms that are
// made of singular values are not here. Without axes an array of one or two axes
// is a vector or a matrix, and with nil for ord any array is a vector. Integers
// become float32. Mirrors mx.linalg.norm and mx.matrix_norm.
func Norm(a *Array, ord any, axes []int, keepDims bool) *Array {
	present("Norm", a)
	a = AsType(a, atLeastFloat(a.dtype))
	if ord == nil {
		return L2Norm(a, axes, keepDims)
	}
	if axes == nil {
		check(len(a.shape) <= 2, "Norm", "an order for shape %v without axes, want one or two axes", a.shape)
		axes = make([]int, len(a.shape))
		for i := range axes {
			axes[i] = i
		}
	}
	check(len(axes) == 1 || len(axes) == 2, "Norm", "order %v along %d axes, want one or two", ord, len(axes))
	p, isNumber := number(ord)
	if len(axes) == 1 {
		check(isNumber, "Norm", "order %v of vectors, want a number or nil", ord)
		return vectorNorm(a, p, axes, keepDims)
	}
	if ord == "fro" {
		return L2Norm(a, axes, keepDims)
	}
	check(isNumber && (math.Abs(p) == 1 || math.IsInf(p, 0)), "Norm",
		"order %v of matrices, want nil, fro, 1, -1, Inf or -Inf: other norms need singular values", ord)
	return matrixNorm(a, p, axes, keepDims)
}

// number is a Go number as float64.
func number(v any) (x float64, ok bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case float32:
		return float64(v), true
	}
	return 0, false
}

func vectorNorm(a *Array, p float64, axes []int, keepDims bool) *Array {
	switch {
	case p == 2:
		return L2Norm(a, axes, keepDims)
	case p == 0:
		return Sum(AsType(NotEqual(a, 0), realOf(a.dtype)), axes, keepDims)
	case p == 1:
		return Sum(Abs(a), axes, keepDims)
	case math.IsInf(p, 1):
		return Max(Abs(a), axes, keepDims)
	case math.IsInf(p, -1):
		return Min(Abs(a), axes, keepDims)
	}
	return Power(Sum(Power(Abs(a), p), axes, keepDims), 1/p)
}

// realOf is the dtype of the absolute values of elements of dtype d.
func realOf(d metal.DType) metal.DType {
	if d == metal.Complex64 {
		return metal.Float32
	}
	return d
}

func matrixNorm(a *Array, p float64, axes []int, keepDims bool) *Array {
	n := len(a.shape)
	row, col := normAxis("Norm", axes[0], n), normAxis("Norm", axes[1], n)
	check(row != col, "Norm", "axis %d is repeated in %v", row, axes)
	if math.IsInf(p, 0) {
		row, col = col, row
	}
	most := Max
	if p < 0 {
		most = Min
	}
	out := most(Sum(Abs(a), []int{row}, true), []int{col}, true)
	if keepDims {
		return out
	}
	return Squeeze(out, axes...)
}
