package ref

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/ftmetal/ftmetal/metal"
)

// Binary is op of the elements of a and b, words of dtype dt.
func Binary(op string, dt metal.DType, a, b []uint64) Result {
	if f := comparisons[op]; f != nil && dt != metal.Bool {
		out := Result{Words: make([]uint64, len(a))}
		for i := range a {
			out.Words[i] = boolWord(f(compareWords(dt, a[i], b[i])))
		}
		return out
	}
	switch {
	case dt == metal.Bool:
		return binaryBool(op, a, b)
	case dt.IsFloat():
		return binaryFloat(op, dt, a, b)
	}
	out := Result{Words: make([]uint64, len(a))}
	for i := range a {
		out.Words[i] = integer(op, dt, a[i], b[i]) & wordMask(dt)
	}
	return out
}

// comparisons are told by the order of the operands: -1, 0, 1, or 2 where there
// is none.
var comparisons = map[string]func(order int) bool{
	"Equal":        func(o int) bool { return o == 0 },
	"NotEqual":     func(o int) bool { return o != 0 },
	"Less":         func(o int) bool { return o == -1 },
	"LessEqual":    func(o int) bool { return o == -1 || o == 0 },
	"Greater":      func(o int) bool { return o == 1 },
	"GreaterEqual": func(o int) bool { return o == 1 || o == 0 },
}

func compareWords(dt metal.DType, a, b uint64) int {
	var less, more bool
	switch {
	case dt.IsFloat():
		x, y := Decode(dt, a), Decode(dt, b)
		if math.IsNaN(x) || math.IsNaN(y) {
			return 2
		}
		less, more = x < y, x > y
	case dt.IsSigned():
		less, more = SignExtend(dt, a) < SignExtend(dt, b), SignExtend(dt, a) > SignExtend(dt, b)
	default:
		less, more = a < b, a > b
	}
	switch {
	case less:
		return -1
	case more:
		return 1
	}
	return 0
}

// binaryFloat computes in float64, but for what float32 defines: the quotient
// that FloorDivide cuts off.
func binaryFloat(op string, dt metal.DType, a, b []uint64) Result {
	out := Result{Class: Elementwise, Value: make([]float64, len(a)), Mag: make([]float64, len(a))}
	switch op {
	case "Maximum", "Minimum", "FloorDivide":
		out.Class = Exact
	case "Power", "LogAddExp", "ArcTan2":
		out.Class = Transcendental
	}
	for i := range a {
		x, y := Decode(dt, a[i]), Decode(dt, b[i])
		v := float(op, x, y)
		out.Value[i], out.Mag[i] = v, math.Abs(v)
		if op == "LogAddExp" {
			out.Mag[i] += math.Max(math.Abs(x), math.Abs(y)) // the parts of the sum may cancel
		}
		if op == "Remainder" {
			out.Mag[i] = math.Abs(y) // of which a part may be taken away
		}
	}
	return out
}

func float(op string, x, y float64) float64 {
	switch op {
	case "Add":
		return x + y
	case "Subtract":
		return x - y
	case "Multiply":
		return x * y
	case "Divide":
		return x / y
	case "FloorDivide":
		return math.Floor(float64(float32(x / y)))
	case "Remainder":
		r := math.Mod(x, y)
		if r != 0 && (r < 0) != (y < 0) {
			r += y
		}
		return r
	case "Power":
		return math.Pow(x, y)
	case "Maximum":
		if math.IsNaN(x) || x > y {
			return x
		}
		return y
	case "Minimum":
		if math.IsNaN(x) || x < y {
			return x
		}
		return y
	case "LogAddExp":
		return logAddExp(x, y)
	}
	return math.Atan2(x, y)
}

func logAddExp(x, y float64) float64 {
	hi, lo := math.Max(x, y), math.Min(x, y)
	if math.IsInf(lo, -1) || math.IsInf(hi, 1) || math.IsNaN(hi) {
		return hi
	}
	return hi + math.Log1p(math.Exp(lo-hi))
}

func binaryBool(op string, a, b []uint64) Result {
	out := Result{Words: make([]uint64, len(a))}
	for i := range a {
		x, y := a[i] != 0, b[i] != 0
		r := x || y
		switch op {
		case "Multiply", "Minimum", "LogicalAnd", "BitwiseAnd", "FloorDivide":
			r = x && y
		case "Subtract", "BitwiseXor", "NotEqual":
			r = x != y
		case "Equal":
			r = x == y
		case "Less":
			r = y && !x
		case "LessEqual":
			r = y || !x
		case "Greater":
			r = x && !y
		case "GreaterEqual", "Power":
			r = x || !y
		case "Remainder":
			r = false
		}
		out.Words[i] = boolWord(r)
	}
	return out
}

// integer computes in two's complement, wrapping. Division by zero gives zero;
// FloorDivide truncates toward zero, as MLX does; Remainder has the divisor's
// sign; a negative exponent gives the truncated quotient, zero for base zero.
func integer(op string, dt metal.DType, a, b uint64) uint64 {
	signed := dt.IsSigned()
	x, y := int64(a), int64(b)
	if signed {
		x, y = SignExtend(dt, a), SignExtend(dt, b)
	}
	switch op {
	case "Add":
		return a + b
	case "Subtract":
		return a - b
	case "Multiply":
		return a * b
	case "BitwiseAnd":
		return a & b
	case "BitwiseOr":
		return a | b
	case "BitwiseXor":
		return a ^ b
	case "LeftShift":
		return a << b
	case "RightShift":
		if signed {
			return uint64(x >> b)
		}
		return a >> b
	case "Maximum":
		if compareWords(dt, a, b) > 0 {
			return a
		}
		return b
	case "Minimum":
		if compareWords(dt, a, b) < 0 {
			return a
		}
		return b
	case "Power":
		return power(uint64(x), y, signed)
	}
	switch {
	case b == 0:
		return 0
	case signed && y == -1:
		if op == "FloorDivide" {
			return uint64(-x)
		}
		return 0
	case signed && op == "FloorDivide":
		return uint64(x / y)
	case signed:
		r := x % y
		if r != 0 && (r < 0) != (y < 0) {
			r += y
		}
		return uint64(r)
	}
	quotient, rest := bits.Div64(0, a, b)
	if op == "FloorDivide" {
		return quotient
	}
	return rest
}

func power(base uint64, exponent int64, signed bool) uint64 {
	if signed && exponent < 0 {
		switch {
		case base == 1, base == math.MaxUint64 && exponent%2 == 0:
			return 1
		case base == math.MaxUint64:
			return base
		}
		return 0
	}
	e := new(big.Int).SetUint64(uint64(exponent))
	return e.Exp(new(big.Int).SetUint64(base), e, new(big.Int).Lsh(big.NewInt(1), 64)).Uint64()
}

// Where is a where c is not zero and b elsewhere.
func Where(c, a, b []uint64) Result {
	out := Result{Words: make([]uint64, len(a))}
	for i := range a {
		out.Words[i] = b[i]
		if c[i] != 0 {
			out.Words[i] = a[i]
		}
	}
	return out
}
