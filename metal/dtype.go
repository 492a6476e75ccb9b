package metal

import "fmt"

// DType is the type of an array's elements. The 14 types and their names are
// MLX's (mlx/dtype.h). Mirrors mx.Dtype.
type DType uint8

// The element types. The zero value is Bool, as in MLX's own enumeration.
const (
	Bool      DType = iota // Mirrors mx.bool_.
	Uint8                  // Mirrors mx.uint8.
	Uint16                 // Mirrors mx.uint16.
	Uint32                 // Mirrors mx.uint32.
	Uint64                 // Mirrors mx.uint64.
	Int8                   // Mirrors mx.int8.
	Int16                  // Mirrors mx.int16.
	Int32                  // Mirrors mx.int32.
	Int64                  // Mirrors mx.int64.
	Float16                // Mirrors mx.float16.
	BFloat16               // Mirrors mx.bfloat16.
	Float32                // Mirrors mx.float32.
	Float64                // Mirrors mx.float64.
	Complex64              // Mirrors mx.complex64.
	numDTypes
)

var dtypes = [numDTypes]struct {
	size         int
	name, suffix string
}{
	Bool:      {1, "bool", "bool"},
	Uint8:     {1, "uint8", "u8"},
	Uint16:    {2, "uint16", "u16"},
	Uint32:    {4, "uint32", "u32"},
	Uint64:    {8, "uint64", "u64"},
	Int8:      {1, "int8", "i8"},
	Int16:     {2, "int16", "i16"},
	Int32:     {4, "int32", "i32"},
	Int64:     {8, "int64", "i64"},
	Float16:   {2, "float16", "f16"},
	BFloat16:  {2, "bfloat16", "bf16"},
	Float32:   {4, "float32", "f32"},
	Float64:   {8, "float64", "f64"},
	Complex64: {8, "complex64", "c64"},
}

// DTypes lists every element type in order.
func DTypes() []DType {
	all := make([]DType, numDTypes)
	for i := range all {
		all[i] = DType(i)
	}
	return all
}

// Size is the width of one element in bytes. Mirrors array.itemsize.
func (d DType) Size() int { return dtypes[d].size }

// String is MLX's name of the type, such as "float32".
func (d DType) String() string {
	if d >= numDTypes {
		return fmt.Sprintf("DType(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Suffix is the short form used in kernel names, such as "f32".
func (d DType) Suffix() string { return dtypes[d].suffix }

// IsFloat reports whether d is a real floating-point type.
func (d DType) IsFloat() bool { return d >= Float16 && d <= Float64 }

// IsSigned reports whether d is a signed integer type.
func (d DType) IsSigned() bool { return d >= Int8 && d <= Int64 }

// IsUnsigned reports whether d is an unsigned integer type (bool is not one).
func (d DType) IsUnsigned() bool { return d >= Uint8 && d <= Uint64 }

// IsInteger reports whether d is a signed or unsigned integer type.
func (d DType) IsInteger() bool { return d >= Uint8 && d <= Int64 }

// ParseDType returns the type with MLX's name s ("bfloat16"; "bool_" is
// accepted for "bool", as Python spells it).
func ParseDType(s string) (DType, error) {
	if s == "bool_" {
		return Bool, nil
	}
	for d, t := range dtypes {
		if t.name == s {
			return DType(d), nil
		}
	}
	return 0, fmt.Errorf("metal: unknown dtype %q", s)
}
