package kernels

import (
	"math"
	"unsafe"

	"github.com/ftmetal/ftmetal/metal"
)

// Tensor is a strided array in memory: what a launch function needs to know of
// an operand, and no more.
type Tensor struct {
	View    metal.View // the bytes covered
	DType   metal.DType
	Shape   []int
	Strides []int // in elements; 0 repeats an axis
	Offset  int   // elements from View.Off to element 0; not 0 only with negative strides
}

// Emitter takes the dispatches of an op in order, and lends scratch memory
// that lives until the op's last dispatch.
type Emitter interface {
	Emit(d metal.Dispatch)
	Scratch(bytes int64) metal.View
}

// Size is the number of elements.
func (t Tensor) Size() int { return extent(t.Shape) }

// Bound reports whether the tensor has a view: optional operands may lack one.
func (t Tensor) Bound() bool { return t.View.Buf != nil }

// Dim is the extent of axis i; negative i counts from the end.
func (t Tensor) Dim(i int) int {
	if i < 0 {
		i += len(t.Shape)
	}
	return t.Shape[i]
}

// Contiguous reports whether the elements lie in row-major order without gaps.
func (t Tensor) Contiguous() bool {
	want := 1
	for i := len(t.Shape) - 1; i >= 0; i-- {
		if t.Shape[i] == 1 {
			continue
		}
		if t.Strides[i] != want {
			return false
		}
		want *= t.Shape[i]
	}
	return t.Offset == 0
}

// RowMajor returns the strides of a contiguous array of that shape.
func RowMajor(shape []int) []int {
	strides := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = n
		n *= shape[i]
	}
	return strides
}

// Contig describes a contiguous tensor at the start of v.
func Contig(v metal.View, dt metal.DType, shape ...int) Tensor {
	t := Tensor{DType: dt, Shape: shape, Strides: RowMajor(shape)}
	t.View = v.Slice(0, t.bytes())
	return t
}

// Scratch is a contiguous tensor in scratch memory of e.
func Scratch(e Emitter, dt metal.DType, shape ...int) Tensor {
	t := Tensor{DType: dt, Shape: shape, Strides: RowMajor(shape)}
	t.View = e.Scratch(t.bytes())
	return t
}

// bytes is the memory of a contiguous tensor.
func (t Tensor) bytes() int64 { return int64(t.Size()) * int64(t.DType.Size()) }

// name is the kernel of a family for a dtype: "rms_norm", Float32 -> "rms_norm_f32".
func name(stem string, dt metal.DType) string { return stem + "_" + dt.Suffix() }

// bytesOf is the memory of an args struct.
func bytesOf[T any](args *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(args)), unsafe.Sizeof(*args))
}

// flag is b in an args struct.
func flag(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// grid1D covers n threads in threadgroups of up to 256.
func grid1D(n int) (grid, group metal.Size) {
	return metal.Size{X: max(n, 1), Y: 1, Z: 1}, metal.Size{X: min(256, max(n, 1)), Y: 1, Z: 1}
}

// u32 narrows an extent; a value that does not fit is the caller's bug.
func u32(n int) uint32 {
	if n < 0 || n > math.MaxUint32 {
		refuse("extent %d is out of range", n)
	}
	return uint32(n)
}
