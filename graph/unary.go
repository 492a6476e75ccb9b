package graph

import (
	"math"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// unaryRule is how an elementwise function treats dtypes.
type unaryRule int

const (
	keepDType unaryRule = iota // any dtype, same out
	toFloat                    // integers and bool become float32
	toBool                     // a predicate
)

// unary is an elementwise function of one operand.
type unary struct {
	op   kernels.UnaryOp
	rule unaryRule
}

func (op unary) String() string { return string(op.op) }

func (op unary) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Unary(l, op.op, in[0], out[0])
}

func (op unary) VJP(c *Cotangents) []*Array {
	x, y, g := c.In[0], c.Out[0], c.Cot[0]
	if pull := complexUnaryGrads[op.op]; pull != nil && x.dtype == metal.Complex64 {
		return []*Array{pull(x, y, g)}
	}
	grad := unaryGrads[op.op]
	if grad == nil {
		return []*Array{nil}
	}
	return []*Array{conjugated(g, func(g *Array) *Array { return grad(x, y, g) })}
}

func (op unary) apply(v any) *Array {
	a := asArray(op.String(), v)
	dt := a.dtype
	switch op.rule {
	case toFloat:
		dt = atLeastFloat(dt)
		a = AsType(a, dt)
	case toBool:
		dt = metal.Bool
	}
	if a.dtype == metal.Complex64 {
		check(kernels.OfComplex(string(op.op)), op.String(), "not defined for complex64")
		if op.op == kernels.Abs || op.op == kernels.Real || op.op == kernels.Imag {
			dt = metal.Float32
		}
	}
	return apply1(op, a.shape, dt, a)
}

// unaryGrads holds the derivatives; functions that are not here have none or
// are constant almost everywhere.
var unaryGrads = map[kernels.UnaryOp]func(x, y, g *Array) *Array{
	kernels.Abs:           func(x, y, g *Array) *Array { return Multiply(g, Sign(x)) },
	kernels.Negative:      func(x, y, g *Array) *Array { return Negative(g) },
	kernels.Square:        func(x, y, g *Array) *Array { return Multiply(g, Multiply(2.0, x)) },
	kernels.Sqrt:          func(x, y, g *Array) *Array { return Divide(Multiply(g, 0.5), y) },
	kernels.Rsqrt:         func(x, y, g *Array) *Array { return Multiply(Multiply(g, -0.5), Divide(y, x)) },
	kernels.Reciprocal:    func(x, y, g *Array) *Array { return Negative(Multiply(g, Square(y))) },
	kernels.Exp:           func(x, y, g *Array) *Array { return Multiply(g, y) },
	kernels.ExpPolynomial: func(x, y, g *Array) *Array { return Multiply(g, y) },
	kernels.Expm1:         func(x, y, g *Array) *Array { return Multiply(g, Add(y, 1.0)) },
	kernels.Log:           func(x, y, g *Array) *Array { return Divide(g, x) },
	kernels.Log2:          func(x, y, g *Array) *Array { return Divide(g, Multiply(x, math.Ln2)) },
	kernels.Log10:         func(x, y, g *Array) *Array { return Divide(g, Multiply(x, math.Ln10)) },
	kernels.Log1p:         func(x, y, g *Array) *Array { return Divide(g, Add(x, 1.0)) },
	kernels.Sigmoid:       func(x, y, g *Array) *Array { return Multiply(g, Multiply(y, Subtract(1.0, y))) },
	kernels.Erf: func(x, y, g *Array) *Array {
		return Multiply(g, Multiply(2/math.Sqrt(math.Pi), Exp(Negative(Square(x)))))
	},
	kernels.ErfInv: func(x, y, g *Array) *Array {
		return Multiply(g, Multiply(math.Sqrt(math.Pi)/2, Exp(Square(y))))
	},
	kernels.Sin:     func(x, y, g *Array) *Array { return Multiply(g, Cos(x)) },
	kernels.Cos:     func(x, y, g *Array) *Array { return Negative(Multiply(g, Sin(x))) },
	kernels.Tan:     func(x, y, g *Array) *Array { return Multiply(g, Add(1.0, Square(y))) },
	kernels.ArcSin:  func(x, y, g *Array) *Array { return Multiply(g, Rsqrt(Subtract(1.0, Square(x)))) },
	kernels.ArcCos:  func(x, y, g *Array) *Array { return Negative(Multiply(g, Rsqrt(Subtract(1.0, Square(x))))) },
	kernels.ArcTan:  func(x, y, g *Array) *Array { return Divide(g, Add(1.0, Square(x))) },
	kernels.Sinh:    func(x, y, g *Array) *Array { return Multiply(g, Cosh(x)) },
	kernels.Cosh:    func(x, y, g *Array) *Array { return Multiply(g, Sinh(x)) },
	kernels.Tanh:    func(x, y, g *Array) *Array { return Divide(g, Square(Cosh(x))) }, // 1-y² would cancel
	kernels.ArcSinh: func(x, y, g *Array) *Array { return Multiply(g, Rsqrt(Add(Square(x), 1.0))) },
	kernels.ArcCosh: func(x, y, g *Array) *Array {
		if x.dtype == metal.Complex64 { // the root of the product has another sign on the left
			return Divide(g, Multiply(Sqrt(Add(x, 1.0)), Sqrt(Subtract(x, 1.0))))
		}
		return Multiply(g, Rsqrt(Subtract(Square(x), 1.0)))
	},
	kernels.ArcTanh: func(x, y, g *Array) *Array { return Divide(g, Subtract(1.0, Square(x))) },
}

