package kernels

import "github.com/ftmetal/ftmetal/metal"

// Constants of quant.h, and how many rows of x are multiplied one by one.
const (
	quantTile        = 32 // QUANT_TILE_M and QUANT_TILE_N
	quantRows        = 4
	quantAcrossUnits = 8
	quantAcrossParts = 32
	quantFewRows     = 8 // W [N,K]
	quantFewAcross   = 4 // W [K,N]
)

// QuantMatmulOp is Y = X@Wᵀ for a quantised W [...,N,K], or X@W for [...,K,N]
// without Transpose. X [...,M,K] has contiguous rows, and one batch axis or
// uniform ones; Y [...,M,N] and what W consists of have no gaps. Biases are
// affine only. Batch z of Y takes the matrices Lhs[z] of X and Rhs[z] of W,
// uint32, where these have views, and else matrices z, or the only one.
type QuantMatmulOp struct {
	Format            QuantFormat
	X, Y              Tensor
	W, Scales, Biases Tensor
	Lhs, Rhs          Tensor
	Transpose         bool
}

// quantMatmulArgs mirrors QuantMatmulArgs of quant.h.
type quantMatmulArgs struct {
	ldx, batchX, batchW, batchS       int64
	m, n, k, group, transpose, gather uint32
}

// QuantMatmul multiplies by a quantised matrix. K = 0 gives zeros.
func QuantMatmul(e Emitter, op QuantMatmulOp) {
	if op.Y.Size() == 0 {
		return
	}
	m, n, k := op.Y.Dim(-2), op.Y.Dim(-1), op.X.Dim(-1)
	args := quantMatmulArgs{m: u32(m), n: u32(n), k: u32(k), group: u32(op.Format.Group), transpose: flag(op.Transpose), gather: flag(op.Lhs.Bound())}
	args.ldx = int64(op.X.Strides[len(op.X.Strides)-2])
	batch, _ := batchOf(op.Y)
	_, args.batchX = batchOf(op.X)
	count, words := batchOf(op.W)
	args.batchW = words * int64(op.W.DType.Size())
	if count > 1 {
		_, args.batchS = batchOf(op.Scales)
	}
	absent := aligned(op.X.View)
	d := metal.Dispatch{
		In:    []metal.View{op.X.View, op.W.View, op.Scales.View, orElse(op.Biases.View, absent), orElse(op.Lhs.View, absent), orElse(op.Rhs.View, absent)},
		Out:   []metal.View{op.Y.View},
		Args:  bytesOf(&args),
		FLOPs: 2 * int64(batch) * int64(m) * int64(n) * int64(k),
	}
	switch dt := op.X.DType; {
	case op.Transpose && m < quantFewRows:
		d.Kernel = op.Format.name("quant_matmul_rows", dt)
		simdgroups := ceilDiv(n, quantRows)
		d.Grid, d.Group = metal.Size{X: simdgroups * 32, Y: m, Z: batch}, metal.Size{X: min(simdgroups, 4) * 32, Y: 1, Z: 1}
	case !op.Transpose && m < quantFewAcross:
		d.Kernel = op.Format.name("quant_matmul_across", dt)
		threads := quantAcrossUnits * quantAcrossParts
		d.Grid = metal.Size{X: ceilDiv(n, quantAcrossUnits*quantUnit) * threads, Y: m, Z: batch}
		d.Group = metal.Size{X: threads, Y: 1, Z: 1}
	default:
		d.Kernel = op.Format.name("quant_matmul", dt)
		d.Grid = metal.Size{X: ceilDiv(n, quantTile) * 128, Y: ceilDiv(m, quantTile), Z: batch}
		d.Group = metal.Size{X: 128, Y: 1, Z: 1}
	}
	e.Emit(d)
}
