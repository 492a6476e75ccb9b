package graph

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/ftmetal/ftmetal/internal/half"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Element is a Go type that an array can be made from.
type Element interface {
	bool | uint8 | uint16 | uint32 | uint64 | int8 | int16 | int32 | int64 | float32 | float64 | complex64
}

// FromSlice is an array with a copy of values, in row-major order. Without a
// shape it has one axis. Mirrors mx.array.
func FromSlice[T Element](values []T, shape ...int) *Array {
	if shape == nil {
		shape = []int{len(values)}
	}
	checkShape("FromSlice", shape, dtypeOf[T]())
	check(sizeOf(shape) == len(values), "FromSlice", "%d values do not fill shape %v", len(values), shape)
	host := make([]byte, len(values)*int(unsafe.Sizeof(*new(T))))
	if len(values) > 0 {
		copy(host, unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(host)))
	}
	return FromBytes(host, dtypeOf[T](), shape...)
}

// FromBytes is an array over raw little-endian elements, which it keeps.
func FromBytes(raw []byte, dt metal.DType, shape ...int) *Array {
	shape = append([]int{}, shape...)
	checkShape("FromBytes", shape, dt)
	check(sizeOf(shape)*dt.Size() == len(raw), "FromBytes", "%d bytes do not fill %s%v", len(raw), dt, shape)
	return &Array{shape: shape, dtype: dt, data: &data{host: raw, strides: kernels.RowMajor(shape), length: int64(len(raw))}}
}

// FromBuffer is an array over a range of device memory that the caller owns
// and keeps alive: a mapped weight, a batch that is filled before each step.
func FromBuffer(v metal.View, dt metal.DType, shape ...int) *Array {
	shape = append([]int{}, shape...)
	checkShape("FromBuffer", shape, dt)
	n := int64(sizeOf(shape)) * int64(dt.Size())
	check(v.Buf != nil && v.Off >= 0 && v.Off <= v.Buf.Len() && v.Len <= v.Buf.Len()-v.Off, "FromBuffer", "bytes %d to %d are not in the buffer", v.Off, v.Off+v.Len)
	check(n <= v.Len, "FromBuffer", "%d bytes do not hold %s%v", v.Len, dt, shape)
	return &Array{shape: shape, dtype: dt, data: &data{storage: &storage{buf: v.Buf}, strides: kernels.RowMajor(shape), base: v.Off, length: n}}
}

func dtypeOf[T Element]() metal.DType {
	switch any(*new(T)).(type) {
	case bool:
		return metal.Bool
	case uint8:
		return metal.Uint8
	case uint16:
		return metal.Uint16
	case uint32:
		return metal.Uint32
	case uint64:
		return metal.Uint64
	case int8:
		return metal.Int8
	case int16:
		return metal.Int16
	case int32:
		return metal.Int32
	case int64:
		return metal.Int64
	case float32:
		return metal.Float32
	case complex64:
		return metal.Complex64
	}
	return metal.Float64
}

// Scalar is a zero-axis array of dtype dt with value v.
func Scalar(v float64, dt metal.DType) *Array { return Full(nil, v, dt) }

// Full is an array filled with v. Mirrors mx.full.
func Full(shape []int, v float64, dt metal.DType) *Array {
	checkShape("Full", shape, dt)
	if sizeOf(shape) == 1 {
		return FromBytes(encodeScalar(v, dt), dt, shape...)
	}
	return BroadcastTo(FromBytes(encodeScalar(v, dt), dt), shape)
}

// Zeros is an array of zeros. Mirrors mx.zeros and mx.empty.
func Zeros(shape []int, dt metal.DType) *Array { return Full(shape, 0, dt) }

// Ones is an array of ones. Mirrors mx.ones.
func Ones(shape []int, dt metal.DType) *Array { return Full(shape, 1, dt) }

// ZerosLike is an array of zeros with a's shape and dtype. Mirrors mx.zeros_like
// and mx.empty_like.
func ZerosLike(a *Array) *Array {
	present("ZerosLike", a)
	return Zeros(a.shape, a.dtype)
}

