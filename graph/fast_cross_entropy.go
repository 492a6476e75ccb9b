package graph

import (
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// crossEntropyChunk bounds the logits that exist at one time, in elements: 16M
// are 64 MiB of float32.
const crossEntropyChunk = 16 << 20

// linearCrossEntropy has the inputs h [T,d], w [V,d], targets [T]; its outputs
// are the loss and log-sum-exp of every row, and dh0 = d loss[t] / d h[t],
// which is computed with the loss where w is frozen.
type linearCrossEntropy struct{}

// LinearCrossEntropy is the cross-entropy of the logits h@wᵀ against targets:
// h [T,d], w [V,d], targets int32 [T], negative for rows that do not count (their
// loss is 0); a target of V or more is an error of Eval. It returns float32 [T]. The logits are made a chunk of rows at a
// time and never stored whole (Cut Cross-Entropy, arXiv 2411.09009, in chunks).
func LinearCrossEntropy(h, w, targets *Array) *Array {
	present("LinearCrossEntropy", h, w, targets)
	check(len(h.shape) == 2 && len(w.shape) == 2 && h.shape[1] == w.shape[1], "LinearCrossEntropy", "h is %v and w %v, want [T,d] and [V,d]", h.shape, w.shape)
	check(len(targets.shape) == 1 && targets.shape[0] == h.shape[0] && targets.dtype == metal.Int32, "LinearCrossEntropy", "targets are %v, want int32 [%d]", targets, h.shape[0])
	check(h.dtype == w.dtype, "LinearCrossEntropy", "h is %s and w %s", h.dtype, w.dtype)
	wantFloat("LinearCrossEntropy", h)
	t := h.shape[0]
	targets = underClasses("LinearCrossEntropy", targets, w.shape[0])
	return apply(linearCrossEntropy{}, []*Array{h, w, targets},
		&Array{shape: []int{t}, dtype: metal.Float32}, &Array{shape: []int{t}, dtype: metal.Float32}, &Array{shape: h.shape, dtype: h.dtype})[0]
}

func (linearCrossEntropy) String() string { return "LinearCrossEntropy" }

// chunkRows is how many rows of logits are made at a time.
func chunkRows(rows, vocab int) int {
	return min(rows, max(64, crossEntropyChunk/max(vocab, 1)/64*64))
}

func (linearCrossEntropy) Lower(l *Lowering, in, out []kernels.Tensor) {
	h, w := l.Contiguous(in[0]), l.Contiguous(in[1])
	kernels.LinearCrossEntropy(l, h, w, l.Contiguous(in[2]), out[0], l.orScratch(out[1]), out[2], chunkRows(h.Shape[0], w.Shape[0]))
}

func (linearCrossEntropy) VJP(c *Cotangents) []*Array {
	h, w, g := c.In[0], c.In[1], c.Cot[0]
	if g == nil || c.Cot[1] != nil || c.Cot[2] != nil { // a derivative of the gradient
		return vjpThrough(c, linearCrossEntropyComposed)
	}
	if !c.Want[1] {
		dh := apply1(scaleRows{}, h.shape, h.dtype, c.Out[2], g)
		return []*Array{dh, nil, nil}
	}
	in := []*Array{h, w, c.In[2], c.Out[1], g}
	grads := apply(linearCrossEntropyVJP{}, in, &Array{shape: h.shape, dtype: h.dtype}, &Array{shape: w.shape, dtype: w.dtype})
	return []*Array{grads[0], grads[1], nil}
}

// linearCrossEntropyVJP makes the logits again, a chunk at a time: inputs h, w,
// targets, log-sum-exp and the loss's cotangent; outputs dh and dw.
type linearCrossEntropyVJP struct{}

func (linearCrossEntropyVJP) String() string { return "LinearCrossEntropyVJP" }

func (linearCrossEntropyVJP) Lower(l *Lowering, in, out []kernels.Tensor) {
	h, w := l.Contiguous(in[0]), l.Contiguous(in[1])
	kernels.LinearCrossEntropyVJP(l, h, w, l.Contiguous(in[2]), in[3], l.Contiguous(in[4]), out[0], out[1], chunkRows(h.Shape[0], w.Shape[0]))
}

// VJP differentiates the composed form of the gradient, a function of h, w and
// the cotangent alone: nothing flows to the saved log-sum-exp.
func (linearCrossEntropyVJP) VJP(c *Cotangents) []*Array {
	return vjpThrough(c, func(in []*Array) []*Array {
		loss := func(p []*Array) []*Array { return linearCrossEntropyComposed([]*Array{p[0], p[1], in[2]})[:1] }
		_, grads := VJP(loss, in[:2], in[4:])
		return grads
	})
}

// linearCrossEntropyComposed is the outputs of linearCrossEntropy made of other
// ops, with the logits stored.
func linearCrossEntropyComposed(in []*Array) []*Array {
	h, w := asFloat32(in[0]), asFloat32(in[1])
	logits := Matmul(h, Transpose(w))
	out := crossEntropyComposed([]*Array{logits, in[2]})
	ones := Ones(in[2].shape, metal.Float32)
	dh := Matmul(crossEntropyGradComposed(logits, in[2], ones), w)
	return append(out, AsType(dh, in[0].dtype))
}

// scaleRows multiplies row t of x [T,d] by s[t], float32.
type scaleRows struct{}

func (scaleRows) String() string { return "ScaleRows" }

func (scaleRows) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.ScaleRows(l, l.Contiguous(in[0]), l.Contiguous(in[1]), out[0])
}

