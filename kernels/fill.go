package kernels

import "github.com/ftmetal/ftmetal/metal"

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
