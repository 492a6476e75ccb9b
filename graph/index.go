package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// arange counts from start in steps.
type arange struct {
	constantGradient
	start, step float64
}

// Arange is start, start+step, … below stop. Mirrors mx.arange.
func Arange(start, stop, step float64, dt metal.DType) *Array {
	check(step != 0 && !math.IsInf(start, 0), "Arange", "%g to %g in steps of %g", start, stop, step)
	count := math.Ceil((stop - start) / step)
	check(count <= math.MaxInt32, "Arange", "%g to %g in steps of %g is %g numbers, at most %d", start, stop, step, count, math.MaxInt32)
	return apply1(arange{start: start, step: step}, []int{int(max(count, 0))}, dt)
}

func (op arange) String() string { return fmt.Sprintf("Arange{%g %g}", op.start, op.step) }

func (op arange) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Arange(l, out[0], op.start, op.step)
}

// gather reads rows of a table.
type gather struct{}

// Take reads elements of a along axis at integer indices, which replace the
// axis in the shape. Negative indices count from the end; an index outside the
// axis is an error of Eval. Mirrors mx.take.
func Take(a, indices *Array, axis int) *Array {
	present("Take", a, indices)
	check(indices.dtype.IsInteger(), "Take", "indices are %s, want integers", indices.dtype)
	axis = normAxis("Take", axis, len(a.shape))
	return take(a, insideAxis("Take", indices, a.shape[axis]), axis)
}

// take is Take of indices that are inside the axis.
func take(a, indices *Array, axis int) *Array {
	axis = normAxis("Take", axis, len(a.shape))
	if axis != 0 {
		moved := MoveAxis(a, axis, 0)
		rows := take(moved, indices, 0)
		n := len(indices.shape)
		perm := []int{}
		for i := range axis {
			perm = append(perm, n+i)
		}
		for i := range n {
			perm = append(perm, i)
		}
		for i := axis + n; i < len(rows.shape); i++ {
			perm = append(perm, i)
		}
		return Transpose(rows, perm...)
	}
	check(a.shape[0] > 0 || indices.Size() == 0, "Take", "axis %d of %v is empty", axis, a.shape)
	shape := append(slices.Clone(indices.shape), a.shape[1:]...)
	return apply1(gather{}, shape, a.dtype, a, indices)
}

// MoveAxis moves axis from to place to. Mirrors mx.moveaxis.
func MoveAxis(a *Array, from, to int) *Array {
	present("MoveAxis", a)
	n := len(a.shape)
	from, to = normAxis("MoveAxis", from, n), normAxis("MoveAxis", to, n)
	perm := []int{}
	for i := range n {
		if i != from {
			perm = append(perm, i)
		}
	}
	return Transpose(a, slices.Insert(perm, to, from)...)
}

func (gather) String() string { return "Gather" }

func (gather) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Gather(l, l.Contiguous(in[0]), l.Contiguous(in[1]), out[0])
}

func (gather) VJP(c *Cotangents) []*Array {
	table, ids := c.In[0], c.In[1]
	return []*Array{apply1(scatterAdd{}, table.shape, c.Cot[0].dtype, ids, c.Cot[0]), nil}
}

// scatterAdd adds rows into a table of zeros: inputs ids and the rows.
type scatterAdd struct{}

func (scatterAdd) String() string { return "ScatterAdd" }

func (scatterAdd) Lower(l *Lowering, in, out []kernels.Tensor) {
	n := in[0].Size()
	ids, rows := l.Contiguous(in[0]), l.Contiguous(in[1])
	width := sizeOf(out[0].Shape[1:])
	kernels.ScatterAdd(l, kernels.Contig(ids.View, ids.DType, n), kernels.Contig(rows.View, rows.DType, n, width),
		kernels.Contig(out[0].View, out[0].DType, out[0].Shape[0], width))
}

func (scatterAdd) VJP(c *Cotangents) []*Array {
	return []*Array{nil, apply1(gather{}, c.In[1].shape, c.Cot[0].dtype, c.Cot[0], c.In[0])}
}

// gatherAxis reads one element per index along an axis.
type gatherAxis struct{ axis int }

// TakeAlongAxis reads a at indices along axis; indices broadcast to a outside
// that axis. Negative indices count from the end; one outside is an error of
// Eval. Mirrors mx.take_along_axis.
func TakeAlongAxis(a, indices *Array, axis int) *Array {
	present("TakeAlongAxis", a, indices)
	axis = normAxis("TakeAlongAxis", axis, len(a.shape))
	check(len(indices.shape) == len(a.shape) && indices.dtype.IsInteger(), "TakeAlongAxis", "indices are %v for an array of shape %v", indices, a.shape)
	return takeAlongAxis(a, insideAxis("TakeAlongAxis", indices, a.shape[axis]), axis)
}

