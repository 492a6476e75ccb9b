package kernels

import (
	"strings"
	"unsafe"

	"github.com/ftmetal/ftmetal/metal"
)

// copyArgs mirrors CopyArgs of copy.h.
type copyArgs struct {
	srcStrides, dstStrides [maxDims]int64
	srcOffset, dstOffset   int64
	size                   uint64
	shape                  [maxDims]uint32
	ndim                   uint32
	_                      uint32
}

// Copy converts x to out's dtype, element by element; both have the same shape
// and any strides. Floats truncate toward zero to integers; a complex number
// that becomes a real one loses its imaginary part.
func Copy(e Emitter, x, out Tensor) {
	n := out.Size()
	if n == 0 {
		return
	}
	shape, steps := collapse(out.Shape, x.Strides, out.Strides)
	args := copyArgs{srcOffset: int64(x.Offset), dstOffset: int64(out.Offset), size: uint64(n), ndim: uint32(len(shape))}
	for i, d := range shape {
		args.shape[i], args.srcStrides[i], args.dstStrides[i] = u32(d), int64(steps[0][i]), int64(steps[1][i])
	}
	stem := "copy"
	if x.DType == metal.Complex64 || out.DType == metal.Complex64 {
		stem = "complex_copy"
	}
	grid, group := gridFor(n)
	e.Emit(metal.Dispatch{
		Kernel: name(name(stem, x.DType), out.DType),
		In:     []metal.View{x.View}, Out: []metal.View{out.View},
		Args: bytesOf(&args), Grid: grid, Group: group,
		InPlace: []uint32{inPlaceMask(out, x)},
	})
}

// IsIdentity reports whether d is a copy of elements onto themselves, which does
// nothing.
func IsIdentity(d *metal.Dispatch) bool {
	pair, ok := strings.CutPrefix(strings.TrimPrefix(d.Kernel, "complex_"), "copy_")
	if !ok || d.In[0] != d.Out[0] {
		return false
	}
	dtypes := strings.Split(pair, "_")
	args := (*copyArgs)(unsafe.Pointer(&d.Args[0]))
	return len(dtypes) == 2 && dtypes[0] == dtypes[1] && args.srcOffset == args.dstOffset && args.srcStrides == args.dstStrides
}

// ordinary reports whether every family of kernels has the type: all have but
// float64 and complex64.
func ordinary(dt metal.DType) bool { return dt != metal.Float64 && dt != metal.Complex64 }
