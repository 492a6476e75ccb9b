package graph

import "slices"

// The rules of VMap for the ops with kernels of their own: the slices become
// further rows, sequences or batches of one application.

func (op crossEntropy) VMap(b *Batch) []*Array       { return b.merged(op) }
func (op crossEntropyGrad) VMap(b *Batch) []*Array   { return b.merged(op) }
func (op scaleRows) VMap(b *Batch) []*Array          { return b.merged(op) }
func (op linearCrossEntropy) VMap(b *Batch) []*Array { return b.merged(op, 1) }
func (op sdpa) VMap(b *Batch) []*Array               { return b.merged(op) }
func (op sdpaVJP) VMap(b *Batch) []*Array            { return b.merged(op) }

// VMap makes the gradient of h in one application; that of w is a sum within
// every slice.
func (op linearCrossEntropyVJP) VMap(b *Batch) []*Array {
	each := b.unstacked(op)
	if b.Mapped[1] {
		return each
	}
	in := slices.Clone(b.In)
	for i := range in {
		if i != 1 {
			in[i] = mergeFirst(b.full(i))
		}
	}
	outs := b.like(nil)
	outs[0].shape[0] *= b.N
	return []*Array{Reshape(apply(op, in, outs...)[0], b.front(b.Out[0].shape)...), each[1]}
}

// VMap repeats positions for every sequence of a slice, since the slices become
// further sequences. Mapped frequencies are left to one application each.
func (op rope) VMap(b *Batch) []*Array {
	in := []*Array{mergeFirst(b.full(0))}
	next := 1
	if op.hasPos {
		p, batch := b.full(1), b.Out[0].shape[0]
		if len(p.shape) == 2 {
			p = BroadcastTo(ExpandDims(p, 1), []int{b.N, batch, p.shape[1]})
		}
		in, next = append(in, mergeFirst(p)), 2
	}
	if op.hasFreq {
		if b.Mapped[next] {
			return nil
		}
		in = append(in, b.In[next])
	}
	return b.split(op, in)
}

// VMap scales by mapped weights after the rows are normalised, in float32.
func (op rmsNorm) VMap(b *Batch) []*Array {
	if len(b.In) == 1 || !b.Mapped[1] {
		return b.shared(op, 1)
	}
	x := asFloat32(b.full(0))
	n := apply1(op, x.shape, x.dtype, x)
	return []*Array{AsType(Multiply(n, asFloat32(between(b.In[1], len(x.shape)))), b.Out[0].dtype)}
}

// VMap takes the fused kernel for dx where the weights are shared; sums within
// a slice are composed.
func (op rmsNormVJP) VMap(b *Batch) []*Array {
	switch {
	case !op.weighted:
		return b.all(op)
	case b.Mapped[1] || len(b.Out) > 1:
		return b.through(op.composed(b.Out))
	}
	return b.shared(op, 1)
}

// VMap scales and shifts by mapped parameters after the rows are normalised, in
// float32.
func (op layerNorm) VMap(b *Batch) []*Array {
	if !b.Mapped[1] && !b.Mapped[2] {
		return b.shared(op, 1, 2)
	}
	x := asFloat32(b.full(0))
	n := []int{x.Dim(-1)}
	y := LayerNorm(x, Ones(n, x.dtype), nil, float64(op.eps))
	w, shift := between(b.full(1), len(x.shape)), between(b.full(2), len(x.shape))
	return []*Array{AsType(Add(Multiply(y, asFloat32(w)), asFloat32(shift)), b.Out[0].dtype)}
}

// VMap composes the gradient: its sums are within a slice.
func (op layerNormVJP) VMap(b *Batch) []*Array { return b.through(op.composed(b.Out)) }

// between puts axes of 1 after the first of a [N,n], to ndim axes.
func between(a *Array, ndim int) *Array {
	shape := slices.Repeat([]int{1}, ndim)
	shape[0], shape[ndim-1] = a.shape[0], a.shape[1]
	return Reshape(a, shape...)
}
