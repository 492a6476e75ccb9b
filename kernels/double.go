package kernels

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// gemmDouble is Gemm for float64, which only the software device has: one thread
// an element, without a third matrix or a low-rank product.
func gemmDouble(e Emitter, op GemmOp) {
	if op.D.Bound() || op.LowRank != nil {
		unsupported("Gemm", metal.Float64)
	}
	last := len(op.C.Shape) - 1
	k := op.A.Shape[last]
	rows, cols := op.A, op.B // each over the axes of the result, repeated along the other's
	rows.Shape, cols.Shape = op.C.Shape, op.C.Shape
	rows.Strides, cols.Strides = append([]int{}, op.A.Strides...), append([]int{}, op.B.Strides...)
	rows.Strides[last], cols.Strides[last-1] = 0, 0
	args := newBinaryArgs(op.C, rows, cols)
	args.op = u32(k)
	args.cStrides[0], args.cStrides[1] = int64(op.A.Strides[last]), int64(op.B.Strides[last-1])
	args.cOffset = int64(math.Float64bits(float64(op.Alpha)))
	grid, group := gridFor(op.C.Size())
	e.Emit(metal.Dispatch{Kernel: name("gemm", metal.Float64), In: []metal.View{op.A.View, op.B.View}, Out: []metal.View{op.C.View},
		Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: 2 * int64(op.C.Size()) * int64(k)})
}
