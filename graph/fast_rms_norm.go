package graph

import (
	"fmt"

	"github.com/ftmetal/ftmetal/kernels"
)

// rmsNorm scales rows to unit root mean square. Inputs: x, and w if weighted.
type rmsNorm struct{ eps float32 }

// RMSNorm scales each row of x to unit root mean square, then by w (nil for no
// weight): statistics in float32, output in the promoted dtype of x and w.
// Mirrors mx.fast.rms_norm.
func RMSNorm(x, w *Array, eps float64) *Array {
	present("RMSNorm", x)
	check(len(x.shape) > 0, "RMSNorm", "x needs at least 1 axis")
	wantFloat("RMSNorm", x)
	if w == nil {
		return apply1(rmsNorm{float32(eps)}, x.shape, x.dtype, x)
	}
	check(len(w.shape) == 1 && w.Dim(0) == x.Dim(-1), "RMSNorm", "w has shape %v, want [%d]", w.shape, x.Dim(-1))
	wantFloat("RMSNorm", w)
	dt := Promote(x.dtype, w.dtype)
	return apply1(rmsNorm{float32(eps)}, x.shape, dt, AsType(x, dt), AsType(w, dt))
}

func (op rmsNorm) String() string { return fmt.Sprintf("RMSNorm{%g}", op.eps) }

// rowsOf is t as [rows, n].
func rowsOf(t kernels.Tensor) kernels.Tensor {
	last := len(t.Shape) - 1
	return kernels.Contig(t.View, t.DType, sizeOf(t.Shape[:last]), t.Shape[last])
}

func (op rmsNorm) Lower(l *Lowering, in, out []kernels.Tensor) {
	var w kernels.Tensor
	if len(in) > 1 {
		w = l.Contiguous(in[1])
	}
	kernels.RMSNorm(l, rowsOf(l.Contiguous(in[0])), w, rowsOf(out[0]), op.eps)
}

func (op rmsNorm) VJP(c *Cotangents) []*Array {
	x := c.In[0]
	outs := []*Array{{shape: x.shape, dtype: x.dtype}}
	if len(c.In) > 1 && c.Want[1] {
		outs = append(outs, &Array{shape: c.In[1].shape, dtype: c.In[1].dtype})
	}
	g := apply(rmsNormVJP{op, len(c.In) > 1}, append(append([]*Array{}, c.In...), c.Cot[0]), outs...)
	if len(g) < len(c.In) {
		g = append(g, nil)
	}
	return g
}

// rmsNormVJP is the gradient of rmsNorm: inputs x, w if weighted, and the
// cotangent; outputs dx, and dw if it is wanted.
type rmsNormVJP struct {
	rmsNorm
	weighted bool
}

func (op rmsNormVJP) String() string { return fmt.Sprintf("RMSNormVJP{%g}", op.eps) }

func (op rmsNormVJP) Lower(l *Lowering, in, out []kernels.Tensor) {
	x, dy := rowsOf(l.Contiguous(in[0])), rowsOf(l.Contiguous(in[len(in)-1]))
	var w, dw kernels.Tensor
	if op.weighted {
		w = l.Contiguous(in[1])
	}
	if len(out) > 1 {
		dw = out[1]
	}
	kernels.RMSNormVJP(l, x, w, dy, rowsOf(out[0]), dw, op.eps)
}

// VJP differentiates the composed form of the gradient.
func (op rmsNormVJP) VJP(c *Cotangents) []*Array { return vjpThrough(c, op.composed(c.Out)) }

// composed is the gradient made of other ops, with outputs like outs.
func (op rmsNormVJP) composed(outs []*Array) func([]*Array) []*Array {
	return func(in []*Array) []*Array {
		n := len(in)
		x, dy := asFloat32(in[0]), asFloat32(in[n-1])
		last := []int{len(x.shape) - 1}
		r := Rsqrt(Add(Mean(Square(x), last, true), float64(op.eps)))
		gw := dy
		if op.weighted {
			gw = Multiply(dy, asFloat32(in[1]))
		}
		xr := Multiply(x, r)
		dx := Multiply(r, Subtract(gw, Multiply(xr, Mean(Multiply(gw, xr), last, true))))
		out := []*Array{AsType(dx, outs[0].dtype)}
		if len(outs) > 1 {
			out = append(out, AsType(unbroadcast(Multiply(dy, xr), in[1].shape), outs[1].dtype))
		}
		return out
	}
}

// vjpThrough pulls c's cotangents back through fn, which computes c.Out from
// c.In with other ops. Fused gradients use it for their own derivative.
func vjpThrough(c *Cotangents, fn func([]*Array) []*Array) []*Array {
	_, grads := VJP(fn, c.In, c.Cot)
	for i := range grads {
		if !c.Want[i] {
			grads[i] = nil
		}
	}
	return grads
}
