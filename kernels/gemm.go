package kernels

import "github.com/ftmetal/ftmetal/metal"

// gemmTile is GEMM_TILE_M and GEMM_TILE_N of gemm.h.
const gemmTile = 32

// GemmOp is C = Alpha·A@B (+ Beta·D) (+ a low-rank product): A [...,M,K],
// B [...,K,N] and C, D [...,M,N] with one batch axis or uniform ones; A and B
// of one dtype, stored by rows or by columns with any leading dimension; C of
// that dtype or float32, by rows. Alpha 0 means 1.
type GemmOp struct {
	A, B, C, D  Tensor
	Alpha, Beta float32
	LowRank     *LowRank
}

// LowRank is Scale·A@B for A [M,R], B [R,N], added in the same tiles.
type LowRank struct {
	A, B  Tensor
	Scale float32
}

// gemmArgs mirrors GemmArgs of gemm.h.
type gemmArgs struct {
	batchA, batchB, batchC, batchD int64
	lda, ldb, ldc, ldd, ldu, ldv   int64
	m, n, k, r                     uint32
	transA, transB, transU, transV uint32
	hasD                           uint32
	alpha, beta, scale             float32
}

// matrixOf tells how the last two axes of t are stored.
func matrixOf(t Tensor) (ld int64, trans uint32) {
	n := len(t.Shape)
	sr, sc := t.Strides[n-2], t.Strides[n-1]
	rows, cols := t.Shape[n-2], t.Shape[n-1]
	switch {
	case sc == 1 && (sr >= cols || rows == 1), cols == 1 && sr >= 1 && sc != 1 && rows != 1 && sr != 1:
		return int64(max(sr, 1)), 0
	case sr == 1 || rows == 1:
		return int64(max(sc, 1)), 1
	case cols == 1:
		return int64(sr), 0
	}
	refuse("Gemm: strides %v of shape %v are neither by rows nor by columns", t.Strides, t.Shape)
	return 0, 0
}

// batchOf is the number of matrices in t and the stride between them.
func batchOf(t Tensor) (count int, stride int64) {
	count = 1
	for i := len(t.Shape) - 3; i >= 0; i-- {
		if t.Shape[i] > 1 && stride == 0 && count == 1 {
			stride = int64(t.Strides[i])
		}
		count *= t.Shape[i]
	}
	return count, stride
}

// Gemm multiplies matrices. K = 0 gives zeros (or Beta·D).
func Gemm(e Emitter, op GemmOp) {
	if op.C.Size() == 0 {
		return
	}
	if op.Alpha == 0 {
		op.Alpha = 1
	}
	nd := len(op.A.Shape)
	args := gemmArgs{m: u32(op.A.Shape[nd-2]), k: u32(op.A.Shape[nd-1]), n: u32(op.B.Shape[len(op.B.Shape)-1]), alpha: op.Alpha, beta: op.Beta}
	args.lda, args.transA = matrixOf(op.A)
	args.ldb, args.transB = matrixOf(op.B)
	args.ldc, _ = matrixOf(op.C)
	if op.C.Shape[len(op.C.Shape)-1] == 1 {
		args.ldc = int64(max(op.C.Strides[len(op.C.Strides)-2], 1))
	}
	var batch int
	_, args.batchA = batchOf(op.A)
	_, args.batchB = batchOf(op.B)
	batch, args.batchC = batchOf(op.C)
	unused := metal.View{Buf: op.A.View.Buf, Off: op.A.View.Off &^ 3} // aligned for float32
	in := []metal.View{op.A.View, op.B.View, unused, unused, unused}
	if op.D.View.Buf != nil {
		args.hasD, in[2] = 1, op.D.View
		args.ldd, _ = matrixOf(op.D)
		_, args.batchD = batchOf(op.D)
	}
	if l := op.LowRank; l != nil {
		args.r, args.scale = u32(l.A.Shape[1]), l.Scale
		args.ldu, args.transU = matrixOf(l.A)
		args.ldv, args.transV = matrixOf(l.B)
		in[3], in[4] = l.A.View, l.B.View
	}
	kernel := name("gemm", op.A.DType)
	if op.C.DType != op.A.DType {
		kernel += "_" + op.C.DType.Suffix()
	}
	e.Emit(metal.Dispatch{Kernel: kernel, In: in, Out: []metal.View{op.C.View}, Args: bytesOf(&args),
		Grid:  metal.Size{X: ceilDiv(int(args.n), gemmTile) * 128, Y: ceilDiv(int(args.m), gemmTile), Z: batch},
		Group: metal.Size{X: 128, Y: 1, Z: 1},
		FLOPs: 2 * int64(batch) * int64(args.m) * int64(args.n) * (int64(args.k) + int64(args.r))})
}
