package graph

import (
	"fmt"

	"github.com/ftmetal/ftmetal/kernels"
)

// layerNorm has the inputs x, w, b.
type layerNorm struct{ eps float32 }

// LayerNorm scales each row of x to mean 0 and variance 1, then by w, plus b
// (either may be nil): statistics in float32. Mirrors mx.fast.layer_norm.
func LayerNorm(x, w, b *Array, eps float64) *Array {
	present("LayerNorm", x)
	check(len(x.shape) > 0, "LayerNorm", "x needs at least 1 axis")
	wantFloat("LayerNorm", x)
	n := x.Dim(-1)
	dt := x.dtype
	for _, p := range []*Array{w, b} {
		if p != nil {
			check(len(p.shape) == 1 && p.shape[0] == n, "LayerNorm", "parameter has shape %v, want [%d]", p.shape, n)
			wantFloat("LayerNorm", p)
			dt = Promote(dt, p.dtype)
		}
	}
	if w == nil {
		w = Ones([]int{n}, dt)
	}
	if b == nil {
		b = Zeros([]int{n}, dt)
	}
	return apply1(layerNorm{float32(eps)}, x.shape, dt, AsType(x, dt), AsType(w, dt), AsType(b, dt))
}

func (op layerNorm) String() string { return fmt.Sprintf("LayerNorm{%g}", op.eps) }

func (op layerNorm) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.LayerNorm(l, rowsOf(l.Contiguous(in[0])), l.Contiguous(in[1]), l.Contiguous(in[2]), rowsOf(out[0]), op.eps)
}

func (op layerNorm) VJP(c *Cotangents) []*Array {
	x, w, b := c.In[0], c.In[1], c.In[2]
	return apply(layerNormVJP{op}, []*Array{x, w, b, c.Cot[0]},
		&Array{shape: x.shape, dtype: x.dtype}, &Array{shape: w.shape, dtype: w.dtype}, &Array{shape: b.shape, dtype: b.dtype})
}

// layerNormVJP is the gradient of layerNorm: inputs x, w, b and the cotangent;
// outputs dx, dw, db.
type layerNormVJP struct{ layerNorm }

func (op layerNormVJP) String() string { return fmt.Sprintf("LayerNormVJP{%g}", op.eps) }

func (op layerNormVJP) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.LayerNormVJP(l, rowsOf(l.Contiguous(in[0])), l.Contiguous(in[1]), rowsOf(l.Contiguous(in[3])), rowsOf(out[0]),
		out[1], out[2], op.eps)
}

// VJP differentiates the composed form of the gradient.
func (op layerNormVJP) VJP(c *Cotangents) []*Array { return vjpThrough(c, op.composed(c.Out)) }

// composed is the gradient made of other ops, with outputs like outs.
func (op layerNormVJP) composed(outs []*Array) func([]*Array) []*Array {
	return func(in []*Array) []*Array {
		x, w, dy := asFloat32(in[0]), asFloat32(in[1]), asFloat32(in[3])
		last := []int{len(x.shape) - 1}
		d := Subtract(x, Mean(x, last, true))
		r := Rsqrt(Add(Mean(Square(d), last, true), float64(op.eps)))
		xn, gw := Multiply(d, r), Multiply(dy, w)
		dx := Multiply(r, Subtract(Subtract(gw, Mean(gw, last, true)), Multiply(xn, Mean(Multiply(gw, xn), last, true))))
		return []*Array{AsType(dx, outs[0].dtype), AsType(unbroadcast(Multiply(dy, xn), in[1].shape), outs[1].dtype),
			AsType(unbroadcast(dy, in[2].shape), outs[2].dtype)}
	}
}
