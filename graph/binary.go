package graph

import (
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// binary is an elementwise function of two operands of one shape and dtype.
type binary struct {
	op   kernels.BinaryOp
	rule unaryRule
}

func (op binary) String() string { return string(op.op) }

func (op binary) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Binary(l, op.op, in[0], in[1], out[0])
}

func (op binary) VJP(c *Cotangents) []*Array {
	grads := binaryGrads[op.op]
	if grads == nil {
		return []*Array{nil, nil}
	}
	g := c.Cot[0]
	complex := g.dtype == metal.Complex64
	if complex {
		g = Conj(g)
	}
	ga, gb := grads(c.In[0], c.In[1], c.Out[0], g, c.Want)
	if complex {
		return []*Array{when(ga != nil, func() *Array { return Conj(ga) }), when(gb != nil, func() *Array { return Conj(gb) })}
	}
	return []*Array{ga, gb}
}

// apply promotes and broadcasts the operands.
func (op binary) apply(x, y any) *Array {
	a, b := asArray(op.String(), x), asArray(op.String(), y)
	dt := resultType(a, b)
	if op.rule == toFloat {
		dt = atLeastFloat(dt)
	}
	check(dt != metal.Complex64 || kernels.OfComplex(string(op.op)), op.String(), "not defined for complex64")
	shape := broadcastShapes(op.String(), a.shape, b.shape)
	a, b = BroadcastTo(castScalar(a, dt), shape), BroadcastTo(castScalar(b, dt), shape)
	weak := a.weak && b.weak
	out := dt
	if op.rule == toBool {
		out = metal.Bool
	}
	r := apply1(op, shape, out, a, b)
	r.weak = weak
	return r
}

// resultType promotes two operands, of which either may be a weak scalar.
func resultType(a, b *Array) metal.DType {
	switch {
	case a.weak == b.weak:
		return Promote(a.dtype, b.dtype)
	case a.weak:
		return weakPromote(b.dtype, a.dtype)
	default:
		return weakPromote(a.dtype, b.dtype)
	}
}

// castScalar is AsType that makes a constant of a constant scalar, so that a Go
// number costs no dispatch.
func castScalar(a *Array, dt metal.DType) *Array {
	if a.dtype != dt && a.dtype != metal.Complex64 && a.node == nil && a.data != nil && a.data.host != nil && a.Size() == 1 {
		if dt == metal.Float64 && a.exact != 0 {
			return Scalar(a.exact, dt)
		}
		return FromBytes(encodeScalar(decodeFloats(a.data.host, a.dtype)[0], dt), dt, a.shape...)
	}
	return AsType(a, dt)
}

// when returns f's value if it is wanted.
func when(want bool, f func() *Array) *Array {
	if !want {
		return nil
	}
	return f()
}

// binaryGrads holds the derivatives; functions that are not here are constant
// almost everywhere.
var binaryGrads = map[kernels.BinaryOp]func(a, b, y, g *Array, want []bool) (*Array, *Array){
	kernels.Add: func(a, b, y, g *Array, want []bool) (*Array, *Array) { return g, g },
	kernels.Subtract: func(a, b, y, g *Array, want []bool) (*Array, *Array) {
		return g, when(want[1], func() *Array { return Negative(g) })
	},
	kernels.Multiply: func(a, b, y, g *Array, want []bool) (*Array, *Array) {
		return when(want[0], func() *Array { return Multiply(g, b) }), when(want[1], func() *Array { return Multiply(g, a) })
	},
	kernels.Divide: func(a, b, y, g *Array, want []bool) (*Array, *Array) {
		return when(want[0], func() *Array { return Divide(g, b) }),
			when(want[1], func() *Array { return Negative(Divide(Multiply(g, a), Square(b))) })
	},
	kernels.Remainder: func(a, b, y, g *Array, want []bool) (*Array, *Array) {
		return g, when(want[1], func() *Array { return Negative(Multiply(g, Floor(Divide(a, b)))) })
	},
	kernels.Power: powerGrads,
	kernels.Maximum: func(a, b, y, g *Array, want []bool) (*Array, *Array) {
		m := AsType(Greater(a, b), g.dtype)
		return Multiply(g, m), Multiply(g, AsType(LessEqual(a, b), g.dtype))
	},
	kernels.Minimum: func(a, b, y, g *Array, want []bool) (*Array, *Array) {
		return Multiply(g, AsType(Less(a, b), g.dtype)), Multiply(g, AsType(GreaterEqual(a, b), g.dtype))
	},
	kernels.LogAddExp: func(a, b, y, g *Array, want []bool) (*Array, *Array) {
		if g.dtype == metal.Complex64 { // has no Sigmoid
			return Multiply(g, Exp(Subtract(a, y))), Multiply(g, Exp(Subtract(b, y)))
		}
		s := Sigmoid(Subtract(a, b))
		return Multiply(g, s), Multiply(g, Sigmoid(Subtract(b, a)))
	},
	kernels.ArcTan2: func(a, b, y, g *Array, want []bool) (*Array, *Array) {
		t := Divide(g, Add(Square(a), Square(b)))
		return Multiply(b, t), Negative(Multiply(a, t))
	},
}

