package kernels

import "github.com/ftmetal/ftmetal/metal"

// Constants of gemm.h, and the shapes whose K is split: results of fewer tiles
// than keep a GPU busy, with parts of K long enough to be worth a launch.
const (
	gemmTile    = 32 // GEMM_TILE_M and GEMM_TILE_N
	gemvColumns = 32
	gemvParts   = 8
	gemmBusy    = 64  // tiles
	gemmPart    = 512 // steps of K
)

// GemmOp is C = Alpha·A@B (+ Beta·D) (+ a low-rank product): A [...,M,K],
// B [...,K,N] and C, D [...,M,N] with one batch axis or uniform ones; A and B
// of one dtype, stored by rows or by columns with any leading dimension; C of
// that dtype or float32, by rows. Alpha 0 means 1.
type GemmOp struct {
	A, B, C, D  Tensor
	Alpha, Beta float32
	LowRank     *LowRank
	Wanted      *WantedRows // nil: all
}

// WantedRows says that only the first Count rows, an int32, of a larger product
// are wanted, of which this is the part from row First on. The others may be left
// as they are: their number is known when the product runs.
type WantedRows struct {
	Count metal.View
	First int
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
	hasD, split                    uint32
	alpha, beta, scale             float32
	first                          uint32
}

// gemmMergeArgs mirrors GemmMergeArgs of gemm.h.
type gemmMergeArgs struct {
	ldc, ldd          int64
	m, n, count, hasD uint32
	alpha, beta       float32
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
	switch {
	case op.A.DType == metal.Float64:
		gemmDouble(e, op)
		return
	case !op.A.DType.IsFloat():
		unsupported("Gemm", op.A.DType)
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
	if op.D.Bound() {
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
	d := metal.Dispatch{Kernel: gemmName("gemm", op.A.DType, op.C.DType), In: in, Out: []metal.View{op.C.View}}
	switch tiles := ceilDiv(int(args.m), gemmTile) * ceilDiv(int(args.n), gemmTile); {
	case args.n == 1 && args.m > 1 && args.ldc == 1 && (args.hasD == 0 || args.ldd == 1):
		args.transpose(in)
		gemv(e, d, op, args, batch)
	case args.m == 1:
		gemv(e, d, op, args, batch)
	case batch == 1 && args.r == 0 && tiles < gemmBusy && args.k >= 2*gemmPart:
		gemmSplit(e, d, op, args, min(int(args.k)/gemmPart, ceilDiv(2*gemmBusy, tiles)))
	default:
		if w := op.Wanted; w != nil && batch == 1 && args.hasD == 0 {
			args.hasD, args.first, in[2] = 2, u32(w.First), w.Count
		}
		emitGemm(e, d, args, batch)
	}
}

// gemmName is the kernel of a family for operands and a result of some dtypes.
func gemmName(stem string, in, out metal.DType) string {
	if in == out {
		return name(stem, in)
	}
	return name(stem, in) + "_" + out.Suffix()
}

// transpose turns the product into that of the transposes, in the other order. C
// and D are single columns without gaps, which become single rows.
func (args *gemmArgs) transpose(in []metal.View) {
	in[0], in[1], in[3], in[4] = in[1], in[0], in[4], in[3]
	args.m, args.n = args.n, args.m
	args.batchA, args.batchB = args.batchB, args.batchA
	args.lda, args.ldb, args.ldu, args.ldv = args.ldb, args.lda, args.ldv, args.ldu
	args.transA, args.transB, args.transU, args.transV = 1-args.transB, 1-args.transA, 1-args.transV, 1-args.transU
}

func (args *gemmArgs) flops(batch int) int64 {
	return 2 * int64(batch) * int64(args.m) * int64(args.n) * (int64(args.k) + int64(args.r))
}

func emitGemm(e Emitter, d metal.Dispatch, args gemmArgs, batch int) {
	d.Args, d.FLOPs = bytesOf(&args), args.flops(batch)
	if args.split > 0 {
		d.FLOPs /= int64(batch)
	}
	d.Grid = metal.Size{X: ceilDiv(int(args.n), gemmTile) * 128, Y: ceilDiv(int(args.m), gemmTile), Z: batch}
	d.Group = metal.Size{X: 128, Y: 1, Z: 1}
	e.Emit(d)
}

// gemv multiplies one row by a matrix, which is read once, in order.
func gemv(e Emitter, d metal.Dispatch, op GemmOp, args gemmArgs, batch int) {
	d.Args, d.FLOPs = bytesOf(&args), args.flops(batch)
	if args.transB == 1 {
		d.Kernel = gemmName("gemm_gemv", op.A.DType, op.C.DType)
		d.Grid, d.Group = metal.Size{X: int(args.n) * 32, Y: 1, Z: batch}, metal.Size{X: min(int(args.n), 4) * 32, Y: 1, Z: 1}
	} else {
		d.Kernel = gemmName("gemm_gemv_across", op.A.DType, op.C.DType)
		threads := gemvColumns * gemvParts
		d.Grid, d.Group = metal.Size{X: ceilDiv(int(args.n), gemvColumns) * threads, Y: 1, Z: batch}, metal.Size{X: threads, Y: 1, Z: 1}
	}
	e.Emit(d)
}

// gemmSplit divides K among batches, whose float32 results a second launch adds
// up in order: long sums of few elements, as gradients of low-rank matrices are.
func gemmSplit(e Emitter, d metal.Dispatch, op GemmOp, args gemmArgs, parts int) {
	size := ceilDiv(ceilDiv(int(args.k), parts), 16) * 16
	parts = ceilDiv(int(args.k), size)
	merge := gemmMergeArgs{ldc: args.ldc, ldd: args.ldd, m: args.m, n: args.n, count: u32(parts), hasD: args.hasD, alpha: args.alpha, beta: args.beta}
	unused := d.In[4]
	sums := e.Scratch(int64(parts) * int64(args.m) * int64(args.n) * 4)
	last := metal.Dispatch{Kernel: name("gemm_merge", op.C.DType), In: []metal.View{sums, d.In[2]}, Out: d.Out, Args: bytesOf(&merge),
		Grid: metal.Size{X: int(args.n), Y: int(args.m), Z: 1}, Group: metal.Size{X: min(int(args.n), 256), Y: 1, Z: 1}}
	step := func(stride int64, along bool) int64 {
		if along {
			return int64(size)
		}
		return int64(size) * stride
	}
	args.split, args.hasD, args.alpha, args.beta = u32(size), 0, 1, 0
	args.batchA, args.batchB = step(args.lda, args.transA == 0), step(args.ldb, args.transB == 1)
	args.ldc, args.batchC = int64(args.n), int64(args.m)*int64(args.n)
	d.Kernel = gemmName("gemm", op.A.DType, metal.Float32)
	d.In = []metal.View{d.In[0], d.In[1], unused, unused, unused}
	d.Out = []metal.View{sums}
	emitGemm(e, d, args, parts)
	e.Emit(last)
}
