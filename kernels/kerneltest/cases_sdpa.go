package kerneltest

import (
	"math"
	"sync"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// attention is a case of SDPA being made. Dims are B, H, Hkv, Tq, Tk, D.
type attention struct {
	s  *Setup
	op kernels.SDPAOp
	is ref.SDPA
}

// sdpaForm is what a row of the table asks for besides sizes.
type sdpaForm struct {
	name             string // of the row
	causal, segments bool
	tokenMajor       bool // the heads of a token lie side by side, as projections leave them
}

func newAttention(s *Setup, f sdpaForm) *attention {
	d := s.Dims
	a := &attention{s: s, is: ref.SDPA{B: d[0], H: d[1], KVHeads: d[2], Tq: d[3], Tk: d[4], D: d[5],
		Scale: float64(float32(1 / math.Sqrt(float64(d[5])))), Causal: f.causal}}
	a.op.Scale, a.op.Causal = float32(a.is.Scale), f.causal
	if f.segments {
		q := s.InOf(metal.Int32, a.segment(a.is.Tq), a.is.B, a.is.Tq)
		k := q
		if a.is.Tq != a.is.Tk {
			k = s.InOf(metal.Int32, a.segment(a.is.Tk), a.is.B, a.is.Tk)
		}
		a.op.SegQ, a.op.SegK, a.is.SegQ, a.is.SegK = q.Tensor, k.Tensor, q.Values, k.Values
	}
	return a
}

// segment gives packed rows: runs of tokens of the segments 1, 2, … in order, some
// 11 a row (of 2048 tokens, as long as chats), the last one a padding of 0, and one
// token that stands alone.
func (a *attention) segment(tokens int) func(i int) float64 {
	id := 1.0
	return func(i int) float64 {
		at := i % tokens
		switch {
		case at == 0:
			id = 1
		case at == tokens-1:
			return -5
		case at >= tokens-tokens/8:
			return 0
		case a.s.Rand.IntN(tokens/11+4) == 0:
			id++
		}
		return id
	}
}

// heads is o, made as [B,T,H,D] when major, as an operand [B,H,T,D].
func heads(o *Operand, major bool) *Operand {
	if !major {
		return o
	}
	swap := func(x []int) []int { return []int{x[0], x[2], x[1], x[3]} }
	o.Tensor.Shape, o.Tensor.Strides = swap(o.Shape), swap(o.Strides)
	if o.Values == nil {
		return o
	}
	memory := o.Values
	o.Values = make([]float64, len(memory))
	for i := range memory {
		o.Values[i] = memory[o.at(i)]
	}
	return o
}

func (a *attention) shape(heads, tokens int, major bool) []int {
	if major {
		return []int{a.is.B, tokens, heads, a.is.D}
	}
	return []int{a.is.B, heads, tokens, a.is.D}
}

func (a *attention) in(n, tokens int, major bool) *Operand {
	return heads(a.s.In(a.s.DType, a.shape(n, tokens, major)...), major)
}

func (a *attention) out(n, tokens int, major bool) *Operand {
	return heads(a.s.Out(a.s.DType, a.shape(n, tokens, major)...), major)
}

// operands makes q, k, v and out, in this order.
func (a *attention) operands(major bool) (q, k, v, out *Operand) {
	q = a.in(a.is.H, a.is.Tq, major)
	k, v = a.in(a.is.KVHeads, a.is.Tk, major), a.in(a.is.KVHeads, a.is.Tk, major)
	out = a.out(a.is.H, a.is.Tq, major)
	a.op.Q, a.op.K, a.op.V, a.op.Out = q.Tensor, k.Tensor, v.Tensor, out.Tensor
	return q, k, v, out
}

// forward makes a case of SDPA.
func (f sdpaForm) forward(s *Setup) {
	a := newAttention(s, f)
	q, k, v, out := a.operands(f.tokenMajor)
	lse := s.Out(metal.Float32, a.is.B, a.is.H, a.is.Tq)
	a.op.LSE = lse.Tensor
	s.Launch(func(e kernels.Emitter) { kernels.SDPA(e, a.op) })
	want := sync.OnceValues(func() (out, lse ref.Result) { return a.is.Forward(q.Values, k.Values, v.Values, s.DType) })
	s.Want(out, func() ref.Result { r, _ := want(); return r })
	s.Want(lse, func() ref.Result { _, r := want(); return r })
}

// backward makes a case of SDPAVJP after SDPA.
func (f sdpaForm) backward(s *Setup) {
	a := newAttention(s, f)
	q, k, v, out := a.operands(f.tokenMajor)
	lse := s.Out(metal.Float32, a.is.B, a.is.H, a.is.Tq)
	g := a.in(a.is.H, a.is.Tq, f.tokenMajor)
	dq, dk, dv := a.out(a.is.H, a.is.Tq, f.tokenMajor), a.out(a.is.KVHeads, a.is.Tk, f.tokenMajor), a.out(a.is.KVHeads, a.is.Tk, f.tokenMajor)
	a.op.LSE, a.op.DOut, a.op.DQ, a.op.DK, a.op.DV = lse.Tensor, g.Tensor, dq.Tensor, dk.Tensor, dv.Tensor
	s.Launch(func(e kernels.Emitter) {
		kernels.SDPA(e, a.op)
		kernels.SDPAVJP(e, a.op)
	})
	want := sync.OnceValue(func() (r [3]ref.Result) {
		r[0], r[1], r[2] = a.is.Gradient(q.Values, k.Values, v.Values, g.Values, s.DType)
		return r
	})
	for i, o := range []*Operand{dq, dk, dv} {
		s.Want(o, func() ref.Result { return want()[i] })
	}
	s.Want(out, func() ref.Result { r, _ := a.is.Forward(q.Values, k.Values, v.Values, s.DType); return r })
}

// sdpaSizes are B, H, Hkv, Tq, Tk, D: around the tiles of 32 of the kernels and
// the 64 of their native forms, with every width of kernel, and heads that are
// not a multiple of the simd width.
var sdpaSizes = [][]int{
	{1, 1, 1, 9, 9, 8}, {2, 2, 1, 33, 33, 32}, {1, 1, 1, 65, 65, 64}, {1, 2, 2, 130, 130, 24}, {1, 3, 1, 40, 40, 72}, {1, 1, 1, 35, 35, 80},
	{1, 2, 1, 17, 17, 96}, {1, 1, 1, 66, 66, 128}, {1, 1, 1, 20, 20, 192}, {1, 1, 1, 34, 34, 256},
	{1, 2, 1, 33, 70, 16}, {1, 1, 1, 70, 33, 64}, {2, 1, 1, 10, 1, 8}, {1, 2, 1, 300, 300, 16}, {1, 1, 1, 150, 290, 40},
}

// sdpaFew are sizes with so few queries that the vector kernel takes them: keys in
// one part and in several, key heads of more queries than are done at once.
var sdpaFew = [][]int{
	{1, 1, 1, 1, 1, 8}, {2, 4, 2, 1, 33, 64}, {1, 2, 1, 7, 7, 72}, {1, 3, 1, 8, 130, 128}, {1, 1, 1, 3, 67, 256}, {1, 2, 2, 5, 3, 32}, {1, 1, 1, 1, 9, 80},
	{1, 9, 3, 1, 128, 64}, {2, 3, 1, 4, 257, 40}, {1, 34, 2, 1, 300, 32}, {1, 2, 1, 3, 2049, 16}, {1, 1, 1, 2, 400, 256},
}

// sdpaBench are training steps of SmolLM2-135M and of a head of 128, and tokens
// of generation.
var sdpaBench = [][]int{{1, 9, 3, 2048, 2048, 64}, {1, 8, 2, 2048, 2048, 128}, {8, 9, 3, 256, 256, 64}, {1, 9, 3, 1, 2048, 64}, {1, 32, 8, 1, 8192, 128}}

func sdpaCases() []Case {
	var cases []Case
	for _, f := range []sdpaForm{{name: ""}, {name: "/causal", causal: true}, {name: "/segments", segments: true, tokenMajor: true},
		{name: "/packed", causal: true, segments: true, tokenMajor: true}} {
		cases = append(cases,
			Case{Op: "sdpa" + f.name, DTypes: floats, Dims: append(append([][]int{}, sdpaSizes...), sdpaFew...), Bench: sdpaBench, Make: f.forward},
			Case{Op: "sdpa_vjp" + f.name, DTypes: floats, Dims: append([][]int{{1, 1, 1, 1, 1, 8}, {1, 4, 2, 7, 7, 64}}, sdpaSizes...), Bench: sdpaBench[:3], Make: f.backward})
	}
	return cases
}

var _ = add(sdpaCases()...)
