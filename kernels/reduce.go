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
// after another, the innermost first.
func Reduce(e Emitter, op ReduceOp, x, out Tensor, axes []int) {
	if out.Size() == 0 {
		return
	}
	if !storable(x.DType) {
		unsupported(string(op), x.DType)
	}
	axes = slices.Clone(axes)
	shape := slices.Clone(x.Shape)
	cur := x.View
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
		dst := out.View
		if len(axes) > 0 {
			dst = e.Scratch(int64(outer*inner) * int64(x.DType.Size()))
		}
		reduceRun(e, op, cur, dst, x.DType, outer, fold, inner)
		cur = dst
	}
}

func extent(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// reduceRun folds the middle axis of [outer, fold, inner], in two launches if it
// is long.
func reduceRun(e Emitter, op ReduceOp, src, dst metal.View, dt metal.DType, outer, fold, inner int) {
	emit := func(kernel string, src, dst metal.View, fold, chunk int) {
		chunks := max(ceilDiv(fold, chunk), 1)
		args := reduceArgs{outer: uint64(outer), reduce: uint64(fold), inner: uint64(inner), chunk: uint64(chunk), chunks: uint64(chunks),
			op: uint32(slices.Index(reduceOps, op))}
		grid, group := gridFor(outer * chunks * inner)
		e.Emit(metal.Dispatch{Kernel: kernel, In: []metal.View{src}, Out: []metal.View{dst}, Args: bytesOf(&args), Grid: grid, Group: group,
			FLOPs: int64(outer) * int64(fold) * int64(inner)})
	}
	if fold <= reduceChunk {
		emit(name("reduce", dt), src, dst, fold, reduceChunk)
		return
	}
	partial, join, size := name("reduce", dt), name("reduce", dt), dt.Size()
	if dt == metal.Float16 || dt == metal.BFloat16 {
		partial, join, size = name("reduce_partial", dt), name("reduce_join", dt), 4
	}
	chunks := ceilDiv(fold, reduceChunk)
	part := e.Scratch(int64(outer) * int64(chunks) * int64(inner) * int64(size))
	emit(partial, src, part, fold, reduceChunk)
	emit(join, part, dst, chunks, chunks)
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
