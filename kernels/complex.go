package kernels

import (
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// Functions that only complex numbers have.
const (
	Conjugate UnaryOp = "Conjugate"
	Real      UnaryOp = "Real"
	Imag      UnaryOp = "Imag"
)

// The codes of complex.h, in order from complexCodes on.
const complexCodes = 64

var complexOps = []UnaryOp{Conjugate, Real, Imag}

// The functions of complex.metal that unary.h and binary.h name too.
var (
	complexUnary = []UnaryOp{Negative, Sign, Square, Sqrt, Rsqrt, Reciprocal, Exp, Log, Log2, Log10, Log1p, Sin, Cos, Tan, ArcSin, ArcCos,
		ArcTan, Sinh, Cosh, Tanh, ArcSinh, ArcCosh, ArcTanh, Round}
	complexParts      = []UnaryOp{Abs, Real, Imag}
	complexPredicates = []UnaryOp{IsNaN, IsInf, IsFinite}
	complexBinary     = []BinaryOp{Add, Subtract, Multiply, Divide, Power, Maximum, Minimum, LogAddExp}
)

// ComplexUnaryOps lists the functions of one complex number whose values are
// complex.
func ComplexUnaryOps() []UnaryOp { return append(slices.Clone(complexUnary), Conjugate) }

// ComplexBinaryOps lists the functions of two complex numbers whose values are
// complex.
func ComplexBinaryOps() []BinaryOp { return slices.Clone(complexBinary) }

// OfComplex reports whether complex numbers have the function called op.
func OfComplex(op string) bool {
	return slices.Contains(complexUnary, UnaryOp(op)) || slices.Contains(complexParts, UnaryOp(op)) || UnaryOp(op) == Conjugate ||
		slices.Contains(complexPredicates, UnaryOp(op)) || slices.Contains(complexBinary, BinaryOp(op)) || slices.Contains(comparisons, BinaryOp(op))
}

// unaryComplex is Unary of complex64: Abs, Real and Imag write float32,
// predicates bool, all else complex64.
func unaryComplex(e Emitter, op UnaryOp, x, out Tensor) {
	code := slices.Index(unaryOps, op)
	if code < 0 {
		code = complexCodes + slices.Index(complexOps, op)
	}
	kernel := "complex_unary_c64"
	switch {
	case slices.Contains(complexParts, op):
		kernel = "complex_part_c64"
	case slices.Contains(complexPredicates, op):
		kernel = "complex_predicate_c64"
	case op != Conjugate && !slices.Contains(complexUnary, op):
		unsupported(string(op), x.DType)
	}
	emitUnary(e, kernel, code, x, out)
}

// binaryComplex is the kernel of a function of two complex numbers.
func binaryComplex(op BinaryOp) string {
	switch {
	case slices.Contains(comparisons, op):
		return "complex_compare_c64"
	case !slices.Contains(complexBinary, op):
		unsupported(string(op), metal.Complex64)
	}
	return "complex_binary_c64"
}

// Complex writes re + i·im, of float32 with any strides, to out, contiguous
// complex64.
func Complex(e Emitter, re, im, out Tensor) {
	n := out.Size()
	if n == 0 {
		return
	}
	args := newBinaryArgs(out, re, im)
	grid, group := gridFor(n)
	e.Emit(metal.Dispatch{Kernel: "complex_join_f32", In: []metal.View{re.View, im.View}, Out: []metal.View{out.View}, Args: bytesOf(&args), Grid: grid, Group: group})
}
