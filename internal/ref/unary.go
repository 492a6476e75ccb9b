package ref

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// unaryExact are functions whose float32 result is the true one.
var unaryExact = map[string]func(x float64) float64{
	"Abs":      math.Abs,
	"Negative": func(x float64) float64 { return -x },
	"Sign": func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return 0
	},
	"Floor": math.Floor,
	"Ceil":  math.Ceil,
	"Round": math.RoundToEven,
}

// unaryArithmetic take a rounding or two.
var unaryArithmetic = map[string]func(x float64) float64{
	"Square":     func(x float64) float64 { return x * x },
	"Sqrt":       math.Sqrt,
	"Rsqrt":      func(x float64) float64 { return 1 / math.Sqrt(x) },
	"Reciprocal": func(x float64) float64 { return 1 / x },
}

var unaryTranscendental = map[string]func(x float64) float64{
	"Exp": math.Exp, "ExpPolynomial": math.Exp, "Expm1": math.Expm1, "Log": math.Log, "Log2": math.Log2, "Log10": math.Log10, "Log1p": math.Log1p,
	"Sigmoid": func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
	"Erf":     math.Erf, "ErfInv": math.Erfinv,
	"Sin": math.Sin, "Cos": math.Cos, "Tan": math.Tan, "ArcSin": math.Asin, "ArcCos": math.Acos, "ArcTan": math.Atan,
	"Sinh": math.Sinh, "Cosh": math.Cosh, "Tanh": math.Tanh, "ArcSinh": math.Asinh, "ArcCosh": math.Acosh, "ArcTanh": math.Atanh,
}

var predicates = map[string]func(x float64) bool{
	"IsNaN":    math.IsNaN,
	"IsInf":    func(x float64) bool { return math.IsInf(x, 0) },
	"IsFinite": func(x float64) bool { return !math.IsInf(x, 0) && !math.IsNaN(x) },
	"IsPosInf": func(x float64) bool { return math.IsInf(x, 1) },
	"IsNegInf": func(x float64) bool { return math.IsInf(x, -1) },
}

// Predicate reports whether op writes bool.
func Predicate(op string) bool { return predicates[op] != nil }

// Unary is op of every element of x, words of dtype dt.
func Unary(op string, dt metal.DType, x []uint64) Result {
	if !dt.IsFloat() {
		return unaryInteger(op, dt, x)
	}
	if f := predicates[op]; f != nil {
		out := Result{Words: make([]uint64, len(x))}
		for i, w := range x {
			out.Words[i] = boolWord(f(Decode(dt, w)))
		}
		return out
	}
	out, f := Result{Class: Exact, Value: make([]float64, len(x))}, unaryExact[op]
	if g := unaryArithmetic[op]; g != nil {
		out.Class, f = Elementwise, g
	}
	if g := unaryTranscendental[op]; g != nil {
		out.Class, f = Transcendental, g
	}
	for i, w := range x {
		out.Value[i] = f(Decode(dt, w))
	}
	if op == "ExpPolynomial" { // the exponent of 2 is rounded, and its error grows with it
		out.Mag = make([]float64, len(x))
		for i, w := range x {
			out.Mag[i] = out.Value[i] * (1 + math.Abs(Decode(dt, w)))
		}
	}
	return out
}

func unaryInteger(op string, dt metal.DType, x []uint64) Result {
	out := Result{Words: make([]uint64, len(x))}
	for i, w := range x {
		v := int64(w)
		if dt.IsSigned() {
			v = SignExtend(dt, w)
		}
		negative := dt.IsSigned() && v < 0
		switch op {
		case "Abs":
			if negative {
				v = -v
			}
		case "Negative":
			v = -v
		case "Sign":
			switch {
			case negative:
				v = -1
			case v != 0:
				v = 1
			}
		case "Square":
			v *= v
		case "BitwiseInvert", "LogicalNot":
			v = ^v
			if dt == metal.Bool {
				v &= 1
			}
		}
		out.Words[i] = uint64(v) & wordMask(dt)
	}
	return out
}

func boolWord(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
