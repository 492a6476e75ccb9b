package ref

import (
	"math"
	"math/cmplx"
)

// complexFunctions are functions of one complex number; those of arithmetic
// alone come first.
var complexFunctions = map[string]func(z complex128) complex128{
	"Negative":   func(z complex128) complex128 { return -z },
	"Conjugate":  cmplx.Conj,
	"Square":     func(z complex128) complex128 { return z * z },
	"Reciprocal": func(z complex128) complex128 { return 1 / z },
	"Sqrt":       cmplx.Sqrt,
	"Rsqrt":      func(z complex128) complex128 { return 1 / cmplx.Sqrt(z) },
	"Sign": func(z complex128) complex128 {
		if z == 0 {
			return z
		}
		return z / complex(cmplx.Abs(z), 0)
	},
	"Round": func(z complex128) complex128 { return complex(math.RoundToEven(real(z)), math.RoundToEven(imag(z))) },
	"Exp":   cmplx.Exp, "Log": cmplx.Log, "Log10": cmplx.Log10,
	"Log2":  func(z complex128) complex128 { return cmplx.Log(z) / math.Ln2 },
	"Log1p": func(z complex128) complex128 { return cmplx.Log(1 + z) },
	"Sin":   cmplx.Sin, "Cos": cmplx.Cos, "Tan": cmplx.Tan, "ArcSin": cmplx.Asin, "ArcCos": cmplx.Acos, "ArcTan": cmplx.Atan,
	"Sinh": cmplx.Sinh, "Cosh": cmplx.Cosh, "Tanh": cmplx.Tanh, "ArcSinh": cmplx.Asinh, "ArcCosh": cmplx.Acosh, "ArcTanh": cmplx.Atanh,
}

// ComplexUnary is op of every element of x, as real and imaginary parts side by
// side.
func ComplexUnary(op string, x []complex128) Result {
	f := complexFunctions[op]
	out := Result{Class: Matmul}
	for _, z := range x {
		v := f(z)
		mag := 1 + cmplx.Abs(v) // sums inside may cancel
		switch op {
		case "Exp", "Sin", "Cos", "Sinh", "Cosh":
			mag = math.Exp(cmplx.Abs(z))
		case "Tan", "Tanh": // steep near the poles
			mag = (1 + cmplx.Abs(v*v)) * (1 + cmplx.Abs(z))
		case "Reciprocal", "Rsqrt":
			mag = cmplx.Abs(v)
		}
		out.addComplex(v, mag)
	}
	return out
}

// addComplex appends the parts of a value.
func (r *Result) addComplex(v complex128, mag float64) {
	r.Value = append(r.Value, real(v), imag(v))
	r.Mag = append(r.Mag, mag, mag)
}

// ComplexPart is |z|, the real or the imaginary part of every element.
func ComplexPart(op string, x []complex128) Result {
	out := Result{Class: Transcendental}
	for _, z := range x {
		v := cmplx.Abs(z)
		switch op {
		case "Real":
			v = real(z)
		case "Imag":
			v = imag(z)
		}
		out.Value = append(out.Value, v)
	}
	return out
}

// ComplexPredicate is IsNaN, IsInf or IsFinite of every element.
func ComplexPredicate(op string, x []complex128) Result {
	out := Result{Words: []uint64{}}
	for _, z := range x {
		nan, inf := math.IsNaN(real(z)) || math.IsNaN(imag(z)), math.IsInf(real(z), 0) || math.IsInf(imag(z), 0)
		out.Words = append(out.Words, boolWord(op == "IsNaN" && nan || op == "IsInf" && inf || op == "IsFinite" && !nan && !inf))
	}
	return out
}

// ComplexBinary is op of the elements of a and b.
func ComplexBinary(op string, a, b []complex128) Result {
	if f := comparisons[op]; f != nil {
		out := Result{Words: make([]uint64, len(a))}
		for i := range a {
			out.Words[i] = boolWord(f(complexOrder(a[i], b[i])))
		}
		return out
	}
	out := Result{Class: Matmul}
	for i := range a {
		v := complexOf(op, a[i], b[i])
		mag := cmplx.Abs(v)
		switch op {
		case "Add", "Subtract", "LogAddExp":
			mag += cmplx.Abs(a[i]) + cmplx.Abs(b[i])
		case "Power":
			mag *= 1 + cmplx.Abs(b[i])*(1+cmplx.Abs(cmplx.Log(a[i])))
		}
		out.addComplex(v, mag)
	}
	return out
}

// complexOrder is that of the real parts, then of the imaginary ones.
func complexOrder(a, b complex128) int {
	switch {
	case real(a) < real(b), real(a) == real(b) && imag(a) < imag(b):
		return -1
	case a == b:
		return 0
	case real(a) > real(b), real(a) == real(b) && imag(a) > imag(b):
		return 1
	}
	return 2
}

func complexOf(op string, a, b complex128) complex128 {
	switch op {
	case "Add":
		return a + b
	case "Subtract":
		return a - b
	case "Multiply":
		return a * b
	case "Divide":
		return a / b
	case "Power":
		return cmplx.Pow(a, b)
	case "Maximum":
		if complexOrder(a, b) > 0 {
			return a
		}
		return b
	case "Minimum":
		if complexOrder(a, b) < 0 {
			return a
		}
		return b
	}
	return cmplx.Log(cmplx.Exp(a) + cmplx.Exp(b))
}

// ComplexReduce folds the middle axis of x, [outer, n, inner].
func ComplexReduce(op string, x []complex128, outer, n, inner int) Result {
	out := Result{Class: Reduction}
	for o := range outer {
		for i := range inner {
			var v complex128
			mag := 0.0
			if op == "Prod" {
				v = 1
			}
			for k := range n {
				z := x[(o*n+k)*inner+i]
				mag += cmplx.Abs(z)
				switch {
				case op == "Sum":
					v += z
				case op == "Prod":
					v *= z
				case k == 0:
					v = z
				default:
					v = complexOf(op+"imum", v, z) // Max, Min
				}
			}
			if op == "Prod" {
				mag = float64(n) * cmplx.Abs(v)
			}
			out.addComplex(v, mag)
		}
	}
	return out
}
