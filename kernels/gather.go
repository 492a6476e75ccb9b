package kernels

import "github.com/ftmetal/ftmetal/metal"

// gatherArgs mirrors GatherArgs of gather.h.
type gatherArgs struct {
	rows, width uint64
	table       int64
}

// gatherAxisArgs mirrors GatherAxisArgs of gather.h.
type gatherAxisArgs struct {
	outer, axis, inner, count uint64
	add                       uint32
	_                         uint32
}

// gatherCheckArgs mirrors GatherCheckArgs of gather.h.
type gatherCheckArgs struct {
	n, threads uint64
	low, high  int64
}

// checkEach is how many indices a thread of CheckIndices looks at.
const checkEach = 1024

// CheckedIndices is the number of words, int64, that CheckIndices writes for n
// indices.
func CheckedIndices(n int) int { return 2 * ceilDiv(n, checkEach) }

// CheckIndices looks for indices outside [low, high) among ids, contiguous
// integers; unsigned ones are never below. found gets pairs, one for each
// thread: the place of its first index outside, counted from 1, and that index,
// or two zeros.
func CheckIndices(e Emitter, ids, found Tensor, low, high int64) {
	if !ids.DType.IsSigned() {
		low = max(low, 0)
	}
	threads := found.Size() / 2
	args := gatherCheckArgs{n: uint64(ids.Size()), threads: uint64(threads), low: low, high: high}
	grid, group := gridFor(threads)
	e.Emit(metal.Dispatch{Kernel: "gather_check_" + ids.DType.Suffix(), In: []metal.View{ids.View}, Out: []metal.View{found.View},
		Args: bytesOf(&args), Grid: grid, Group: group})
}

// indices is ids in a dtype that the kernels read: int32 and uint32 as they
// are, others converted.
func indices(e Emitter, ids Tensor) Tensor {
	if ids.DType == metal.Int32 || ids.DType == metal.Uint32 {
		return ids
	}
	c := Scratch(e, metal.Int32, ids.Shape...)
	Copy(e, ids, c)
	return c
}

func gatherKernel(stem string, ids, x metal.DType) string {
	return stem + "_" + ids.Suffix() + "_" + x.Suffix()
}

// wantPlaces refuses an axis without elements for indices to name.
func wantPlaces(op string, shape []int, axis int) {
	if shape[axis] == 0 {
		refuse("%s: axis %d of %v is empty", op, axis, shape)
	}
}

// Gather reads rows: out[r] = table[ids[r]], with table [V, D…], ids of any
// shape and integer dtype, all contiguous.
func Gather(e Emitter, table, ids, out Tensor) {
	if out.Size() == 0 {
		return
	}
	wantPlaces("Gather", table.Shape, 0)
	ids = indices(e, ids)
	n := ids.Size()
	args := gatherArgs{rows: uint64(n), width: uint64(out.Size() / n), table: int64(table.Shape[0])}
	grid, group := gridFor(out.Size())
	e.Emit(metal.Dispatch{Kernel: gatherKernel("gather", ids.DType, table.DType), In: []metal.View{table.View, ids.View},
		Out: []metal.View{out.View}, Args: bytesOf(&args), Grid: grid, Group: group})
}

// ScatterAdd is out[t] = Σ x[r] over ids[r] = t, for out [V, D] (rows that no
// index names become 0), ids [N], x [N, D]. The sum runs in the order of r.
func ScatterAdd(e Emitter, ids, x, out Tensor) {
	if out.Size() == 0 {
		return
	}
	ids = indices(e, ids)
	args := gatherArgs{rows: uint64(ids.Size()), width: uint64(out.Shape[1]), table: int64(out.Shape[0])}
	grid, group := gridFor(out.Size())
	e.Emit(metal.Dispatch{Kernel: gatherKernel("gather_scatter_add", ids.DType, x.DType), In: []metal.View{ids.View, x.View},
		Out: []metal.View{out.View}, Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: int64(x.Size())})
}

func axisArgs(shape []int, axis, count int) gatherAxisArgs {
	return gatherAxisArgs{outer: uint64(extent(shape[:axis])), axis: uint64(shape[axis]), inner: uint64(extent(shape[axis+1:])), count: uint64(count)}
}

// GatherAxis reads x along an axis at idx, which has x's shape but for that
// axis; all contiguous.
func GatherAxis(e Emitter, x, idx, out Tensor, axis int) {
	if out.Size() == 0 {
		return
	}
	wantPlaces("GatherAxis", x.Shape, axis)
	idx = indices(e, idx)
	args := axisArgs(x.Shape, axis, idx.Shape[axis])
	grid, group := gridFor(out.Size())
	e.Emit(metal.Dispatch{Kernel: gatherKernel("gather_axis", idx.DType, x.DType), In: []metal.View{x.View, idx.View},
		Out: []metal.View{out.View}, Args: bytesOf(&args), Grid: grid, Group: group})
}

// ScatterAxis writes x, or adds it if add is set, to out along an axis at idx;
// what no index names keeps its value. All contiguous.
func ScatterAxis(e Emitter, add bool, idx, x, out Tensor, axis int) {
	if x.Size() == 0 {
		return
	}
	wantPlaces("ScatterAxis", out.Shape, axis)
	idx = indices(e, idx)
	args := axisArgs(out.Shape, axis, idx.Shape[axis])
	args.add = flag(add)
	grid, group := gridFor(int(args.outer * args.inner))
	e.Emit(metal.Dispatch{Kernel: gatherKernel("gather_scatter_axis", idx.DType, x.DType), In: []metal.View{idx.View, x.View},
		Out: []metal.View{out.View}, Args: bytesOf(&args), Grid: grid, Group: group})
}

// Fold is a function of two elements that ScatterFold applies.
type Fold uint32

// The functions are GATHER_MULTIPLY and so on of gather.h.
const (
	FoldMultiply Fold = iota
	FoldMaximum
	FoldMinimum
)

// ScatterFold replaces elements of out along an axis at idx by f of them and of
// x, in the order of the indices. All contiguous; not for complex64.
func ScatterFold(e Emitter, f Fold, idx, x, out Tensor, axis int) {
	if x.Size() == 0 {
		return
	}
	if !ordinary(x.DType) {
		unsupported("ScatterFold", x.DType)
	}
	wantPlaces("ScatterFold", out.Shape, axis)
	idx = indices(e, idx)
	args := axisArgs(out.Shape, axis, idx.Shape[axis])
	args.add = uint32(f)
	grid, group := gridFor(int(args.outer * args.inner))
	e.Emit(metal.Dispatch{Kernel: gatherKernel("gather_scatter_fold", idx.DType, x.DType), In: []metal.View{idx.View, x.View},
		Out: []metal.View{out.View}, Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: int64(x.Size())})
}
