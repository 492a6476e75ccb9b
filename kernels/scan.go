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

var scanOps = []ScanOp{CumSum, CumProd, CumMax, CumMin, LogCumSumExp}

// scanArgs mirrors ScanArgs of scan.h.
type scanArgs struct {
	outer, n, inner        uint64
	op, reverse, exclusive uint32
	_                      uint32
}

func scanArgsOf(x Tensor, axis int, reverse, exclusive bool) scanArgs {
	args := scanArgs{outer: uint64(extent(x.Shape[:axis])), n: uint64(x.Shape[axis]), inner: uint64(extent(x.Shape[axis+1:]))}
	if reverse {
		args.reverse = 1
	}
	if exclusive {
		args.exclusive = 1
	}
	return args
}

// Scan writes the running folds of x along axis to out, both contiguous and of
// one dtype: from the end if reverse is set, without an element's own value if
// exclusive is. LogCumSumExp takes floats.
func Scan(e Emitter, op ScanOp, x, out Tensor, axis int, reverse, exclusive bool) {
	if out.Size() == 0 {
		return
	}
	kernel := name("scan", x.DType)
	if op == LogCumSumExp {
		kernel = name("scan_logsumexp", x.DType)
	}
	if !storable(x.DType) || (op == LogCumSumExp && !x.DType.IsFloat()) {
		unsupported(string(op), x.DType)
	}
	args := scanArgsOf(x, axis, reverse, exclusive)
	args.op = uint32(slices.Index(scanOps, op))
	grid, group := gridFor(int(args.outer * args.inner))
	e.Emit(metal.Dispatch{Kernel: kernel, In: []metal.View{x.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
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
