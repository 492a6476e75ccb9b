// Composed forms of the fused ops, which round each step to the dtype as MLX's
// CPU backend does: in float32 they agree with the fused ops to the last bits, in
// 16 bits they follow MLX exactly where the fused ops are more precise.

package graph

import (
	"math"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// RMSNormUnfused is RMSNorm made of single ops: the normalised row is rounded
// before it is multiplied by w.
func RMSNormUnfused(x, w *Array, eps float64) *Array {
	present("RMSNormUnfused", x)
	wantRows("RMSNormUnfused", x)
	n := asFloat32(x)
	n = Multiply(n, Rsqrt(Add(Multiply(sumNarrow(Square(n)), 1/float64(x.Dim(-1))), eps)))
	if w == nil {
		return AsType(n, x.dtype)
	}
	return Multiply(AsType(n, Promote(x.dtype, w.dtype)), w)
}

// RoPEUnfused is RoPE over the halves of the last axis, made of single ops:
// sines, cosines and products are rounded to x's dtype. x is [B,H,T,D], positions
// start at opt.Offset.
func RoPEUnfused(x *Array, opt RoPEOptions) *Array {
	present("RoPEUnfused", x)
	wantFloat("RoPEUnfused", x)
	check(len(x.shape) == 4 && opt.Dims == x.Dim(-1) && opt.Positions == nil && !opt.Traditional, "RoPEUnfused",
		"x is %v with options %+v, want all of the last axis to rotate by halves, without positions", x, opt)
	half, scale := opt.Dims/2, opt.Scale
	if scale == 0 {
		scale = 1
	}
	positions := Multiply(Arange(float64(opt.Offset), float64(opt.Offset+x.Dim(-2)), 1, metal.Float32), scale)
	var inverse *Array
	if opt.Freqs != nil {
		inverse = Reciprocal(AsType(opt.Freqs, metal.Float32))
	} else {
		inverse = expPolynomial(Multiply(Arange(0, -float64(half), -1, metal.Float32), math.Log(opt.Base)/float64(half)))
	}
	theta := Multiply(ExpandDims(positions, 1), inverse)
	c, s := AsType(Cos(theta), x.dtype), AsType(Sin(theta), x.dtype)
	a, b := SliceAxis(x, -1, 0, half), SliceAxis(x, -1, half, opt.Dims)
	return Concatenate([]*Array{Subtract(Multiply(a, c), Multiply(b, s)), Add(Multiply(a, s), Multiply(b, c))}, -1)
}

// SiluUnfused is Silu with the exponential rounded to the dtype on the way.
func SiluUnfused(a *Array) *Array {
	present("SiluUnfused", a)
	wantFloat("SiluUnfused", a)
	e := asFloat32(expPolynomial(Abs(a)))
	v := Reciprocal(Add(e, 1.0)) // sigmoid(-|a|)
	s := AsType(Where(Less(a, 0.0), v, Subtract(1.0, v)), a.dtype)
	return Multiply(a, apply1(sigmoidOf{}, a.shape, a.dtype, a, s))
}

// sigmoidOf is its second input, which is the sigmoid of the first however it
// was computed, with the sigmoid's gradient.
type sigmoidOf struct{}

func (sigmoidOf) String() string            { return "SigmoidOf" }
func (sigmoidOf) Aliases(outputs int) []int { return []int{1} }

func (sigmoidOf) Lower(l *Lowering, in, out []kernels.Tensor) { kernels.Copy(l, in[1], out[0]) }

func (sigmoidOf) VJP(c *Cotangents) []*Array {
	return []*Array{unaryGrads[kernels.Sigmoid](c.In[0], c.Out[0], c.Cot[0]), nil}
}

// expPolynomial is Exp with the bits of MLX's CPU backend.
func expPolynomial(a *Array) *Array { return unary{kernels.ExpPolynomial, toFloat}.apply(a) }

// softmaxUnfused is Softmax over the last axis with statistics in float32, summed
// in order, and a gradient of single ops whose sum is kept in the dtype.
func softmaxUnfused(a *Array) *Array {
	x := asFloat32(a)
	e := expPolynomial(Subtract(x, Max(x, []int{-1}, true)))
	y := AsType(Multiply(e, Reciprocal(sumNarrow(e))), a.dtype)
	return apply1(softmaxOf{}, a.shape, a.dtype, a, y)
}

// softmaxOf is its second input, which is the softmax of the first, with the
// softmax's gradient.
type softmaxOf struct{}

func (softmaxOf) String() string            { return "SoftmaxOf" }
func (softmaxOf) Aliases(outputs int) []int { return []int{1} }

func (softmaxOf) Lower(l *Lowering, in, out []kernels.Tensor) { kernels.Copy(l, in[1], out[0]) }

func (softmaxOf) VJP(c *Cotangents) []*Array {
	y := c.Out[0]
	yg := Multiply(y, c.Cot[0])
	return []*Array{Subtract(yg, Multiply(y, sumNarrow(yg))), nil}
}

// LogSumExpUnfused is LogSumExp over the last axis, whose gradient has the
// softmax of the unfused forms.
func LogSumExpUnfused(a *Array) *Array {
	present("LogSumExpUnfused", a)
	wantRows("LogSumExpUnfused", a)
	shape := append([]int{}, a.shape...)
	shape[len(shape)-1] = 1
	return Squeeze(apply1(logSumExpUnfused{}, shape, a.dtype, a), -1)
}

type logSumExpUnfused struct{ logSumExp }

func (logSumExpUnfused) String() string { return "LogSumExpUnfused" }

func (logSumExpUnfused) VJP(c *Cotangents) []*Array {
	return []*Array{Multiply(c.Cot[0], softmaxUnfused(c.In[0]))}
}

// narrowSum adds the last axis in its own dtype, in order.
type narrowSum struct{}

// sumNarrow is the sum over the last axis, kept as an extent of 1, rounded to
// the dtype after every addition.
func sumNarrow(a *Array) *Array {
	shape := append([]int{}, a.shape...)
	shape[len(shape)-1] = 1
	return apply1(narrowSum{}, shape, a.dtype, a)
}

func (narrowSum) String() string { return "NarrowSum" }

func (narrowSum) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.SumNarrow(l, l.Contiguous(in[0]), out[0])
}

func (narrowSum) VJP(c *Cotangents) []*Array {
	return []*Array{BroadcastTo(c.Cot[0], c.In[0].shape)}
}