// takeAlongAxis is TakeAlongAxis of indices that are inside the axis.
func takeAlongAxis(a, indices *Array, axis int) *Array {
	axis = normAxis("TakeAlongAxis", axis, len(a.shape))
	as, is := slices.Clone(a.shape), slices.Clone(indices.shape)
	as[axis], is[axis] = 1, 1
	outer := broadcastShapes("TakeAlongAxis", as, is)
	as, is = slices.Clone(outer), slices.Clone(outer)
	as[axis], is[axis] = a.shape[axis], indices.shape[axis]
	return apply1(gatherAxis{axis}, is, a.dtype, BroadcastTo(a, as), BroadcastTo(indices, is))
}

func (op gatherAxis) String() string { return fmt.Sprintf("GatherAxis[%d]", op.axis) }

func (op gatherAxis) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.GatherAxis(l, l.Contiguous(in[0]), l.Contiguous(in[1]), out[0], op.axis)
}

func (op gatherAxis) VJP(c *Cotangents) []*Array {
	a, idx := c.In[0], c.In[1]
	return []*Array{apply1(scatterAxis{op.axis, scatterSum}, a.shape, c.Cot[0].dtype, ZerosLike(a), idx, c.Cot[0]), nil}
}

// scatterAxis writes or adds one element per index along an axis of its first
// input: inputs a, indices, updates.
type scatterAxis struct {
	axis int
	how  scatterMode
}

// scatterMode is what becomes of an element that an index names.
type scatterMode int

const (
	scatterPut scatterMode = iota
	scatterSum
	scatterProduct
	scatterMaximum
	scatterMinimum
)

// PutAlongAxis is a with values written at indices along axis. Negative indices
// count from the end; one outside is an error of Eval. Mirrors
// mx.put_along_axis.
func PutAlongAxis(a, indices, values *Array, axis int) *Array {
	present("PutAlongAxis", a, indices)
	axis = normAxis("PutAlongAxis", axis, len(a.shape))
	check(len(indices.shape) == len(a.shape) && indices.dtype.IsInteger(), "PutAlongAxis", "indices are %v for an array of shape %v", indices, a.shape)
	return putAlongAxis(a, insideAxis("PutAlongAxis", indices, a.shape[axis]), values, axis)
}

// putAlongAxis is PutAlongAxis at indices that are inside the axis.
func putAlongAxis(a, indices, values *Array, axis int) *Array {
	shape := slices.Clone(a.shape)
	shape[axis] = indices.shape[axis]
	return apply1(scatterAxis{axis, scatterPut}, a.shape, a.dtype, a, BroadcastTo(indices, shape), BroadcastTo(AsType(values, a.dtype), shape))
}

func (op scatterAxis) String() string {
	how := []string{"add=false", "add=true", "multiply", "maximum", "minimum"}[op.how]
	return fmt.Sprintf("ScatterAxis[%d %s]", op.axis, how)
}

func (op scatterAxis) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Copy(l, in[0], out[0])
	idx, values := l.Contiguous(in[1]), l.Contiguous(in[2])
	switch op.how {
	case scatterPut, scatterSum:
		kernels.ScatterAxis(l, op.how == scatterSum, idx, values, out[0], op.axis)
	default:
		kernels.ScatterFold(l, kernels.Fold(op.how-scatterProduct), idx, values, out[0], op.axis)
	}
}

func (op scatterAxis) VJP(c *Cotangents) []*Array {
	a, idx, g := c.In[0], c.In[1], c.Cot[0]
	at := func(x *Array) *Array { return apply1(gatherAxis{op.axis}, idx.shape, x.dtype, x, idx) }
	ga, gv := g, func() *Array { return at(g) }
	switch op.how {
	case scatterPut:
		ga = apply1(scatterAxis{op.axis, scatterPut}, g.shape, g.dtype, g, idx, Zeros(idx.shape, g.dtype))
	case scatterMaximum, scatterMinimum: // all that are the result get its cotangent
		ga = Where(Equal(c.Out[0], a), g, ZerosLike(g))
		gv = func() *Array { return Where(Equal(at(c.Out[0]), c.In[2]), at(g), Zeros(idx.shape, g.dtype)) }
	case scatterProduct:
		return noGradient{"a product at indices"}.VJP(c)
	}
	return []*Array{ga, nil, when(c.Want[2], gv)}
}
