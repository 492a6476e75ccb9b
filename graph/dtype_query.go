package graph

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// Constants of mathematics.
const (
	Pi         = math.Pi                               // Mirrors mx.pi.
	E          = math.E                                // Mirrors mx.e.
	EulerGamma = 0.57721566490153286060651209008240243 // Euler's γ. Mirrors mx.euler_gamma.
)

// Values that a Go constant cannot have.
var (
	Inf = math.Inf(1) // Mirrors mx.inf.
	NaN = math.NaN()  // Mirrors mx.nan.
)

// DTypeCategory is a group of dtypes in MLX's hierarchy. Mirrors
// mx.DtypeCategory.
type DTypeCategory uint8

// The categories. Generic has all dtypes; bool is in no other. Number has the
// integers and Inexact; Inexact the floats and the complex numbers.
const (
	Generic         DTypeCategory = iota // Mirrors mx.generic.
	Number                               // Mirrors mx.number.
	Integer                              // Mirrors mx.integer.
	SignedInteger                        // Mirrors mx.signedinteger.
	UnsignedInteger                      // Mirrors mx.unsignedinteger.
	Inexact                              // Mirrors mx.inexact.
	Floating                             // Mirrors mx.floating.
	ComplexFloating                      // Mirrors mx.complexfloating.
)

// parents is the category that each one lies in.
var parents = [...]DTypeCategory{
	Generic: Generic, Number: Generic, Integer: Number, SignedInteger: Integer, UnsignedInteger: Integer,
	Inexact: Number, Floating: Inexact, ComplexFloating: Inexact,
}

// String is MLX's name of the category.
func (c DTypeCategory) String() string {
	names := [...]string{"generic", "number", "integer", "signedinteger", "unsignedinteger", "inexact", "floating", "complexfloating"}
	if int(c) < len(names) {
		return names[c]
	}
	return "unknown"
}

// categoryOf is the smallest category that has d.
func categoryOf(d metal.DType) DTypeCategory {
	switch {
	case d == metal.Bool:
		return Generic
	case d.IsFloat():
		return Floating
	case d == metal.Complex64:
		return ComplexFloating
	case d.IsSigned():
		return SignedInteger
	}
	return UnsignedInteger
}

// IsSubDType reports whether a lies in b: a dtype in itself and in the
// categories above it, a category in itself and those above. Mirrors
// mx.issubdtype.
func IsSubDType[A, B metal.DType | DTypeCategory](a A, b B) bool {
	wanted, isCategory := any(b).(DTypeCategory)
	if !isCategory {
		return any(a) == any(b)
	}
	at, ok := any(a).(DTypeCategory)
	if d, isType := any(a).(metal.DType); isType {
		checkShape("IsSubDType", nil, d)
		at = categoryOf(d)
	} else {
		check(ok && int(at) < len(parents), "IsSubDType", "%d is not a category", at)
	}
	for at != wanted && at != Generic {
		at = parents[at]
	}
	return at == wanted
}

// IsDType reports whether d is of one of the kinds "bool", "signed integer",
// "unsigned integer", "integral", "real floating", "complex floating" and
// "numeric". Mirrors mx.isdtype.
func IsDType(d metal.DType, kinds ...string) bool {
	checkShape("IsDType", nil, d)
	is := map[string]bool{
		"bool": d == metal.Bool, "signed integer": categoryOf(d) == SignedInteger, "unsigned integer": categoryOf(d) == UnsignedInteger,
		"integral": d.IsInteger(), "real floating": d.IsFloat(), "complex floating": d == metal.Complex64, "numeric": d != metal.Bool,
	}
	for _, k := range kinds {
		_, known := is[k]
		check(known, "IsDType", "kind %q, want bool, signed integer, unsigned integer, integral, real floating, complex floating or numeric", k)
	}
	return slices.ContainsFunc(kinds, func(k string) bool { return is[k] })
}

// CanCast reports whether promoting the two dtypes gives to. Mirrors
// mx.can_cast.
func CanCast(from, to metal.DType) bool { return ResultType(from, to) == to }

// ResultType is the dtype of combining operands, each an array or a dtype.
// Mirrors mx.result_type.
func ResultType(operands ...any) metal.DType {
	check(len(operands) > 0, "ResultType", "no array and no dtype")
	var all metal.DType
	for i, o := range operands {
		var d metal.DType
		switch o := o.(type) {
		case metal.DType:
			checkShape("ResultType", nil, o)
			d = o
		case *Array:
			present("ResultType", o)
			d = o.dtype
		default:
			fail("ResultType", "operand %d is a %T, want an array or a dtype", i, o)
		}
		if i == 0 {
			all = d
		}
		all = Promote(all, d)
	}
	return all
}

// FloatInfo describes a floating-point dtype.
type FloatInfo struct {
	DType          metal.DType
	Bits           int     // of one number
	Eps            float64 // from 1 to the next number
	Min, Max       float64 // the finite ends
	SmallestNormal float64 // above 0
}

// FInfo describes a floating-point dtype, or that of the parts of complex64.
// Mirrors mx.finfo.
func FInfo(d metal.DType) FloatInfo {
	checkShape("FInfo", nil, d)
	info := FloatInfo{DType: d, Bits: 8 * d.Size()}
	fraction, least := 0, -126
	switch d {
	case metal.Complex64:
		return FInfo(metal.Float32)
	case metal.Float16:
		fraction, least, info.Max = 10, -14, 65504
	case metal.BFloat16:
		fraction, info.Max = 7, 0x1.FEp127
	case metal.Float32:
		fraction, info.Max = 23, math.MaxFloat32
	case metal.Float64:
		fraction, least, info.Max = 52, -1022, math.MaxFloat64
	default:
		fail("FInfo", "dtype %s, want a floating-point dtype", d)
	}
	info.Min, info.Eps, info.SmallestNormal = -info.Max, math.Ldexp(1, -fraction), math.Ldexp(1, least)
	return info
}

// IntInfo describes an integer dtype.
type IntInfo struct {
	DType metal.DType
	Min   int64
	Max   uint64
}

// IInfo describes an integer dtype. Mirrors mx.iinfo.
func IInfo(d metal.DType) IntInfo {
	checkShape("IInfo", nil, d)
	check(d.IsInteger(), "IInfo", "dtype %s, want an integer dtype", d)
	bits := 8 * d.Size()
	if d.IsSigned() {
		return IntInfo{d, -1 << (bits - 1), 1<<(bits-1) - 1}
	}
	return IntInfo{d, 0, math.MaxUint64 >> (64 - bits)}
}
