package graph

import (
	"fmt"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// quantMatmul multiplies by a quantised matrix: inputs x [...,M,K], words,
// scales, biases if affine, and, with gather, the matrices of x and of w that each
// product has, uint32 of the output's batch axes; x and w have one batch axis
// then.
type quantMatmul struct {
	kernels.QuantFormat
	transpose, gather bool
}

// QuantizedMatmul is x@wᵀ, or x@w without transpose, for w in the form that
// Quantize gives it: x [...,K] against words, scales and biases of w [...,N,K], or
// [...,K,N], with batch axes that broadcast; biases is nil but in affine mode.
// The result has x's dtype, promoted with that of affine scales and biases. It
// has gradients for x and for affine scales and biases. Mirrors
// mx.quantized_matmul.
func QuantizedMatmul(x, words, scales, biases *Array, transpose bool, q Quantization) *Array {
	const name = "QuantizedMatmul"
	op := quantMatmul{q.format(name), transpose, false}
	in := op.operands(name, x, words, scales, biases)
	x = in[0]
	row := len(x.shape) == 1
	if row {
		x = ExpandDims(x, 0)
	}
	op.checkInner(name, x, words)
	lead := x.shape[:len(x.shape)-1]
	var y *Array
	if len(words.shape) == 2 {
		in[0] = Reshape(x, sizeOf(lead), x.Dim(-1))
		y = Reshape(op.apply(in...), append(slices.Clone(lead), op.columns(words))...)
	} else {
		batch := broadcastShapes(name, x.shape[:len(x.shape)-2], words.shape[:len(words.shape)-2])
		in[0] = x
		for i, a := range in {
			in[i] = BroadcastTo(a, append(slices.Clone(batch), a.shape[len(a.shape)-2:]...))
		}
		y = op.apply(in...)
	}
	if row {
		return Squeeze(y, -2)
	}
	return y
}

// operands checks what x and w consist of and brings them to a common dtype.
func (op quantMatmul) operands(name string, x, words, scales, biases *Array) []*Array {
	present(name, x)
	check(len(x.shape) > 0, name, "x has shape %v, want at least one axis", x.shape)
	checkQuantized(name, words, scales, biases, op.QuantFormat)
	if op.Mode != QuantAffine {
		wantFloat(name, x)
		return []*Array{x, words, scales}
	}
	dt := Promote(x.dtype, Promote(scales.dtype, biases.dtype))
	check(dt.IsFloat() && dt != metal.Float64, name, "x is %v, want float32, float16 or bfloat16", x)
	return []*Array{AsType(x, dt), words, AsType(scales, dt), AsType(biases, dt)}
}

// columns is the last extent of the product.
func (op quantMatmul) columns(words *Array) int {
	if op.transpose {
		return words.Dim(-2)
	}
	return words.Dim(-1) * 32 / op.Bits
}

// checkInner panics unless x can be multiplied by w.
func (op quantMatmul) checkInner(name string, x, words *Array) {
	w := []int{words.Dim(-2), words.Dim(-1) * 32 / op.Bits}
	k := w[0]
	if op.transpose {
		k = w[1]
	}
	check(x.Dim(-1) == k, name, "x has shape %v and w, of words %v with %d bits, %v: with transpose=%v the last axis of x must be %d",
		x.shape, words.shape, op.Bits, w, op.transpose, k)
}

// apply multiplies operands whose batch axes agree.
func (op quantMatmul) apply(in ...*Array) *Array {
	x := in[0]
	shape := append(slices.Clone(x.shape[:len(x.shape)-1]), op.columns(in[1]))
	if op.gather {
		shape = append(slices.Clone(in[len(in)-1].shape), shape[len(shape)-2:]...)
	}
	return apply1(op, shape, x.dtype, in...)
}

// GatherQMM multiplies chosen matrices: x[lhs] by w[rhs], as QuantizedMatmul
// does, where the integer arrays lhs and rhs broadcast to the batch axes of the
// result and count matrices of x [...,M,K] and of w in row-major order; nil
// stands for all of them in order. Negative indices count from the end; one
// outside is an error of Eval. Mirrors mx.gather_qmm.
func GatherQMM(x, words, scales, biases, lhs, rhs *Array, transpose bool, q Quantization) *Array {
	const name = "GatherQMM"
	if lhs == nil && rhs == nil {
		return QuantizedMatmul(x, words, scales, biases, transpose, q)
	}
	op := quantMatmul{q.format(name), transpose, true}
	in := op.operands(name, x, words, scales, biases)
	check(len(x.shape) >= 2, name, "x has shape %v, want at least two axes", x.shape)
	op.checkInner(name, x, words)
	lhs, rhs = matrixIndices(name, lhs, x.shape), matrixIndices(name, rhs, words.shape)
	batch := broadcastShapes(name, lhs.shape, rhs.shape)
	for i, a := range in {
		n := len(a.shape) - 2
		in[i] = Reshape(a, append([]int{sizeOf(a.shape[:n])}, a.shape[n:]...)...)
	}
	return op.apply(append(in, BroadcastTo(lhs, batch), BroadcastTo(rhs, batch))...)
}

// matrixIndices is ids as numbers of matrices of an array of that shape; nil is
// all of them.
func matrixIndices(name string, ids *Array, shape []int) *Array {
	lead := shape[:len(shape)-2]
	n := sizeOf(lead)
	if ids == nil {
		return Reshape(Arange(0, float64(n), 1, metal.Uint32), lead...)
	}
	check(ids.dtype.IsInteger(), name, "indices are %s, want integers", ids.dtype)
	check(n > 0 || ids.Size() == 0, name, "indices of shape %v choose among no matrices: the operand has shape %v", ids.shape, shape)
	ids = insideAxis(name, ids, n)
	if ids.dtype.IsSigned() {
		ids = Where(Less(ids, 0), Add(ids, n), ids)
	}
	return AsType(Clip(ids, 0, max(n-1, 0)), metal.Uint32)
}

func (op quantMatmul) String() string {
	name := "QuantizedMatmul"
	if op.gather {
		name = "GatherQMM"
	}
	return fmt.Sprintf("%s%v{transpose=%v}", name, op.QuantFormat, op.transpose)
}

func (op quantMatmul) Lower(l *Lowering, in, out []kernels.Tensor) {
	k := kernels.QuantMatmulOp{Format: op.QuantFormat, Transpose: op.transpose, Y: out[0], X: l.rows(in[0]), W: l.packed(in[1]), Scales: l.packed(in[2])}
	if op.Mode == QuantAffine {
		k.Biases = l.packed(in[3])
	}
	if op.gather {
		k.Lhs, k.Rhs = l.Contiguous(in[len(in)-2]), l.Contiguous(in[len(in)-1])
	}
	kernels.QuantMatmul(l, k)
}

// rows is t, or a copy of it, with contiguous rows and one stride between
// matrices.
func (l *Lowering) rows(t kernels.Tensor) kernels.Tensor {
	n := len(t.Shape)
	if t.Offset != 0 || (t.Strides[n-1] != 1 && t.Shape[n-1] != 1) || t.Strides[n-2] < 0 || !uniformBatch(t) {
		return l.Contiguous(t)
	}
	return t
}

// packed is t, or a copy of it, with matrices without gaps and one stride
// between them.
func (l *Lowering) packed(t kernels.Tensor) kernels.Tensor {
	n := len(t.Shape)
	matrix := kernels.Tensor{Shape: t.Shape[n-2:], Strides: t.Strides[n-2:], Offset: t.Offset}
	if !matrix.Contiguous() || !uniformBatch(t) {
		return l.Contiguous(t)
	}
	return t
}

// VJP multiplies by w the other way round. Scales and biases have the gradient
// that the dense w would have, summed over groups.
func (op quantMatmul) VJP(c *Cotangents) []*Array {
	x, words, g := c.In[0], c.In[1], AsType(c.Cot[0], c.In[0].dtype)
	grads := make([]*Array, len(c.In))
	if c.Want[0] {
		back := op
		back.transpose = !op.transpose
		in := slices.Clone(c.In)
		in[0] = g
		if op.gather { // product z is that of the z-th cotangent
			in[0] = Reshape(g, append([]int{-1}, g.shape[len(g.shape)-2:]...)...)
			ids := c.In[len(in)-2]
			in[len(in)-2] = Reshape(Arange(0, float64(ids.Size()), 1, metal.Uint32), ids.shape...)
			grads[0] = apply1(scatterAdd{}, x.shape, x.dtype, ids, back.apply(in...))
		} else {
			grads[0] = back.apply(in...)
		}
	}
	if op.Mode == QuantAffine && (c.Want[2] || c.Want[3]) {
		if op.gather {
			x = take(x, c.In[len(c.In)-2], 0)
		}
		left, right := x, g
		if op.transpose {
			left, right = g, x
		}
		dense := matmulPlain(SwapAxes(left, -1, -2), right)
		if op.gather {
			shape := append([]int{words.shape[0]}, dense.shape[len(dense.shape)-2:]...)
			dense = apply1(scatterAdd{}, shape, dense.dtype, c.In[len(c.In)-1], dense)
		}
		grads[2], grads[3] = dequantize{op.QuantFormat, false}.affineGrads(words, dense, c.Want[2], c.Want[3])
	}
	return grads
}

// VMap makes one tall product where all slices share a matrix w, and further
// batches otherwise.
func (op quantMatmul) VMap(b *Batch) []*Array {
	shared := !slices.Contains(b.Mapped[1:], true)
	switch {
	case op.gather:
		return nil
	case shared && len(b.Out[0].shape) == 2:
		at := make([]int, len(b.In)-1)
		for i := range at {
			at[i] = i + 1
		}
		return b.merged(op, at...)
	}
	return b.all(op)
}

// QQMM is x@wᵀ with both sides rounded to a small format, nvfp4 (the default) or
// mxfp8: x [...,K] is quantised on the way, and so is w [...,N,K] where scales is
// nil; else w is words and scales that Quantize gave. globalX and globalW are
// float32 scales of all of x and of w, for nvfp4, or nil. The result has x's
// dtype. Gradients pass straight through the rounding: they are those of the
// product of the rounded matrices. Mirrors mx.qqmm.
func QQMM(x, w, scales, globalX, globalW *Array, q Quantization) *Array {
	q = qqMode("QQMM", q)
	x = roundedTo(x, globalX, q)
	if scales == nil {
		wantFloat("QQMM", w)
		return Matmul(x, SwapAxes(AsType(roundedTo(w, globalW, q), x.dtype), -1, -2))
	}
	if globalW != nil {
		checkGlobal("QQMM", globalW, q.format("QQMM"))
		x = AsType(Multiply(x, Divide(Reshape(globalW), 2688)), x.dtype)
	}
	return QuantizedMatmul(x, w, scales, nil, true, q)
}

// GatherQQMM is QQMM of chosen matrices, as GatherQMM chooses. Mirrors
// mx.gather_qqmm.
func GatherQQMM(x, w, scales, lhs, rhs, globalX, globalW *Array, q Quantization) *Array {
	q = qqMode("GatherQQMM", q)
	x = roundedTo(x, globalX, q)
	if scales == nil {
		wantFloat("GatherQQMM", w)
		return GatherMM(x, SwapAxes(AsType(roundedTo(w, globalW, q), x.dtype), -1, -2), lhs, rhs)
	}
	if globalW != nil {
		checkGlobal("GatherQQMM", globalW, q.format("GatherQQMM"))
		x = AsType(Multiply(x, Divide(Reshape(globalW), 2688)), x.dtype)
	}
	return GatherQMM(x, w, scales, nil, lhs, rhs, true, q)
}

// qqMode is q with the default of QQMM, which has two modes.
func qqMode(op string, q Quantization) Quantization {
	if q.Mode == "" {
		q.Mode = QuantNVFP4
	}
	check(q.Mode == QuantNVFP4 || q.Mode == QuantMXFP8, op, "mode is %q, want nvfp4 or mxfp8", q.Mode)
	return q
}

// roundedTo is the nearest that a format has to x; gradients pass through.
func roundedTo(x, global *Array, q Quantization) *Array {
	present("QQMM", x)
	flat := x
	if len(x.shape) == 1 {
		flat = ExpandDims(x, 0)
	}
	words, scales, _ := QuantizeScaled(StopGradient(flat), global, q)
	y := Reshape(DequantizeScaled(words, scales, nil, global, q, x.dtype), x.shape...)
	return passThrough([]*Array{x, y})[0]
}

// passThrough is its second argument, with the gradient of the first.
var passThrough = CustomFunction(
	func(in []*Array) []*Array { return []*Array{in[1]} },
	func(in, cotangents, _ []*Array) []*Array { return []*Array{cotangents[0], nil} })
