package graph

import (
	"fmt"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// quantLowRank is the product of a quantised matrix with a low-rank update: inputs
// x [M,K], words, scales, biases if affine, u [M,R], v [R,N]. With lora, what
// follows biases is a [K,R], b [R,N] and xa = x@a, and a, b have xa's gradient.
type quantLowRank struct {
	quantMatmul
	scale float32
	lora  bool
}

// QuantizedLoRALinear applies a frozen quantised weight w [out,in] with a low-rank
// update a [in,R], b [R,out]: y = x@wᵀ + scale·(x@a)@b for x [T,in] and words,
// scales, biases (affine only, else nil) as Quantize gives them. dropped is what
// a sees instead of x (after dropout), or x itself. The update is added where
// the product lies; x, a, b have one dtype, which y has too.
func QuantizedLoRALinear(x, words, scales, biases, a, b, dropped *Array, scale float64, q Quantization) *Array {
	const name = "QuantizedLoRALinear"
	product := quantMatmul{q.format(name), true, false}
	in := product.operands(name, x, words, scales, biases)
	present(name, a, b, dropped)
	check(len(x.shape) == 2 && len(words.shape) == 2, name, "x is %v and words %v, want two axes each", x.shape, words.shape)
	product.checkInner(name, x, words)
	check(len(a.shape) == 2 && len(b.shape) == 2 && a.shape[0] == x.shape[1] && a.shape[1] == b.shape[0] && b.shape[1] == words.shape[0], name,
		"a is %v and b %v, want [in,R] and [R,out] for x %v and words %v", a.shape, b.shape, x.shape, words.shape)
	for _, o := range []*Array{a, b, dropped, in[0]} {
		check(o.dtype == x.dtype, name, "x is %s, a %s, b %s, dropped %s and their product with the weight %s, want one dtype", x.dtype, a.dtype, b.dtype, dropped.dtype, in[0].dtype)
	}
	xa := Matmul(dropped, a)
	op := quantLowRank{product, float32(scale), dropped == x}
	if op.lora {
		return op.times(append(in, a, b, xa)...)
	}
	return op.times(append(in, xa, b)...)
}

// times makes the node for operands that have been checked.
func (op quantLowRank) times(in ...*Array) *Array {
	return apply1(op, []int{in[0].shape[0], op.columns(in[1])}, in[0].dtype, in...)
}

func (op quantLowRank) String() string {
	name := "QuantizedLowRank"
	if op.lora {
		name = "QuantizedLoRALinear"
	}
	return fmt.Sprintf("%s%v{transpose=%v}", name, op.QuantFormat, op.transpose)
}

// base is how many inputs the product alone has.
func (op quantLowRank) base() int {
	if op.Mode == QuantAffine {
		return 4
	}
	return 3
}

// lowRank is u and v among the inputs.
func (op quantLowRank) lowRank(in []*Array) (u, v *Array) {
	n := op.base()
	if op.lora {
		return in[n+2], in[n+1]
	}
	return in[n], in[n+1]
}

func (op quantLowRank) Lower(l *Lowering, in, out []kernels.Tensor) {
	n := op.base()
	op.quantMatmul.Lower(l, in[:n], out)
	u, v := in[n], in[n+1]
	if op.lora {
		u = in[n+2]
	}
	kernels.Gemm(l, kernels.GemmOp{A: l.matrix(u), B: l.matrix(v), C: out[0], D: out[0], Alpha: op.scale, Beta: 1})
}

// VJP multiplies by w the other way round, with the low-rank product in the same
// op. With lora, x, a and b get all of their gradient and xa none.
func (op quantLowRank) VJP(c *Cotangents) []*Array {
	n := op.base()
	if op.Mode == QuantAffine && (c.Want[2] || c.Want[3]) {
		return vjpThrough(c, op.composed)
	}
	x, g := c.In[0], c.Cot[0]
	u, v := op.lowRank(c.In)
	back := quantLowRank{op.quantMatmul, op.scale, false}
	back.transpose = !op.transpose
	grads := make([]*Array, len(c.In))
	if !op.lora {
		if c.Want[0] {
			grads[0] = back.quantMatmul.apply(append([]*Array{g}, c.In[1:n]...)...)
		}
		grads[n] = when(c.Want[n], func() *Array { return matmulScaled(g, Transpose(v), op.scale) })
		grads[n+1] = when(c.Want[n+1], func() *Array { return matmulScaled(Transpose(u), g, op.scale) })
		return grads
	}
	var gb *Array // dy@bᵀ [T,R]
	if c.Want[0] || c.Want[n] {
		gb = matmulPlain(g, Transpose(v))
	}
	if c.Want[0] {
		in := append([]*Array{g}, c.In[1:n]...)
		grads[0] = back.times(append(in, gb, Transpose(c.In[n]))...)
	}
	grads[n] = when(c.Want[n], func() *Array { return matmulScaled(Transpose(x), gb, op.scale) })
	grads[n+1] = when(c.Want[n+1], func() *Array { return matmulScaled(Transpose(u), g, op.scale) })
	return grads
}

// composed is the op made of others: for gradients of scales and biases.
func (op quantLowRank) composed(in []*Array) []*Array {
	n := op.base()
	u, v := in[n], in[n+1]
	if op.lora {
		u = matmulPlain(in[0], in[n])
	}
	return []*Array{Add(op.quantMatmul.apply(in[:n]...), matmulScaled(u, v, op.scale))}
}

// quantCrossEntropy has the inputs h [T,d], words, scales, biases if affine, and
// targets [T]; its outputs are those of linearCrossEntropy.
type quantCrossEntropy struct{ kernels.QuantFormat }

// QuantizedCrossEntropy is LinearCrossEntropy for a quantised w: h [T,d],
// words, scales, biases (affine only, else nil) of w [V,d] as Quantize gives them,
// targets int32 [T] with -1 for rows that do not count. It returns float32 [T].
// Neither the logits nor the unpacked weight is ever stored whole. Affine scales
// and biases are taken in h's dtype.
func QuantizedCrossEntropy(h, words, scales, biases, targets *Array, q Quantization) *Array {
	const name = "QuantizedCrossEntropy"
	f := q.format(name)
	d := checkQuantized(name, words, scales, biases, f)
	present(name, h, targets)
	check(len(h.shape) == 2 && len(words.shape) == 2 && h.shape[1] == d, name, "h is %v and w, of words %v with %d bits, [%d %d], want [T,d] and [V,d]",
		h.shape, words.shape, f.Bits, words.shape[0], d)
	check(len(targets.shape) == 1 && targets.shape[0] == h.shape[0] && targets.dtype == metal.Int32, name, "targets are %v, want int32 [%d]", targets, h.shape[0])
	wantFloat(name, h)
	in := []*Array{h, words, scales}
	if f.Mode == QuantAffine {
		in = []*Array{h, words, AsType(scales, h.dtype), AsType(biases, h.dtype)}
	}
	t := h.shape[0]
	return apply(quantCrossEntropy{f}, append(in, targets),
		&Array{shape: []int{t}, dtype: metal.Float32}, &Array{shape: []int{t}, dtype: metal.Float32}, &Array{shape: h.shape, dtype: h.dtype})[0]
}

func (op quantCrossEntropy) String() string {
	return fmt.Sprintf("QuantizedCrossEntropy%v", op.QuantFormat)
}

func (op quantCrossEntropy) Lower(l *Lowering, in, out []kernels.Tensor) {
	h, targets := l.Contiguous(in[0]), l.Contiguous(in[len(in)-1])
	w := kernels.QuantWeight{Format: op.QuantFormat, W: l.Contiguous(in[1]), Scales: l.Contiguous(in[2])}
	if op.Mode == QuantAffine {
		w.Biases = l.Contiguous(in[3])
	}
	kernels.LinearCrossEntropyQuant(l, h, w, targets, out[0], l.orScratch(out[1]), out[2], chunkRows(h.Shape[0], w.W.Shape[0]), 0)
}

func (op quantCrossEntropy) VJP(c *Cotangents) []*Array {
	g, h := c.Cot[0], c.In[0]
	if g == nil || c.Cot[1] != nil || c.Cot[2] != nil || op.Mode == QuantAffine && (c.Want[2] || c.Want[3]) {
		return vjpThrough(c, op.composed)
	}
	grads := make([]*Array, len(c.In))
	grads[0] = apply1(scaleRows{}, h.shape, h.dtype, c.Out[2], g)
	return grads
}

// composed is the op made of others, with the logits stored.
func (op quantCrossEntropy) composed(in []*Array) []*Array {
	last := len(in) - 1
	dense := apply1(dequantize{op.QuantFormat, false}, []int{in[1].shape[0], in[0].shape[1]}, in[0].dtype, in[1:last]...)
	return linearCrossEntropyComposed([]*Array{in[0], dense, in[last]})
}
