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
	sdpaMostParts        = 16
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
	parts, partKeys                uint32
}

// sdpaMergeArgs mirrors SDPAMergeArgs of sdpa.h.
type sdpaMergeArgs struct {
	out                   [3]int64
	heads, tq, dim, parts uint32
}

func (op *SDPAOp) args() sdpaArgs {
	d := op.Q.Shape[3]
	if !SDPAHeadDim(d) {
		refuse("SDPA: heads of %d elements, want a multiple of 8 up to 256", d)
	}
	args := sdpaArgs{heads: u32(op.Q.Shape[1]), kvHeads: u32(op.K.Shape[1]), tq: u32(op.Q.Shape[2]), tk: u32(op.K.Shape[2]), dim: u32(d),
		causal: flag(op.Causal), segments: flag(op.SegK.Bound()), scale: op.Scale, parts: 1, partKeys: u32(op.K.Shape[2])}
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
		op.vector(e, launch, args)
		return
	}
	launch.Kernel = fmt.Sprintf("%s_%d", name("sdpa", op.Q.DType), sdpaWidth(d))
	launch.Grid = metal.Size{X: ceilDiv(tq, sdpaQueries) * sdpaThreads, Y: h, Z: b}
	launch.Group = metal.Size{X: sdpaThreads, Y: 1, Z: 1}
	e.Emit(launch)
}

// sdpaPartKeys is how many keys the vector kernel takes at once of tk: some for
// every part of a device where there are many, and all of few, whose parts would
// cost more to put together than they save. It depends on tk alone, as sums do.
func sdpaPartKeys(tk int) int {
	const unit = 128
	if tk <= unit {
		return tk
	}
	return ceilDiv(ceilDiv(tk, sdpaMostParts), unit) * unit
}

// vector launches the form for few queries.
func (op *SDPAOp) vector(e Emitter, launch metal.Dispatch, args sdpaArgs) {
	b, h, tq, tk, d := op.Q.Shape[0], op.Q.Shape[1], op.Q.Shape[2], op.K.Shape[2], op.Q.Shape[3]
	threads := 32 * sdpaVectorSimdgroups
	keys := sdpaPartKeys(tk)
	parts := max(ceilDiv(tk, max(keys, 1)), 1)
	launch.Group = metal.Size{X: threads, Y: 1, Z: 1}
	launch.Grid = metal.Size{X: tq * threads, Y: h, Z: b * parts}
	if parts == 1 {
		launch.Kernel = name("sdpa_vector", op.Q.DType)
		e.Emit(launch)
		return
	}
	rows := b * h * tq
	done := launch.Out
	args.parts, args.partKeys = u32(parts), u32(keys)
	launch.Kernel, launch.Args = name("sdpa_vector_part", op.Q.DType), bytesOf(&args)
	launch.Out = []metal.View{e.Scratch(int64(4 * rows * parts * d)), e.Scratch(int64(4 * rows * parts * 2))}
	e.Emit(launch)
	merge := sdpaMergeArgs{out: args.out, heads: args.heads, tq: args.tq, dim: args.dim, parts: args.parts}
	e.Emit(metal.Dispatch{Kernel: name("sdpa_merge", op.Q.DType), In: launch.Out, Out: done, Args: bytesOf(&merge),
		Grid: metal.Size{X: d, Y: rows, Z: 1}, Group: metal.Size{X: 32, Y: 1, Z: 1}, FLOPs: int64(4 * rows * parts * d)})
}
