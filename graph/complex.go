package graph

import (
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Gradients of complex arrays follow MLX: the cotangent of x is that of its real
// part plus i times that of its imaginary part. A function with a complex
// derivative d pulls g back to conj(d)·g, which is conj(d·conj(g)). MLX 0.32.2
// leaves the conjugate out for sqrt, rsqrt and power; here it is never left out.

// hasGradient reports whether arrays of dtype d have gradients.
func hasGradient(d metal.DType) bool { return d.IsFloat() || d == metal.Complex64 }

// conjugated turns the pull-back of a function of real numbers, d·g, into that
// of complex ones.
func conjugated(g *Array, pull func(g *Array) *Array) *Array {
	if g.dtype != metal.Complex64 {
		return pull(g)
	}
	return Conj(pull(Conj(g)))
}

// Real is the real part of a: float32 for complex64, a itself for other dtypes.
// Mirrors mx.real.
func Real(a *Array) *Array {
	present("Real", a)
	if a.dtype != metal.Complex64 {
		return a
	}
	return unary{kernels.Real, keepDType}.apply(a)
}

// Imag is the imaginary part of a: float32 for complex64, zeros for other
// dtypes. Mirrors mx.imag.
func Imag(a *Array) *Array {
	present("Imag", a)
	if a.dtype != metal.Complex64 {
		return ZerosLike(a)
	}
	return unary{kernels.Imag, keepDType}.apply(a)
}

// Conj changes the sign of the imaginary part; arrays of other dtypes than
// complex64 stay. Mirrors mx.conj and mx.conjugate.
func Conj(a *Array) *Array {
	present("Conj", a)
	if a.dtype != metal.Complex64 {
		return a
	}
	return unary{kernels.Conjugate, keepDType}.apply(a)
}

// complexUnaryGrads pull back what has no complex derivative.
var complexUnaryGrads = map[kernels.UnaryOp]func(x, y, g *Array) *Array{
	kernels.Abs:       func(x, y, g *Array) *Array { return Multiply(x, Divide(g, Where(Equal(y, 0.0), OnesLike(y), y))) },
	kernels.Real:      func(x, y, g *Array) *Array { return AsType(g, metal.Complex64) },
	kernels.Imag:      func(x, y, g *Array) *Array { return Complex(ZerosLike(g), g) },
	kernels.Conjugate: func(x, y, g *Array) *Array { return Conj(g) },
}

// complexOf joins a real and an imaginary part.
type complexOf struct{}

// Complex is re + i·im as complex64. The parts are real arrays or Go numbers,
// converted to float32, that broadcast together.
func Complex(re, im any) *Array {
	a, b := asArray("Complex", re), asArray("Complex", im)
	check(kind(a.dtype) < 3 && kind(b.dtype) < 3, "Complex", "parts are %v and %v, want real numbers", a, b)
	shape := broadcastShapes("Complex", a.shape, b.shape)
	return apply1(complexOf{}, shape, metal.Complex64, BroadcastTo(castScalar(a, metal.Float32), shape), BroadcastTo(castScalar(b, metal.Float32), shape))
}

func (complexOf) String() string { return "Complex" }

func (complexOf) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Complex(l, in[0], in[1], out[0])
}

func (complexOf) VJP(c *Cotangents) []*Array { return []*Array{Real(c.Cot[0]), Imag(c.Cot[0])} }

func (op complexOf) VMap(b *Batch) []*Array { return b.all(op) }

// byParts applies a linear function of real arrays to the parts of a.
func byParts(a *Array, f func(part *Array) *Array) *Array { return Complex(f(Real(a)), f(Imag(a))) }

// complexMatmul is the product of complex matrices, by their parts.
func complexMatmul(a, b *Array) *Array {
	a, b = AsType(a, metal.Complex64), AsType(b, metal.Complex64)
	ar, ai, br, bi := Real(a), Imag(a), Real(b), Imag(b)
	return Complex(Subtract(Matmul(ar, br), Matmul(ai, bi)), Add(Matmul(ar, bi), Matmul(ai, br)))
}