// Abs is |a|. Mirrors mx.abs.
func Abs(a any) *Array { return unary{kernels.Abs, keepDType}.apply(a) }

// Negative is -a. Mirrors mx.negative; bool is refused, as there.
func Negative(a any) *Array {
	x := asArray("Negative", a)
	check(x.dtype != metal.Bool, "Negative", "not defined for bool; use LogicalNot")
	return unary{kernels.Negative, keepDType}.apply(x)
}

// Sign is -1, 0 or 1; 0 for NaN. Mirrors mx.sign.
func Sign(a any) *Array { return unary{kernels.Sign, keepDType}.apply(a) }

// Square is a². Mirrors mx.square.
func Square(a any) *Array { return unary{kernels.Square, keepDType}.apply(a) }

// Sqrt is the square root. Mirrors mx.sqrt.
func Sqrt(a any) *Array { return unary{kernels.Sqrt, toFloat}.apply(a) }

// Rsqrt is 1/√a. Mirrors mx.rsqrt.
func Rsqrt(a any) *Array { return unary{kernels.Rsqrt, toFloat}.apply(a) }

// Reciprocal is 1/a. Mirrors mx.reciprocal.
func Reciprocal(a any) *Array { return unary{kernels.Reciprocal, toFloat}.apply(a) }

// Exp is eᵃ. Mirrors mx.exp.
func Exp(a any) *Array { return unary{kernels.Exp, toFloat}.apply(a) }

// Expm1 is eᵃ-1, exact near 0. Mirrors mx.expm1.
func Expm1(a any) *Array { return unary{kernels.Expm1, toFloat}.apply(a) }

// Log is the natural logarithm. Mirrors mx.log.
func Log(a any) *Array { return unary{kernels.Log, toFloat}.apply(a) }

// Log2 is the logarithm to base 2. Mirrors mx.log2.
func Log2(a any) *Array { return unary{kernels.Log2, toFloat}.apply(a) }

// Log10 is the logarithm to base 10. Mirrors mx.log10.
func Log10(a any) *Array { return unary{kernels.Log10, toFloat}.apply(a) }

// Log1p is ln(1+a), exact near 0. Mirrors mx.log1p.
func Log1p(a any) *Array { return unary{kernels.Log1p, toFloat}.apply(a) }

// Sigmoid is 1/(1+e⁻ᵃ). Mirrors mx.sigmoid.
func Sigmoid(a any) *Array { return unary{kernels.Sigmoid, toFloat}.apply(a) }

// Erf is the error function. Mirrors mx.erf.
func Erf(a any) *Array { return unary{kernels.Erf, toFloat}.apply(a) }

// ErfInv is the inverse of Erf. Mirrors mx.erfinv.
func ErfInv(a any) *Array { return unary{kernels.ErfInv, toFloat}.apply(a) }

// Sin is the sine. Mirrors mx.sin.
func Sin(a any) *Array { return unary{kernels.Sin, toFloat}.apply(a) }

// Cos is the cosine. Mirrors mx.cos.
func Cos(a any) *Array { return unary{kernels.Cos, toFloat}.apply(a) }

// Tan is the tangent. Mirrors mx.tan.
func Tan(a any) *Array { return unary{kernels.Tan, toFloat}.apply(a) }

// ArcSin is the inverse sine. Mirrors mx.arcsin and mx.asin.
func ArcSin(a any) *Array { return unary{kernels.ArcSin, toFloat}.apply(a) }

// ArcCos is the inverse cosine. Mirrors mx.arccos and mx.acos.
func ArcCos(a any) *Array { return unary{kernels.ArcCos, toFloat}.apply(a) }

// ArcTan is the inverse tangent. Mirrors mx.arctan and mx.atan.
func ArcTan(a any) *Array { return unary{kernels.ArcTan, toFloat}.apply(a) }

// Sinh is the hyperbolic sine. Mirrors mx.sinh.
func Sinh(a any) *Array { return unary{kernels.Sinh, toFloat}.apply(a) }

