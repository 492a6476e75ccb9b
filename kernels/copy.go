package kernels

import "github.com/ftmetal/ftmetal/metal"

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
// and any strides. Floats truncate toward zero to integers.
func Copy(e Emitter, x, out Tensor) {
	n := out.Size()
	if n == 0 {
		return
	}
	if !storable(x.DType) || !storable(out.DType) {
		unsupported("Copy", x.DType)
	}
	shape, steps := collapse(out.Shape, x.Strides, out.Strides)
	args := copyArgs{srcOffset: int64(x.Offset), dstOffset: int64(out.Offset), size: uint64(n), ndim: uint32(len(shape))}
	for i, d := range shape {
		args.shape[i], args.srcStrides[i], args.dstStrides[i] = u32(d), int64(steps[0][i]), int64(steps[1][i])
	}
	grid, group := gridFor(n)
	e.Emit(metal.Dispatch{
		Kernel: "copy_" + x.DType.Suffix() + "_" + out.DType.Suffix(),
		In:     []metal.View{x.View}, Out: []metal.View{out.View},
		Args: bytesOf(&args), Grid: grid, Group: group,
		InPlace: []uint32{inPlaceMask(out, x)},
	})
}

// storable reports whether Metal has the type: all but float64 and complex64.
func storable(dt metal.DType) bool { return dt != metal.Float64 && dt != metal.Complex64 }

// fillArgs mirrors FillArgs of fill.h.
type fillArgs struct {
	start, step float64bits
	size        uint64
}

// float64bits is a number in the two forms that the fill kernels may want: as
// an integer and as a float.
type float64bits struct {
	i int64
	f float32
	_ uint32
}

func number(v float64) float64bits {
	b := float64bits{f: float32(v)}
	switch {
	case v >= 1<<63:
		b.i = int64(uint64(v))
	case v == v && v >= -1<<63:
		b.i = int64(v)
	}
	return b
}

// Fill sets every element of out, contiguous, to v.
func Fill(e Emitter, out Tensor, v float64) { Arange(e, out, v, 0) }

// Arange sets element i of out, contiguous, to start + i·step.
func Arange(e Emitter, out Tensor, start, step float64) {
	n := out.Size()
	if n == 0 {
		return
	}
	if !storable(out.DType) {
		unsupported("Arange", out.DType)
	}
	args := fillArgs{start: number(start), step: number(step), size: uint64(n)}
	grid, group := gridFor(n)
	e.Emit(metal.Dispatch{
		Kernel: name("fill", out.DType), Out: []metal.View{out.View},
		Args: bytesOf(&args), Grid: grid, Group: group,
	})
}