// encodeScalar is v's bytes as one element of dt. Integers wrap, as a C cast
// of the 64-bit value would.
func encodeScalar(v float64, dt metal.DType) []byte {
	b := make([]byte, dt.Size())
	p := unsafe.Pointer(&b[0])
	switch dt {
	case metal.Bool:
		if v != 0 {
			b[0] = 1
		}
	case metal.Float16:
		*(*uint16)(p) = half.F32ToF16(float32(v))
	case metal.BFloat16:
		*(*uint16)(p) = half.F32ToBF16(float32(v))
	case metal.Float32:
		*(*float32)(p) = float32(v)
	case metal.Float64:
		*(*float64)(p) = v
	case metal.Complex64:
		*(*complex64)(p) = complex(float32(v), 0)
	case metal.Uint64:
		if v >= math.MaxInt64 {
			*(*uint64)(p) = uint64(v)
		} else {
			*(*int64)(p) = int64(v)
		}
	default:
		var wide [8]byte
		*(*int64)(unsafe.Pointer(&wide[0])) = int64(v)
		copy(b, wide[:dt.Size()])
	}
	return b
}

// asArray turns a Go scalar into a weak array, and passes an *Array through.
func asArray(op string, v any) *Array {
	weak := func(x float64, dt metal.DType) *Array {
		a := Scalar(x, dt)
		a.weak = true
		return a
	}
	switch x := v.(type) {
	case *Array:
		check(x != nil, op, "operand is nil")
		return x
	case float64:
		a := weak(x, metal.Float32)
		a.exact = x
		return a
	case float32:
		return weak(float64(x), metal.Float32)
	case int:
		return weak(float64(x), metal.Int32)
	case bool:
		if x {
			return weak(1, metal.Bool)
		}
		return weak(0, metal.Bool)
	case complex64:
		return asArray(op, complex128(x))
	case complex128:
		a := Reshape(FromSlice([]complex64{complex64(x)}), []int{}...)
		a.weak = true
		return a
	}
	fail(op, "operand is a %s, want *Array or a Go scalar", fmt.Sprintf("%T", v))
	return nil
}

// OnesLike is an array of ones with a's shape and dtype. Mirrors mx.ones_like.
func OnesLike(a *Array) *Array {
	present("OnesLike", a)
	return Ones(a.shape, a.dtype)
}

// FullLike is an array filled with v, with a's shape and dtype. Mirrors
// mx.full_like.
func FullLike(a *Array, v float64) *Array {
	present("FullLike", a)
	return Full(a.shape, v, a.dtype)
}

// Identity is the n by n matrix with ones on its diagonal. Mirrors mx.identity.
func Identity(n int, dt metal.DType) *Array { return Eye(n, n, 0, dt) }

// Bartlett is the triangular window of n points, float32. Mirrors mx.bartlett.
func Bartlett(n int) *Array {
	return window("Bartlett", n, func(t float64) float64 { return 1 - math.Abs(2*t-1) })
}

// Blackman is Blackman's window of n points, float32. Mirrors mx.blackman.
func Blackman(n int) *Array {
	return window("Blackman", n, func(t float64) float64 {
		return 0.42 - 0.5*math.Cos(2*math.Pi*t) + 0.08*math.Cos(4*math.Pi*t)
	})
}

// Hamming is Hamming's window of n points, float32. Mirrors mx.hamming.
func Hamming(n int) *Array {
	return window("Hamming", n, func(t float64) float64 { return 0.54 - 0.46*math.Cos(2*math.Pi*t) })
}

// Hanning is von Hann's window of n points, float32. Mirrors mx.hanning.
func Hanning(n int) *Array {
	return window("Hanning", n, func(t float64) float64 { return 0.5 - 0.5*math.Cos(2*math.Pi*t) })
}

// window samples f, which is defined on [0, 1], at n points from end to end. One
// point has the value 1, and fewer make an empty array.
func window(op string, n int, f func(t float64) float64) *Array {
	n = max(n, 0)
	checkShape(op, []int{n}, metal.Float32)
	check(n <= maxWindow, op, "%d points are more than %d", n, maxWindow)
	values := make([]float32, n)
	for i := range values {
		if n == 1 {
			values[i] = 1
		} else {
			values[i] = float32(f(float64(i) / float64(n-1)))
		}
	}
	return FromSlice(values, n)
}

// maxWindow is the most points of a window, which the host computes.
const maxWindow = 1 << 24
