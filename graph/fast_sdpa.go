package graph

import (
	"fmt"
	"math"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// SDPAOptions are the attributes of scaled dot-product attention.
type SDPAOptions struct {
	Scale    float64
	Causal   bool   // query i sees keys up to i + (Tk - Tq)
	Mask     *Array // bool (true = visible) or additive, broadcast to [B,H,Tq,Tk]
	Segments *Array // int32 [B,Tq]: tokens see only their own segment; 0 is padding
	// KeySegments are the segments of the keys, int32 [B,Tk]; nil: those of the
	// queries, whose number Tk is then.
	KeySegments *Array
	Sinks       *Array // [H]: a score per head that joins the softmax and has no value
	Unfused     bool   // store the scores and round each step to the dtype, as MLX does under a gradient
}

// sdpa is flash attention: inputs q, k, v, then segments of queries and of keys
// if present;
// outputs are the result and the log-sum-exp of every row [B,H,Tq] float32,
// which the backward pass needs.
type sdpa struct {
	scale   float32
	causal  bool
	segment bool
	keys    bool // keys have segments of their own
}

// ScaledDotProductAttention is softmax(q@kᵀ·scale + mask)@v for q [B,H,Tq,D] and
// k, v [B,Hkv,Tk,D], H a multiple of Hkv. Nothing of size Tq×Tk is stored, also
// not in its gradient. Mirrors mx.fast.scaled_dot_product_attention, with
// segments as an extension for packed sequences.
func ScaledDotProductAttention(q, k, v *Array, opt SDPAOptions) *Array {
	present("ScaledDotProductAttention", q, k, v)
	const name = "ScaledDotProductAttention"
	check(len(q.shape) == 4 && len(k.shape) == 4 && len(v.shape) == 4, name, "q, k, v have shapes %v, %v, %v, want 4 axes", q.shape, k.shape, v.shape)
	check(k.shape[0] == q.shape[0] && v.shape[0] == q.shape[0] && v.shape[1] == k.shape[1] && v.shape[2] == k.shape[2] && k.shape[3] == q.shape[3],
		name, "shapes %v, %v, %v do not match", q.shape, k.shape, v.shape)
	check(k.shape[1] > 0 && q.shape[1]%k.shape[1] == 0, name, "%d query heads are not a multiple of %d key heads", q.shape[1], k.shape[1])
	dt := Promote(Promote(q.dtype, k.dtype), v.dtype)
	q, k, v = AsType(q, dt), AsType(k, dt), AsType(v, dt)
	wantFloat(name, q)
	if s := opt.Sinks; s != nil {
		check(len(s.shape) == 1 && s.shape[0] == q.shape[1], name, "sinks are %v, want one for each of %d heads", s, q.shape[1])
	}
	if !fusable(q, k, v, opt) {
		return attention(q, k, v, opt)
	}
	op := sdpa{scale: float32(opt.Scale), causal: opt.Causal}
	in := []*Array{q, k, v}
	if s := opt.Segments; s != nil {
		op.segment, in = true, append(in, segments(s, q))
		if opt.KeySegments != nil {
			op.keys, in = true, append(in, segments(opt.KeySegments, k))
		} else {
			segments(s, k)
		}
	}
	rows := &Array{shape: []int{q.shape[0], q.shape[1], q.shape[2]}, dtype: metal.Float32}
	return apply(op, in, &Array{shape: q.shape, dtype: dt}, rows)[0]
}

// segments checks the segments s of the tokens of x [B,H,T,D].
func segments(s, x *Array) *Array {
	check(s.dtype == metal.Int32 && len(s.shape) == 2 && s.shape[0] == x.shape[0] && s.shape[1] == x.shape[2],
		"ScaledDotProductAttention", "segments are %v, want int32 [%d %d]", s, x.shape[0], x.shape[2])
	return s
}

// fusable reports whether the flash kernel takes these shapes. A mask or
// sinks are left to the composed form: they may hide whole rows and may need a
// gradient.
func fusable(q, k, v *Array, opt SDPAOptions) bool {
	d := q.shape[3]
	return !opt.Unfused && opt.Mask == nil && opt.Sinks == nil && v.shape[3] == d && kernels.SDPAHeadDim(d) && q.Size() > 0 && k.Size() > 0
}

// attention is the composed form, which stores the scores.
func attention(q, k, v *Array, opt SDPAOptions) *Array {
	b, h, tq, tk := q.shape[0], q.shape[1], q.shape[2], k.shape[2]
	hk := k.shape[1]
	dt := q.dtype
	q = Multiply(q, opt.Scale)
	group := h / hk
	split := Reshape(q, b, hk, group, tq, q.shape[3])
	scores := Matmul(split, SwapAxes(ExpandDims(k, 2), -1, -2)) // [b,hk,group,tq,tk]
	hide := func(visible *Array) {                              // a row that is hidden whole becomes the uniform average, as in MLX
		scores = Where(visible, scores, Scalar(Lowest(dt), dt))
	}
	if opt.Causal {
		rows, cols := Arange(float64(tk-tq), float64(tk), 1, metal.Int32), Arange(0, float64(tk), 1, metal.Int32)
		hide(GreaterEqual(ExpandDims(rows, 1), ExpandDims(cols, 0)))
	}
	if s := opt.Segments; s != nil {
		keys := s
		if opt.KeySegments != nil {
			keys = opt.KeySegments
		}
		same := Equal(ExpandDims(s, 2), ExpandDims(keys, 1))
		hide(ExpandDims(same, 1, 2))
	}
	if m := opt.Mask; m != nil {
		full := Reshape(BroadcastTo(m, []int{b, h, tq, tk}), b, hk, group, tq, tk)
		if m.dtype == metal.Bool {
			hide(full)
		} else {
			scores = Add(scores, AsType(full, dt))
		}
	}
	if sinks := opt.Sinks; sinks != nil {
		column := BroadcastTo(Reshape(AsType(sinks, dt), 1, hk, group, 1, 1), []int{b, hk, group, tq, 1})
		scores = SliceAxis(Softmax(Concatenate([]*Array{scores, column}, -1), -1), -1, 0, tk)
	} else if opt.Unfused {
		scores = softmaxUnfused(scores)
	} else {
		scores = Softmax(scores, -1)
	}
	out := Matmul(scores, ExpandDims(v, 2))
	return Reshape(out, b, h, tq, v.shape[3])
}

// Lowest is the most negative finite value of a floating-point dtype.
func Lowest(dt metal.DType) float64 {
	switch dt {
	case metal.Float16:
		return -65504
	case metal.BFloat16:
		return -3.3895313892515355e38
	}
	return -math.MaxFloat32
}

func (op sdpa) String() string {
	return fmt.Sprintf("SDPA{%g causal=%v segments=%v}", op.scale, op.causal, op.segment)
}

// operands fills the fields that forward and backward share.
func (op sdpa) operands(l *Lowering, in []kernels.Tensor) kernels.SDPAOp {
	s := kernels.SDPAOp{Q: l.heads(in[0]), K: l.heads(in[1]), V: l.heads(in[2]), Scale: op.scale, Causal: op.causal}
	if op.segment {
		s.SegQ = l.Contiguous(in[3])
		s.SegK = s.SegQ
	}
	if op.keys {
		s.SegK = l.Contiguous(in[4])
	}
	return s
}

// OutStrides puts the heads of a token side by side; the log-sum-exp stays
// row-major.
func (op sdpa) OutStrides(output int, in []kernels.Tensor, shape []int) []int {
	if output > 0 {
		return nil
	}
	return tokenMajor(shape)
}

func (op sdpa) Lower(l *Lowering, in, out []kernels.Tensor) {
	s := op.operands(l, in)
	s.Out, s.LSE = out[0], out[1]
	kernels.SDPA(l, s)
}

func (op sdpa) VJP(c *Cotangents) []*Array {
	check(c.Cot[1] == nil, "Grad", "the log-sum-exp of attention has no gradient")
	q, k, v := c.In[0], c.In[1], c.In[2]
	in := append(append([]*Array{}, c.In...), c.Out[0], c.Out[1], c.Cot[0])
	g := apply(sdpaVJP{op}, in, &Array{shape: q.shape, dtype: q.dtype}, &Array{shape: k.shape, dtype: k.dtype}, &Array{shape: v.shape, dtype: v.dtype})
	return append(g, make([]*Array, len(c.In)-3)...)
}

// sdpaVJP is the flash backward pass: inputs are sdpa's, then its outputs and
// the cotangent; outputs dq, dk, dv.
type sdpaVJP struct{ sdpa }

func (op sdpaVJP) String() string {
	return fmt.Sprintf("SDPAVJP{%g causal=%v segments=%v}", op.scale, op.causal, op.segment)
}

// OutStrides gives every gradient the order of the projections.
func (op sdpaVJP) OutStrides(output int, in []kernels.Tensor, shape []int) []int {
	return tokenMajor(shape)
}

func (op sdpaVJP) Lower(l *Lowering, in, out []kernels.Tensor) {
	s := op.operands(l, in)
	n := len(in)
	s.Out, s.LSE = l.heads(in[n-3]), l.Contiguous(in[n-2])
	s.DOut = l.heads(in[n-1])
	s.DQ, s.DK, s.DV = out[0], l.orScratch(out[1]), l.orScratch(out[2])
	kernels.SDPAVJP(l, s)
}

// VJP differentiates the composed form of the gradient, which is a function of
// q, k, v and the cotangent alone: nothing flows to the saved outputs.
func (op sdpaVJP) VJP(c *Cotangents) []*Array {
	opt := SDPAOptions{Scale: float64(op.scale), Causal: op.causal}
	last := len(c.In) - 1
	grads := vjpThrough(c, func(in []*Array) []*Array {
		if op.segment {
			opt.Segments = in[3]
		}
		if op.keys {
			opt.KeySegments = in[4]
		}
		fn := func(p []*Array) []*Array { return []*Array{attention(p[0], p[1], p[2], opt)} }
		_, g := VJP(fn, in[:3], in[last:])
		return g
	})
	clear(grads[3:last])
	return grads
}