// Cosh is the hyperbolic cosine. Mirrors mx.cosh.
func Cosh(a any) *Array { return unary{kernels.Cosh, toFloat}.apply(a) }

// Tanh is the hyperbolic tangent. Mirrors mx.tanh.
func Tanh(a any) *Array { return unary{kernels.Tanh, toFloat}.apply(a) }

// ArcSinh is the inverse of Sinh. Mirrors mx.arcsinh and mx.asinh.
func ArcSinh(a any) *Array { return unary{kernels.ArcSinh, toFloat}.apply(a) }

// ArcCosh is the inverse of Cosh. Mirrors mx.arccosh and mx.acosh.
func ArcCosh(a any) *Array { return unary{kernels.ArcCosh, toFloat}.apply(a) }

// ArcTanh is the inverse of Tanh. Mirrors mx.arctanh and mx.atanh.
func ArcTanh(a any) *Array { return unary{kernels.ArcTanh, toFloat}.apply(a) }

// Floor rounds down; integers stay. Mirrors mx.floor.
func Floor(a any) *Array { return unary{kernels.Floor, keepDType}.apply(a) }

// Ceil rounds up; integers stay. Mirrors mx.ceil.
func Ceil(a any) *Array { return unary{kernels.Ceil, keepDType}.apply(a) }

// Round rounds half to even; integers stay. Mirrors mx.round with decimals 0.
func Round(a any) *Array { return unary{kernels.Round, keepDType}.apply(a) }

// LogicalNot is true where a is zero. Mirrors mx.logical_not.
func LogicalNot(a any) *Array {
	return unary{kernels.LogicalNot, toBool}.apply(AsType(asArray("LogicalNot", a), metal.Bool))
}

// BitwiseInvert flips every bit. Mirrors mx.bitwise_invert.
func BitwiseInvert(a any) *Array {
	x := asArray("BitwiseInvert", a)
	check(kind(x.dtype) < 2, "BitwiseInvert", "operand is %s, want integers or bool", x)
	return unary{kernels.BitwiseInvert, keepDType}.apply(x)
}

// IsNaN tells which elements are NaN. Mirrors mx.isnan.
func IsNaN(a any) *Array { return unary{kernels.IsNaN, toBool}.predicate(a) }

// IsInf tells which elements are infinite. Mirrors mx.isinf.
func IsInf(a any) *Array { return unary{kernels.IsInf, toBool}.predicate(a) }

// IsFinite tells which elements are neither NaN nor infinite. Mirrors
// mx.isfinite.
func IsFinite(a any) *Array { return unary{kernels.IsFinite, toBool}.predicate(a) }

// IsPosInf tells which elements are +∞. Mirrors mx.isposinf.
func IsPosInf(a any) *Array { return unary{kernels.IsPosInf, toBool}.predicate(a) }

// IsNegInf tells which elements are -∞. Mirrors mx.isneginf.
func IsNegInf(a any) *Array { return unary{kernels.IsNegInf, toBool}.predicate(a) }

// predicate answers for integers and bool without a kernel: they are finite.
func (op unary) predicate(v any) *Array {
	a := asArray(op.String(), v)
	if a.dtype == metal.Complex64 {
		switch op.op {
		case kernels.IsPosInf:
			return Equal(a, math.Inf(1))
		case kernels.IsNegInf:
			return Equal(a, math.Inf(-1))
		}
	} else if !a.dtype.IsFloat() {
		return Full(a.shape, map[bool]float64{true: 1}[op.op == kernels.IsFinite], metal.Bool)
	}
	return op.apply(a)
}

// Silu is a·sigmoid(a), rounded after each step as MLX's composition is.
// Mirrors nn.silu.
func Silu(a *Array) *Array { return Multiply(a, Sigmoid(a)) }

// Gelu is a·Φ(a). Mirrors nn.gelu.
func Gelu(a *Array) *Array {
	return Divide(Multiply(a, Add(1.0, Erf(Divide(a, math.Sqrt2)))), 2.0)
}

// asType converts the element type.
type asType struct{}

// AsType converts a to dt: floats truncate toward zero to integers, anything
// but zero is true, a complex number loses its imaginary part before. Mirrors
// array.astype and mx.astype.
func AsType(a *Array, dt metal.DType) *Array {
	present("AsType", a)
	if a.dtype == dt {
		return a
	}
	return apply1(asType{}, a.shape, dt, a)
}

func (asType) String() string                              { return "AsType" }
func (asType) Lower(l *Lowering, in, out []kernels.Tensor) { kernels.Copy(l, in[0], out[0]) }
func (asType) VJP(c *Cotangents) []*Array {
	return []*Array{widened(c.Cot[0], c.In[0].dtype)}
}
