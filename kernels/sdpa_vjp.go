package kernels

import (
	"fmt"

	"github.com/ftmetal/ftmetal/metal"
)

// SDPAVJP is the gradient of SDPA, from its operands, Out, LSE and DOut to DQ,
// DK and DV. One launch makes all three: its first threadgroups take tiles of
// keys, the others tiles of queries, and neither waits for the other.
func SDPAVJP(e Emitter, op SDPAOp) {
	if op.Q.Size()+op.K.Size() == 0 {
		return
	}
	args := op.args()
	b, h, tq, d := op.Q.Shape[0], op.Q.Shape[1], op.Q.Shape[2], op.Q.Shape[3]
	rows := b * h * tq
	delta := e.Scratch(int64(4 * max(rows, 1)))
	if rows > 0 {
		e.Emit(metal.Dispatch{Kernel: name("sdpa_vjp_delta", op.Q.DType), In: []metal.View{op.Out.View, op.DOut.View}, Out: []metal.View{delta},
			Args: bytesOf(&args), Grid: metal.Size{X: 32 * tq, Y: h, Z: b}, Group: metal.Size{X: sdpaThreads, Y: 1, Z: 1}, FLOPs: 2 * int64(rows) * int64(d)})
	}
	segQ, segK := op.segmentViews(e)
	tiles := h*ceilDiv(tq, sdpaQueries) + op.K.Shape[1]*ceilDiv(op.K.Shape[2], sdpaVJPKeys)
	e.Emit(metal.Dispatch{Kernel: fmt.Sprintf("%s_%d", name("sdpa_vjp", op.Q.DType), sdpaWidth(d)),
		In:   []metal.View{op.Q.View, op.K.View, op.V.View, op.DOut.View, op.LSE.View, delta, segQ, segK},
		Out:  []metal.View{op.DQ.View, op.DK.View, op.DV.View},
		Args: bytesOf(&args), Grid: metal.Size{X: tiles * sdpaThreads, Y: 1, Z: b}, Group: metal.Size{X: sdpaThreads, Y: 1, Z: 1},
		FLOPs: 10 * int64(d) * op.visible()})
}
