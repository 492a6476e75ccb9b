package kernels

import (
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// ReduceOp is a fold over axes, by its name.
type ReduceOp string

// The folds, in the order of the op codes in reduce.h.
const (
	Sum    ReduceOp = "Sum"
	Prod   ReduceOp = "Prod"
	Max    ReduceOp = "Max"
	Min    ReduceOp = "Min"
	All    ReduceOp = "All"
	Any    ReduceOp = "Any"
	ArgMax ReduceOp = "ArgMax"
	ArgMin ReduceOp = "ArgMin"
)

var reduceOps = []ReduceOp{Sum, Prod, Max, Min, All, Any, ArgMax, ArgMin}

// reduceChunk is how many elements one thread folds before a second launch joins
// the parts.
const reduceChunk = 1024

// reduceArgs mirrors ReduceArgs of reduce.h.
type reduceArgs struct {
	outer, reduce, inner, chunk, chunks uint64
	op                                  uint32
	_                                   uint32
}

// Reduce folds the given axes (ascending) of x, contiguous, into out of the
// same dtype, contiguous. Axes that do not lie together are folded one run
// after another, the innermost first; what lies between two runs of a 16-bit
// float is float32.
func Reduce(e Emitter, op ReduceOp, x, out Tensor, axes []int) {
	if out.Size() == 0 {
		return
	}
	if x.DType == metal.Complex64 && (op == All || op == Any) {
		unsupported(string(op), x.DType)
	}
	axes = slices.Clone(axes)
	shape := slices.Clone(x.Shape)
	cur, wide := x.View, false
	for len(axes) > 0 {
		first := len(axes) - 1
		for first > 0 && axes[first-1] == axes[first]-1 {
			first--
		}
		run := axes[first:]
		axes = axes[:first]
		outer, fold, inner := extent(shape[:run[0]]), extent(shape[run[0]:run[0]+len(run)]), extent(shape[run[0]+len(run):])
		for _, ax := range run {
			shape[ax] = 1
		}
		dst, more := out.View, len(axes) > 0
		if more {
			dst = e.Scratch(int64(outer*inner) * int64(widened(x.DType, true).Size()))
		}
		r := reduceRun{e, op, x.DType, outer, inner}
		r.fold(cur, dst, fold, wide, more)
		cur, wide = dst, more
	}
}

func extent(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// widened is the dtype of partial results of dt.
func widened(dt metal.DType, wide bool) metal.DType {
	if wide && (dt == metal.Float16 || dt == metal.BFloat16) {
		return metal.Float32
	}
	return dt
}

// reduceRun folds the middle axis of [outer, fold, inner].
type reduceRun struct {
	e            Emitter
	op           ReduceOp
	dt           metal.DType
	outer, inner int
}

// fold takes two launches if the axis is long. fromWide and toWide tell whether
// src and dst hold partial results.
func (r reduceRun) fold(src, dst metal.View, n int, fromWide, toWide bool) {
	if n <= reduceChunk {
		r.emit(src, dst, n, reduceChunk, fromWide, toWide)
		return
	}
	chunks := ceilDiv(n, reduceChunk)
	part := r.e.Scratch(int64(r.outer) * int64(chunks) * int64(r.inner) * int64(widened(r.dt, true).Size()))
	r.emit(src, part, n, reduceChunk, fromWide, true)
	r.emit(part, dst, chunks, chunks, true, toWide)
}

func (r reduceRun) emit(src, dst metal.View, n, chunk int, fromWide, toWide bool) {
	from, to := widened(r.dt, fromWide), widened(r.dt, toWide)
	kernel := name("reduce", from)
	switch {
	case r.dt == metal.Complex64:
		kernel = name("complex_reduce", from)
	case from.Size() < to.Size():
		kernel = name("reduce_partial", from)
	case from.Size() > to.Size():
		kernel = name("reduce_join", to)
	}
	chunks := max(ceilDiv(n, chunk), 1)
	args := reduceArgs{outer: uint64(r.outer), reduce: uint64(n), inner: uint64(r.inner), chunk: uint64(chunk), chunks: uint64(chunks),
		op: uint32(slices.Index(reduceOps, r.op))}
	grid, group := gridFor(r.outer * chunks * r.inner)
	r.e.Emit(metal.Dispatch{Kernel: kernel, In: []metal.View{src}, Out: []metal.View{dst}, Args: bytesOf(&args), Grid: grid, Group: group,
		FLOPs: int64(r.outer) * int64(n) * int64(r.inner)})
}

// SumNarrow adds the last axis of x, contiguous and of a float dtype, in order,
// rounding to it after every addition; out lacks that axis.
func SumNarrow(e Emitter, x, out Tensor) {
	rows, n := lastAxis(x)
	if rows == 0 {
		return
	}
	args := reduceArgs{outer: uint64(rows), reduce: uint64(n), inner: 1, chunk: uint64(n), chunks: 1, op: uint32(slices.Index(reduceOps, Sum))}
	grid, group := gridFor(rows)
	e.Emit(metal.Dispatch{Kernel: name("reduce_narrow", x.DType), In: []metal.View{x.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: grid, Group: group, FLOPs: int64(x.Size())})
}

// ArgReduce writes the index of the first extreme element along an axis of x,
// contiguous, to out, uint32.
func ArgReduce(e Emitter, op ReduceOp, x, out Tensor, axis int) {
	if out.Size() == 0 {
		return
	}
	outer, fold, inner := extent(x.Shape[:axis]), x.Shape[axis], extent(x.Shape[axis+1:])
	args := reduceArgs{outer: uint64(outer), reduce: uint64(fold), inner: uint64(inner), chunk: uint64(fold), chunks: 1, op: uint32(slices.Index(reduceOps, op))}
	grid, group := gridFor(outer * inner)
	e.Emit(metal.Dispatch{Kernel: name("reduce_arg", x.DType), In: []metal.View{x.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: grid, Group: group, FLOPs: int64(x.Size())})
}
