package graph

import (
	"fmt"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// sumSquares is Σ a² of one array as float32 [1].
type sumSquares struct{ noGradient }

// SumSquares is the sum of the squares of all elements, as float32 [1], in an
// order that does not depend on the machine.
func SumSquares(a *Array) *Array {
	present("SumSquares", a)
	wantFloat("SumSquares", a)
	return apply1(sumSquares{noGradient{"SumSquares"}}, []int{1}, metal.Float32, a)
}

func (sumSquares) String() string { return "SumSquares" }

func (sumSquares) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.SumSquares(l, l.Contiguous(in[0]), out[0])
}

// clipScale turns a squared norm into a factor.
type clipScale struct {
	noGradient
	max float32
}

// ClipScale returns the factor min(1, max/(norm+1e-6)) that limits gradients to
// the norm max, and the norm, from the sum of their squares. Each is float32
// [1]. Mirrors optimizers.clip_grad_norm.
func ClipScale(sumSq *Array, max float64) (scale, norm *Array) {
	present("ClipScale", sumSq)
	check(sumSq.dtype == metal.Float32 && sumSq.Size() == 1, "ClipScale", "sum of squares is %v, want float32 [1]", sumSq)
	one := []int{1}
	r := apply(clipScale{noGradient{"ClipScale"}, float32(max)}, []*Array{sumSq},
		&Array{shape: one, dtype: metal.Float32}, &Array{shape: one, dtype: metal.Float32})
	return r[0], r[1]
}

func (op clipScale) String() string { return fmt.Sprintf("ClipScale{%g}", op.max) }

func (op clipScale) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.ClipScale(l, in[0], op.max, out[0], l.orScratch(out[1]))
}

// adamW updates parameters and moments: inputs g, p, m, v, hyper; outputs p, m,
// v and, if lowPrecision is set, p rounded to it.
type adamW struct {
	noGradient
	opt kernels.AdamWOptions
	low metal.DType
}

// AdamW is one step of Adam with decoupled weight decay over a flat float32
// array p (all trainable tensors in one), with moments m and v and gradients g.
// hyper is float32 [8], filled by the caller before each step (see
// kernels.AdamW), so that a compiled step follows a schedule. low, if it is not
// Float32, asks for p rounded to that dtype as a fourth output. Mirrors
// optimizers.AdamW; without weight decay, optimizers.Adam.
func AdamW(g, p, m, v, hyper *Array, opt kernels.AdamWOptions, low metal.DType) []*Array {
	checkFlat("AdamW", g, p, hyper, m, v)
	check(chainFloat(low), "AdamW", "low is %s, want float32, float16 or bfloat16", low)
	outs := []*Array{{shape: p.shape, dtype: p.dtype}, {shape: m.shape, dtype: m.dtype}, {shape: v.shape, dtype: v.dtype}}
	if low != metal.Float32 {
		outs = append(outs, &Array{shape: p.shape, dtype: low})
	}
	return apply(adamW{noGradient{"AdamW"}, opt, low}, []*Array{g, p, m, v, hyper}, outs...)
}

// checkFlat refuses operands of an update that are not vectors of one length.
func checkFlat(op string, g, p, hyper *Array, state ...*Array) {
	present(op, append([]*Array{g, p, hyper}, state...)...)
	for _, s := range append([]*Array{p}, state...) {
		check(s.dtype == metal.Float32 && slices.Equal(s.shape, g.shape) && chainFloat(g.dtype), op,
			"gradient is %v and parameters or state %v, want floating point and float32 of one shape", g, s)
	}
	check(hyper.dtype == metal.Float32 && hyper.Size() == kernels.HyperSize, op, "hyper is %v, want float32 [%d]", hyper, kernels.HyperSize)
}

func (adamW) String() string { return "AdamW" }

func (op adamW) Lower(l *Lowering, in, out []kernels.Tensor) {
	var low kernels.Tensor
	if len(out) > 3 {
		low = out[3]
	}
	kernels.AdamW(l, l.Contiguous(in[0]), l.Contiguous(in[1]), l.Contiguous(in[2]), l.Contiguous(in[3]), l.Contiguous(in[4]),
		out[0], l.orScratch(out[1]), l.orScratch(out[2]), low, op.opt)
}

// sgd updates parameters and velocity: inputs g, p, v, hyper; outputs p, v.
type sgd struct {
	noGradient
	opt kernels.SGDOptions
}

// SGD is one step of stochastic gradient descent over a flat float32 array p
// with velocity v and gradients g. Mirrors optimizers.SGD.
func SGD(g, p, v, hyper *Array, opt kernels.SGDOptions) []*Array {
	checkFlat("SGD", g, p, hyper, v)
	return apply(sgd{noGradient{"SGD"}, opt}, []*Array{g, p, v, hyper}, &Array{shape: p.shape, dtype: p.dtype}, &Array{shape: v.shape, dtype: v.dtype})
}

func (sgd) String() string { return "SGD" }

func (op sgd) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.SGD(l, l.Contiguous(in[0]), l.Contiguous(in[1]), l.Contiguous(in[2]), l.Contiguous(in[3]), out[0], l.orScratch(out[1]), op.opt)
}