func (scaleRows) VJP(c *Cotangents) []*Array {
	x, s, g := c.In[0], c.In[1], c.Cot[0]
	return []*Array{
		when(c.Want[0], func() *Array { return apply1(scaleRows{}, x.shape, x.dtype, g, s) }),
		when(c.Want[1], func() *Array { return Sum(Multiply(asFloat32(x), asFloat32(g)), []int{1}, false) }),
	}
}

// crossEntropy has the inputs logits [T,V] and targets [T]; outputs are the loss
// and the log-sum-exp of every row.
type crossEntropy struct{}

// CrossEntropy is ln Σ eˡ - l[target] for each row of logits [...,V] with integer
// targets [...], 0 where a target is negative; one of V or more is an error of
// Eval. It returns float32 [...]. Mirrors mx.fast.cross_entropy.
func CrossEntropy(logits, targets *Array) *Array {
	present("CrossEntropy", logits, targets)
	n := len(logits.shape) - 1
	check(n >= 0 && slices.Equal(targets.shape, logits.shape[:n]) && targets.dtype.IsInteger(),
		"CrossEntropy", "logits are %v and targets %v, want [...,V] and integers [...]", logits, targets)
	wantFloat("CrossEntropy", logits)
	targets = AsType(underClasses("CrossEntropy", targets, logits.shape[n]), metal.Int32)
	rows := []int{sizeOf(targets.shape)}
	x := Reshape(logits, rows[0], logits.shape[n])
	loss := apply(crossEntropy{}, []*Array{x, Reshape(targets, rows...)}, &Array{shape: rows, dtype: metal.Float32}, &Array{shape: rows, dtype: metal.Float32})[0]
	return Reshape(loss, targets.shape...)
}

func (crossEntropy) String() string { return "CrossEntropy" }

func (crossEntropy) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.CrossEntropy(l, l.Contiguous(in[0]), l.Contiguous(in[1]), out[0], l.orScratch(out[1]))
}

func (crossEntropy) VJP(c *Cotangents) []*Array {
	if c.Cot[0] == nil || c.Cot[1] != nil {
		return vjpThrough(c, crossEntropyComposed)
	}
	x := c.In[0]
	return []*Array{apply1(crossEntropyGrad{}, x.shape, x.dtype, x, c.In[1], c.Out[1], c.Cot[0]), nil}
}

// crossEntropyComposed is the outputs of crossEntropy made of other ops.
func crossEntropyComposed(in []*Array) []*Array {
	x, targets := asFloat32(in[0]), in[1]
	lse := LogSumExp(x, []int{1}, false)
	at := Squeeze(takeAlongAxis(x, ExpandDims(Maximum(targets, 0), 1), 1), 1)
	return []*Array{Where(GreaterEqual(targets, 0), Subtract(lse, at), 0.0), lse}
}

// crossEntropyGradComposed is (softmax - onehot)·g made of other ops, in
// float32.
func crossEntropyGradComposed(logits, targets, g *Array) *Array {
	p := Softmax(asFloat32(logits), -1)
	hot := Equal(ExpandDims(targets, 1), Arange(0, float64(logits.shape[1]), 1, targets.dtype))
	counts := AsType(GreaterEqual(targets, 0), metal.Float32)
	return Multiply(Subtract(p, AsType(hot, metal.Float32)), ExpandDims(Multiply(g, counts), 1))
}

// crossEntropyGrad is (softmax - onehot)·g; inputs logits, targets, log-sum-exp
// and the loss's cotangent.
type crossEntropyGrad struct{}

func (crossEntropyGrad) String() string { return "CrossEntropyGrad" }

func (crossEntropyGrad) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.CrossEntropyGrad(l, l.Contiguous(in[0]), l.Contiguous(in[1]), in[2], l.Contiguous(in[3]), out[0])
}

// VJP differentiates the composed form, a function of the logits and the
// cotangent alone: nothing flows to the saved log-sum-exp.
func (crossEntropyGrad) VJP(c *Cotangents) []*Array {
	return vjpThrough(c, func(in []*Array) []*Array {
		return []*Array{AsType(crossEntropyGradComposed(in[0], in[1], in[3]), c.Out[0].dtype)}
	})
}
