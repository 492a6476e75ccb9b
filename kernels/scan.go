package kernels

import (
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// ScanOp is a running fold along an axis, by its name.
type ScanOp string

// The scans, in the order of the op codes in scan.h.
const (
	CumSum       ScanOp = "CumSum"
	CumProd      ScanOp = "CumProd"
	CumMax       ScanOp = "CumMax"
	CumMin       ScanOp = "CumMin"
	LogCumSumExp ScanOp = "LogCumSumExp"
)

// scanFolds are the folds of whole chunks that the scans go on from.
var scanFolds = map[ScanOp]ReduceOp{CumSum: Sum, CumProd: Prod, CumMax: Max, CumMin: Min}

// scanChunk is how many elements one thread scans before others take over.
const scanChunk = 256

var scanOps = []ScanOp{CumSum, CumProd, CumMax, CumMin, LogCumSumExp}

// scanArgs mirrors ScanArgs of scan.h.
type scanArgs struct {
	outer, n, inner, chunk, chunks uint64
	op, reverse, exclusive         uint32
	_                              uint32
}

func scanArgsOf(x Tensor, axis int, reverse, exclusive bool) scanArgs {
	return scanArgs{outer: uint64(extent(x.Shape[:axis])), n: uint64(x.Shape[axis]), inner: uint64(extent(x.Shape[axis+1:])),
		reverse: flag(reverse), exclusive: flag(exclusive)}
}

// Scan writes the running folds of x along axis to out, both contiguous and of
// one dtype: from the end if reverse is set, without an element's own value if
// exclusive is. LogCumSumExp takes floats. A long axis is cut into chunks: the
// scan of their folds, float32 for 16-bit floats, is what each starts from.
func Scan(e Emitter, op ScanOp, x, out Tensor, axis int, reverse, exclusive bool) {
	if out.Size() == 0 {
		return
	}
	if !ordinary(x.DType) || (op == LogCumSumExp && !x.DType.IsFloat()) {
		unsupported(string(op), x.DType)
	}
	args := scanArgsOf(x, axis, reverse, exclusive)
	args.op = uint32(slices.Index(scanOps, op))
	if op == LogCumSumExp {
		grid, group := gridFor(int(args.outer * args.inner))
		e.Emit(metal.Dispatch{Kernel: name("scan_logsumexp", x.DType), In: []metal.View{x.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
			Grid: grid, Group: group, FLOPs: int64(x.Size())})
		return
	}
	chunks := ceilDiv(int(args.n), scanChunk)
	args.chunk, args.chunks = scanChunk, uint64(chunks)
	var carry metal.View
	if chunks == 1 {
		carry = e.Scratch(8) // unread
	} else {
		outer, inner := int(args.outer), int(args.inner)
		wide, shape := widened(x.DType, true), []int{outer, chunks, inner}
		folds, before := Scratch(e, wide, shape...), Scratch(e, wide, shape...)
		reduceRun{e, scanFolds[op], x.DType, outer, inner}.emit(x.View, folds.View, int(args.n), scanChunk, false, true)
		Scan(e, op, folds, before, 1, reverse, true)
		carry = before.View
	}
	grid, group := gridFor(int(args.outer*args.inner) * chunks)
	e.Emit(metal.Dispatch{Kernel: name("scan", x.DType), In: []metal.View{x.View, carry}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: grid, Group: group, FLOPs: int64(x.Size())})
}

// LinearScan is out[k] = c[k] + a[k]·out[k-1] along axis, in float32, all
// contiguous; from the end if reverse is set. With before set, the factor is
// that of the element before, a[k-1].
func LinearScan(e Emitter, a, c, out Tensor, axis int, reverse, before bool) {
	if out.Size() == 0 {
		return
	}
	args := scanArgsOf(c, axis, reverse, before)
	grid, group := gridFor(int(args.outer * args.inner))
	e.Emit(metal.Dispatch{Kernel: "scan_linear_f32", In: []metal.View{a.View, c.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: grid, Group: group, FLOPs: 2 * int64(c.Size())})
}