// powerGrads follows MLX: the derivative with respect to the exponent is 0
// where the base is 0, and NaN where it is negative.
func powerGrads(a, b, y, g *Array, want []bool) (*Array, *Array) {
	return when(want[0], func() *Array { return Multiply(g, Multiply(b, Power(a, Subtract(b, 1.0)))) }),
		when(want[1], func() *Array {
			return Multiply(g, Where(Equal(a, 0.0), ZerosLike(y), Multiply(Log(a), y)))
		})
}

// Add is a + b. Operands are arrays or Go scalars. Mirrors mx.add.
func Add(a, b any) *Array { return binary{kernels.Add, keepDType}.apply(a, b) }

// Subtract is a - b. Mirrors mx.subtract.
func Subtract(a, b any) *Array { return binary{kernels.Subtract, keepDType}.apply(a, b) }

// Multiply is a·b. Mirrors mx.multiply.
func Multiply(a, b any) *Array { return binary{kernels.Multiply, keepDType}.apply(a, b) }

// Divide is a/b; integers become float32. Mirrors mx.divide.
func Divide(a, b any) *Array { return binary{kernels.Divide, toFloat}.apply(a, b) }

// FloorDivide is ⌊a/b⌋ for floats; integers truncate toward zero, as MLX's do.
// Mirrors mx.floor_divide.
func FloorDivide(a, b any) *Array { return binary{kernels.FloorDivide, keepDType}.apply(a, b) }

// Remainder has the divisor's sign. Mirrors mx.remainder.
func Remainder(a, b any) *Array { return binary{kernels.Remainder, keepDType}.apply(a, b) }

// Power is aᵇ. Mirrors mx.power and mx.pow.
func Power(a, b any) *Array { return binary{kernels.Power, keepDType}.apply(a, b) }

// Maximum is the larger of a and b, NaN if either is. On ties the gradient goes
// to b. Mirrors mx.maximum.
func Maximum(a, b any) *Array { return binary{kernels.Maximum, keepDType}.apply(a, b) }

// Minimum is the smaller of a and b, NaN if either is. On ties the gradient
// goes to b. Mirrors mx.minimum.
func Minimum(a, b any) *Array { return binary{kernels.Minimum, keepDType}.apply(a, b) }

// LogAddExp is ln(eᵃ+eᵇ). Mirrors mx.logaddexp.
func LogAddExp(a, b any) *Array { return binary{kernels.LogAddExp, toFloat}.apply(a, b) }

// ArcTan2 is the angle of the point (b, a). Mirrors mx.arctan2 and mx.atan2.
func ArcTan2(a, b any) *Array { return binary{kernels.ArcTan2, toFloat}.apply(a, b) }

// Equal compares element by element. Mirrors mx.equal.
func Equal(a, b any) *Array { return binary{kernels.Equal, toBool}.apply(a, b) }

// NotEqual compares element by element. Mirrors mx.not_equal.
func NotEqual(a, b any) *Array { return binary{kernels.NotEqual, toBool}.apply(a, b) }

// Less compares element by element. Mirrors mx.less.
func Less(a, b any) *Array { return binary{kernels.Less, toBool}.apply(a, b) }

