package kernels

import (
	"fmt"

	"github.com/ftmetal/ftmetal/metal"
)

// The constants of sdpa.h.
const (
	sdpaQueries          = 32
	sdpaThreads          = 128
	sdpaVectorQueries    = 8
	sdpaVectorSimdgroups = 8
	sdpaVJPKeys          = 32
)

// SDPAHeadDim reports whether the attention kernels take heads of d elements.
func SDPAHeadDim(d int) bool { return d >= 8 && d <= 256 && d%8 == 0 }

// SDPAOp are the operands of scaled dot-product attention and its gradient:
// Q, Out, DOut, DQ [B,H,Tq,D] and K, V, DK, DV [B,Hkv,Tk,D] of one dtype, with
// contiguous last axes and H a multiple of Hkv. LSE [B,H,Tq] is float32,
// SegQ [B,Tq] and SegK [B,Tk] are int32; all three are contiguous.
type SDPAOp struct {
	Q, K, V, Out Tensor
	LSE          Tensor // log-sum-exp of the scaled scores; the forward pass leaves it out if it has no view
	SegQ, SegK   Tensor // tokens see only their own segment; no view: all are one segment
	DOut         Tensor
	DQ, DK, DV   Tensor
	Scale        float32
	Causal       bool // query i sees keys up to i + (Tk - Tq)
}

// sdpaArgs mirrors SDPAArgs of sdpa.h.
type sdpaArgs struct {
	q, k, v, out, dOut, dQ, dK, dV [3]int64
	heads, kvHeads, tq, tk, dim    uint32
	causal, segments               uint32
	scale                          float32
}

func (op *SDPAOp) args() sdpaArgs {
	d := op.Q.Shape[3]
	if !SDPAHeadDim(d) {
		refuse("SDPA: heads of %d elements, want a multiple of 8 up to 256", d)
	}
	args := sdpaArgs{heads: u32(op.Q.Shape[1]), kvHeads: u32(op.K.Shape[1]), tq: u32(op.Q.Shape[2]), tk: u32(op.K.Shape[2]), dim: u32(d),
		causal: flag(op.Causal), segments: flag(op.SegK.Bound()), scale: op.Scale}
	for _, s := range []struct {
		to *[3]int64
		t  Tensor
	}{{&args.q, op.Q}, {&args.k, op.K}, {&args.v, op.V}, {&args.out, op.Out}, {&args.dOut, op.DOut}, {&args.dQ, op.DQ}, {&args.dK, op.DK}, {&args.dV, op.DV}} {
		for i := range min(3, len(s.t.Strides)) {
			s.to[i] = int64(s.t.Strides[i])
		}
	}
	return args
}

// segmentViews are the bindings of the segments; absent ones get four bytes of
// scratch, since an operand of 16 bits may not be aligned for int32.
func (op *SDPAOp) segmentViews(e Emitter) (q, k metal.View) {
	if op.SegK.Bound() {
		return op.SegQ.View, op.SegK.View
	}
	none := e.Scratch(4)
	return none, none
}

// visible is how many pairs of query and key there are, segments aside.
func (op *SDPAOp) visible() int64 {
	tq, tk := int64(op.Q.Shape[2]), int64(op.K.Shape[2])
	pairs := tq * tk
	if op.Causal {
		first := max(tk-tq, 0) // keys before the one that the first row to see any ends with
		rows := tk - first
		pairs = rows*first + rows*(rows+1)/2
	}
	return pairs * int64(op.Q.Shape[0]) * int64(op.Q.Shape[1])
}

// sdpaWidth is the head size that the kernel for d is compiled for.
func sdpaWidth(d int) int {
	switch {
	case d <= 64:
		return 64
	case d <= 128:
		return 128
	}
	return 256
}

// SDPA is softmax(Q@Kᵀ·Scale)@V over the keys that each query sees, and the
// log-sum-exp of its scores. A query that sees none gets zeros and -inf.
func SDPA(e Emitter, op SDPAOp) {
	if op.Q.Size() == 0 {
		return
	}
	args := op.args()
	b, h, tq, d := op.Q.Shape[0], op.Q.Shape[1], op.Q.Shape[2], op.Q.Shape[3]
	lse := op.LSE.View
	if lse.Buf == nil {
		lse = e.Scratch(int64(4 * b * h * tq))
	}
	segQ, segK := op.segmentViews(e)
	launch := metal.Dispatch{In: []metal.View{op.Q.View, op.K.View, op.V.View, segQ, segK}, Out: []metal.View{op.Out.View, lse},
		Args: bytesOf(&args), FLOPs: 4 * int64(d) * op.visible()}
	if tq <= sdpaVectorQueries {
		threads := 32 * sdpaVectorSimdgroups
		launch.Kernel = name("sdpa_vector", op.Q.DType)
		launch.Grid, launch.Group = metal.Size{X: tq * threads, Y: h, Z: b}, metal.Size{X: threads, Y: 1, Z: 1}
	} else {
		launch.Kernel = fmt.Sprintf("%s_%d", name("sdpa", op.Q.DType), sdpaWidth(d))
		launch.Grid = metal.Size{X: ceilDiv(tq, sdpaQueries) * sdpaThreads, Y: h, Z: b}
		launch.Group = metal.Size{X: sdpaThreads, Y: 1, Z: 1}
	}
	e.Emit(launch)
}
