package kernels

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// RoPEOp is a launch of rotary position embedding: X and Out [B,H,T,D] of one
// dtype, any strides but a contiguous last axis. Positions, int32 [T] or [B,T],
// and Freqs, float32 [Dims/2], may lack a view.
type RoPEOp struct {
	X, Out, Positions, Freqs Tensor
	Dims, Offset             int
	Base, Scale              float32
	Traditional, Inverse     bool
}

// ropeArgs mirrors RopeArgs of rope.h.
type ropeArgs struct {
	xStrides, outStrides                       [3]int64
	batch, heads, tokens, headDim              uint32
	dims, traditional, inverse, positionStride uint32
	hasPositions, hasFreqs                     uint32
	offset                                     int32
	scale, stepHigh, stepLow                   float32
}

// RoPE rotates.
func RoPE(e Emitter, op RoPEOp) {
	x, out := op.X, op.Out
	if x.Size() == 0 {
		return
	}
	args := ropeArgs{batch: u32(x.Shape[0]), heads: u32(x.Shape[1]), tokens: u32(x.Shape[2]), headDim: u32(x.Shape[3]), dims: u32(op.Dims),
		traditional: flag(op.Traditional), inverse: flag(op.Inverse), hasPositions: flag(op.Positions.Bound()),
		hasFreqs: flag(op.Freqs.Bound()), offset: int32(op.Offset), scale: op.Scale}
	step := 2 * math.Log2(max(float64(op.Base), 1)) / float64(max(op.Dims, 1))
	args.stepHigh = float32(step)
	args.stepLow = float32(step - float64(args.stepHigh))
	for i := range 3 {
		args.xStrides[i], args.outStrides[i] = int64(x.Strides[i]), int64(out.Strides[i])
	}
	if len(op.Positions.Shape) == 2 {
		args.positionStride = args.tokens
	}
	// An absent buffer is bound to x, from an offset that suits its elements.
	absent := x.View
	absent.Off &^= 3
	in := []metal.View{x.View, orElse(op.Positions.View, absent), orElse(op.Freqs.View, absent)}
	pairs := op.Dims/2 + x.Shape[3] - op.Dims
	var mask uint32
	if sameStrides(x, out) {
		mask = 1
	}
	e.Emit(metal.Dispatch{Kernel: name("rope", x.DType), In: in, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid:  metal.Size{X: pairs, Y: x.Shape[2], Z: x.Shape[0] * x.Shape[1]},
		Group: metal.Size{X: min(pairs, 64), Y: min(x.Shape[2], 4), Z: 1}, FLOPs: int64(3 * x.Size()), InPlace: []uint32{mask}})
}

// sameStrides reports whether two tensors lie alike, so that one may be computed
// in the memory of the other.
func sameStrides(a, b Tensor) bool {
	for i := range a.Shape {
		if a.Shape[i] != b.Shape[i] || (a.Shape[i] > 1 && a.Strides[i] != b.Strides[i]) {
			return false
		}
	}
	return a.Offset == b.Offset && a.View.Len == b.View.Len
}
