package graph

import (
	"fmt"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// RoPEOptions are the attributes of rotary position embedding.
type RoPEOptions struct {
	Dims        int     // how many leading elements of the last axis rotate
	Traditional bool    // pairs are neighbours instead of halves
	Base        float64 // angles are position·scale/base^(2i/Dims); unused with Freqs
	Scale       float64 // 0 means 1
	Offset      int     // position of the first token, when Positions is nil
	Positions   *Array  // int32 [T] or [B,T]: the position of every token
	Freqs       *Array  // float32 [Dims/2]: divisors that replace base^(2i/Dims)
}

// rope has the inputs x, then positions and freqs if present.
type rope struct {
	opt     RoPEOptions // arrays are inputs, not here
	hasPos  bool
	hasFreq bool
	inverse bool
}

// RoPE rotates pairs of elements of x [B,...,T,D] by an angle that grows with
// the token's position along the second to last axis. Mirrors mx.fast.rope,
// with a position for every token as an extension for packed sequences.
func RoPE(x *Array, opt RoPEOptions) *Array {
	present("RoPE", x)
	wantFloat("RoPE", x)
	check(len(x.shape) >= 3, "RoPE", "x has shape %v, want at least 3 axes", x.shape)
	check(opt.Dims > 0 && opt.Dims%2 == 0 && opt.Dims <= x.Dim(-1), "RoPE", "dims %d, want even and at most %d", opt.Dims, x.Dim(-1))
	in := []*Array{x}
	op := rope{opt: opt}
	if p := opt.Positions; p != nil {
		t := x.Dim(-2)
		ok := (len(p.shape) == 1 && p.shape[0] == t) || (len(p.shape) == 2 && p.shape[0] == x.shape[0] && p.shape[1] == t)
		check(ok && p.dtype == metal.Int32, "RoPE", "positions are %v, want int32 [%d] or [%d %d]", p, t, x.shape[0], t)
		op.hasPos, in = true, append(in, p)
	}
	if f := opt.Freqs; f != nil {
		check(len(f.shape) == 1 && f.shape[0] == opt.Dims/2, "RoPE", "freqs have shape %v, want [%d]", f.shape, opt.Dims/2)
		op.hasFreq, in = true, append(in, AsType(f, metal.Float32))
	}
	if op.opt.Scale == 0 {
		op.opt.Scale = 1
	}
	op.opt.Positions, op.opt.Freqs = nil, nil
	return apply1(op, x.shape, x.dtype, in...)
}

func (op rope) String() string {
	name := "RoPE"
	if op.inverse {
		name = "RoPEInverse"
	}
	return fmt.Sprintf("%s{%d %v %g %g %d}", name, op.opt.Dims, op.opt.Traditional, op.opt.Base, op.opt.Scale, op.opt.Offset)
}

// heads is x as [B,H,T,D]; axes between the first and the last two merge.
func (l *Lowering) heads(t kernels.Tensor) kernels.Tensor {
	n := len(t.Shape)
	shape := []int{t.Shape[0], sizeOf(t.Shape[1 : n-2]), t.Shape[n-2], t.Shape[n-1]}
	if strides, ok := reshapeStrides(t.Shape, t.Strides, shape); ok && t.Offset == 0 && strides[3] == 1 {
		return kernels.Tensor{View: t.View, DType: t.DType, Shape: shape, Strides: strides}
	}
	c := l.Contiguous(t)
	return kernels.Contig(c.View, c.DType, shape...)
}

// OutStrides keeps the input's order of heads and tokens.
func (op rope) OutStrides(output int, in []kernels.Tensor, shape []int) []int {
	if len(shape) != 4 || in[0].Strides[1] >= in[0].Strides[2] {
		return nil
	}
	return tokenMajor(shape)
}

func (op rope) Lower(l *Lowering, in, out []kernels.Tensor) {
	r := kernels.RoPEOp{X: l.heads(in[0]), Out: l.heads(out[0]), Dims: op.opt.Dims, Traditional: op.opt.Traditional,
		Base: float32(op.opt.Base), Scale: float32(op.opt.Scale), Offset: op.opt.Offset, Inverse: op.inverse}
	next := 1
	if op.hasPos {
		r.Positions = l.Contiguous(in[next])
		next++
	}
	if op.hasFreq {
		r.Freqs = l.Contiguous(in[next])
	}
	kernels.RoPE(l, r)
}

// VJP rotates back: the transpose of a rotation is its inverse.
func (op rope) VJP(c *Cotangents) []*Array {
	op.inverse = !op.inverse
	grads := make([]*Array, len(c.In))
	grads[0] = apply1(op, c.In[0].shape, c.In[0].dtype, append([]*Array{c.Cot[0]}, c.In[1:]...)...)
	return grads
}
