package graph

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// The rules of VMap for ops that compute elements, rows, and shapes. An op
// without one is applied slice by slice.

// Elementwise ops and ops over the last axis take further axes in front.

func (op unary) VMap(b *Batch) []*Array            { return b.all(op) }
func (op binary) VMap(b *Batch) []*Array           { return b.all(op) }
func (op where) VMap(b *Batch) []*Array            { return b.all(op) }
func (op asType) VMap(b *Batch) []*Array           { return b.all(op) }
func (op stopGradient) VMap(b *Batch) []*Array     { return b.all(op) }
func (op contiguous) VMap(b *Batch) []*Array       { return b.all(op) }
func (op sigmoidOf) VMap(b *Batch) []*Array        { return b.all(op) }
func (op softmax) VMap(b *Batch) []*Array          { return b.all(op) }
func (op softmaxVJP) VMap(b *Batch) []*Array       { return b.all(op) }
func (op softmaxOf) VMap(b *Batch) []*Array        { return b.all(op) }
func (op logSumExpUnfused) VMap(b *Batch) []*Array { return b.all(op) }
func (op narrowSum) VMap(b *Batch) []*Array        { return b.all(op) }
func (op logSumExp) VMap(b *Batch) []*Array        { return b.all(op) }
func (op argSort) VMap(b *Batch) []*Array          { return b.all(op) }

// VMap of a tracer is nothing: the gradient it served is part of the graph by
// now.
func (tracer) VMap(b *Batch) []*Array { return b.In }

// Ops with an axis have it one place further on.

func (op concatenate) VMap(b *Batch) []*Array { return b.all(concatenate{op.axis + 1}) }
func (op gatherAxis) VMap(b *Batch) []*Array  { return b.all(gatherAxis{op.axis + 1}) }
func (op scatterAxis) VMap(b *Batch) []*Array { return b.all(scatterAxis{op.axis + 1, op.how}) }

func (op argReduce) VMap(b *Batch) []*Array {
	op.axis++
	return b.all(op)
}

func (op scan) VMap(b *Batch) []*Array {
	op.axis++
	return b.all(op)
}

func (op linearScan) VMap(b *Batch) []*Array {
	op.axis++
	return b.all(op)
}

func (op reduce) VMap(b *Batch) []*Array { return b.all(reduce{op.op, later(op.axes)}) }

func (op transpose) VMap(b *Batch) []*Array {
	return b.all(transpose{append([]int{0}, later(op.axes)...)})
}

func (op slice) VMap(b *Batch) []*Array     { return b.all(op.behind()) }
func (op sliceGrad) VMap(b *Batch) []*Array { return b.all(sliceGrad{op.behind()}) }

// behind is op with a whole axis in front.
func (op slice) behind() slice {
	return slice{append([]int{0}, op.start...), append([]int{1}, op.step...)}
}

// later is axes one place further on.
func later(axes []int) []int {
	moved := slices.Clone(axes)
	for i := range moved {
		moved[i]++
	}
	return moved
}

func (reshape) VMap(b *Batch) []*Array {
	return []*Array{Reshape(b.In[0], b.front(b.Out[0].shape)...)}
}

func (broadcastTo) VMap(b *Batch) []*Array {
	x, shape := b.In[0], b.Out[0].shape
	aligned := b.front(append(slices.Repeat([]int{1}, len(shape)-len(x.shape)+1), x.shape[1:]...))
	return []*Array{BroadcastTo(Reshape(x, aligned...), b.front(shape))}
}

// VMap makes one tall product where all slices share a right matrix.
func (op matmul) VMap(b *Batch) []*Array {
	if len(b.Out[0].shape) == 2 && !b.Mapped[1] {
		return b.merged(op, 1)
	}
	return b.all(op)
}

func (op lowRank) VMap(b *Batch) []*Array    { return b.merged(op, 1, 3) }
func (op loraLinear) VMap(b *Batch) []*Array { return b.merged(op, 1, 2, 3) }

// VMap reads the slices' rows of one table: a table of all slices side by side
// if it is mapped, or else the same rows for every slice.
func (gather) VMap(b *Batch) []*Array {
	table, ids := b.In[0], b.In[1]
	if !b.Mapped[1] {
		return []*Array{MoveAxis(take(MoveAxis(table, 0, 1), ids, 0), len(ids.shape), 0)}
	}
	if b.Mapped[0] {
		ids, table = b.rows(ids, table.shape[1]), mergeFirst(table)
	}
	return []*Array{take(table, ids, 0)}
}

// VMap adds into a table of all slices side by side, or into rows that hold
// those of all slices.
func (op scatterAdd) VMap(b *Batch) []*Array {
	ids, rows, out := b.In[0], b.full(1), b.Out[0]
	if !b.Mapped[0] {
		n := len(ids.shape)
		wide := append([]int{out.shape[0], b.N}, out.shape[1:]...)
		return []*Array{MoveAxis(apply1(op, wide, out.dtype, ids, MoveAxis(rows, 0, n)), 1, 0)}
	}
	tall := append([]int{b.N * out.shape[0]}, out.shape[1:]...)
	sum := apply1(op, tall, out.dtype, b.rows(ids, out.shape[0]), rows)
	return []*Array{Reshape(sum, b.front(out.shape)...)}
}

// rows is where the rows named by ids [N,...] lie in a table of N times n rows,
// by the rule of Take: a negative index counts from the end. One outside stays in
// its slice: the check before the op finds it.
func (b *Batch) rows(ids *Array, n int) *Array {
	dt := metal.Int32
	if ids.dtype.Size() == 8 || ids.dtype == metal.Uint32 || b.N*n > math.MaxInt32 {
		dt = metal.Int64
	}
	ids = AsType(ids, dt)
	ids = Clip(Where(Less(ids, 0), Add(ids, n), ids), 0, n-1)
	return Add(ids, alongAxis(Arange(0, float64(b.N*n), float64(n), dt), 0, len(ids.shape)))
}
