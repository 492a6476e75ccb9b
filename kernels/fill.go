package kernels

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// fillArgs mirrors FillArgs of fill.h.
type fillArgs struct {
	startInt   int64
	startFloat float32
	_          uint32
	stepInt    int64
	stepFloat  float32
	_          uint32
	size       uint64
}

// number is v in the two forms that the fill kernels may want.
func number(v float64) (int64, float32) {
	i := int64(0)
	switch {
	case v >= 1<<63:
		i = int64(uint64(v))
	case v == v && v >= -1<<63:
		i = int64(v)
	}
	return i, float32(v)
}

// Fill sets every element of out, contiguous, to v.
func Fill(e Emitter, out Tensor, v float64) { Arange(e, out, v, 0) }

// Arange sets element i of out, contiguous, to start + i·step.
func Arange(e Emitter, out Tensor, start, step float64) {
	n := out.Size()
	if n == 0 {
		return
	}
	args := fillArgs{size: uint64(n)}
	if out.DType == metal.Float64 {
		args.startInt, args.stepInt = int64(math.Float64bits(start)), int64(math.Float64bits(step))
	} else {
		args.startInt, args.startFloat = number(start)
		args.stepInt, args.stepFloat = number(step)
	}
	grid, group := gridFor(n)
	e.Emit(metal.Dispatch{
		Kernel: name("fill", out.DType), Out: []metal.View{out.View},
		Args: bytesOf(&args), Grid: grid, Group: group,
	})
}