// LessEqual compares element by element. Mirrors mx.less_equal.
func LessEqual(a, b any) *Array { return binary{kernels.LessEqual, toBool}.apply(a, b) }

// Greater compares element by element. Mirrors mx.greater.
func Greater(a, b any) *Array { return binary{kernels.Greater, toBool}.apply(a, b) }

// GreaterEqual compares element by element. Mirrors mx.greater_equal.
func GreaterEqual(a, b any) *Array { return binary{kernels.GreaterEqual, toBool}.apply(a, b) }

// LogicalAnd is true where both are non-zero. Mirrors mx.logical_and.
func LogicalAnd(a, b any) *Array {
	return binary{kernels.LogicalAnd, toBool}.apply(truth("LogicalAnd", a), truth("LogicalAnd", b))
}

// LogicalOr is true where either is non-zero. Mirrors mx.logical_or.
func LogicalOr(a, b any) *Array {
	return binary{kernels.LogicalOr, toBool}.apply(truth("LogicalOr", a), truth("LogicalOr", b))
}

func truth(op string, v any) *Array { return castScalar(asArray(op, v), metal.Bool) }

// bitwise is op on integers or bool; other dtypes have no bits to speak of.
func bitwise(op kernels.BinaryOp, x, y any) *Array {
	a, b := asArray(string(op), x), asArray(string(op), y)
	check(kind(resultType(a, b)) < 2, string(op), "operands are %s and %s, want integers or bool", a, b)
	return binary{op, keepDType}.apply(a, b)
}

// shift is bitwise with bool as uint8.
func shift(op kernels.BinaryOp, x, y any) *Array {
	a, b := asArray(string(op), x), asArray(string(op), y)
	if resultType(a, b) == metal.Bool {
		a, b = AsType(a, metal.Uint8), AsType(b, metal.Uint8)
	}
	return bitwise(op, a, b)
}

// BitwiseAnd is a & b. Mirrors mx.bitwise_and.
func BitwiseAnd(a, b any) *Array { return bitwise(kernels.BitwiseAnd, a, b) }

// BitwiseOr is a | b. Mirrors mx.bitwise_or.
func BitwiseOr(a, b any) *Array { return bitwise(kernels.BitwiseOr, a, b) }

// BitwiseXor is a ^ b. Mirrors mx.bitwise_xor.
func BitwiseXor(a, b any) *Array { return bitwise(kernels.BitwiseXor, a, b) }

// LeftShift is a << b. Mirrors mx.left_shift and mx.bitwise_left_shift.
func LeftShift(a, b any) *Array { return shift(kernels.LeftShift, a, b) }

// RightShift is a >> b. Mirrors mx.right_shift and mx.bitwise_right_shift.
func RightShift(a, b any) *Array { return shift(kernels.RightShift, a, b) }

// where selects between two arrays.
type where struct{}

// Where is a where cond holds and b elsewhere. Mirrors mx.where.
func Where(cond *Array, x, y any) *Array {
	a, b := asArray("Where", x), asArray("Where", y)
	dt := resultType(a, b)
	cond = AsType(cond, metal.Bool)
	shape := broadcastShapes("Where", cond.shape, a.shape, b.shape)
	return apply1(where{}, shape, dt, BroadcastTo(cond, shape), BroadcastTo(castScalar(a, dt), shape), BroadcastTo(castScalar(b, dt), shape))
}

func (where) String() string { return "Where" }

func (where) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Where(l, in[0], in[1], in[2], out[0])
}

func (where) VJP(c *Cotangents) []*Array {
	g, zero := c.Cot[0], ZerosLike(c.Out[0])
	return []*Array{nil, when(c.Want[1], func() *Array { return Where(c.In[0], g, zero) }), when(c.Want[2], func() *Array { return Where(c.In[0], zero, g) })}
}

// Clip limits a to [lo, hi]; a nil bound is open. Mirrors mx.clip.
func Clip(a *Array, lo, hi any) *Array {
	check(lo != nil || hi != nil, "Clip", "both bounds are missing")
	if lo != nil {
		a = Maximum(a, lo)
	}
	if hi != nil {
		a = Minimum(a, hi)
	}
	return a
}
