package graph

import (
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// matmul is alpha times a batched matrix product of operands with equal batch
// axes. The output may be float32 for 16-bit operands.
type matmul struct{ alpha float32 }

// Matmul is the matrix product of the last two axes, with the other axes
// broadcast; operands of one axis are a row and a column. The product is
// accumulated in float32. Mirrors mx.matmul.
func Matmul(a, b *Array) *Array {
	present("Matmul", a, b)
	check(len(a.shape) > 0 && len(b.shape) > 0, "Matmul", "operands have shapes %v and %v, want at least one axis each", a.shape, b.shape)
	dt := Promote(a.dtype, b.dtype)
	if dt == metal.Complex64 {
		return complexMatmul(a, b)
	}
	check(dt.IsFloat(), "Matmul", "operands are %s and %s, want floating-point or complex numbers", a, b)
	a, b = AsType(a, dt), AsType(b, dt)
	row, col := len(a.shape) == 1, len(b.shape) == 1
	if row {
		a = Reshape(a, 1, a.shape[0])
	}
	if col {
		b = Reshape(b, b.shape[0], 1)
	}
	check(a.Dim(-1) == b.Dim(-2), "Matmul", "shapes %v and %v do not match: the last axis of the first must be the second to last of the second", a.shape, b.shape)
	out := matmulBatched(a, b)
	if row {
		out = Squeeze(out, -2)
	}
	if col {
		out = Squeeze(out, -1)
	}
	return out
}

// matmulBatched broadcasts the batch axes. A matrix on the right with batches
// on the left is one tall product.
func matmulBatched(a, b *Array) *Array {
	na, nb := len(a.shape), len(b.shape)
	m, k, n := a.Dim(-2), a.Dim(-1), b.Dim(-1)
	if nb == 2 && na > 2 {
		flat := apply1(matmul{1}, []int{sizeOf(a.shape[:na-1]), n}, a.dtype, Reshape(a, sizeOf(a.shape[:na-1]), k), b)
		return Reshape(flat, append(slices.Clone(a.shape[:na-1]), n)...)
	}
	batch := broadcastShapes("Matmul", a.shape[:na-2], b.shape[:nb-2])
	a = BroadcastTo(a, append(slices.Clone(batch), m, k))
	b = BroadcastTo(b, append(slices.Clone(batch), k, n))
	return apply1(matmul{1}, append(slices.Clone(batch), m, n), a.dtype, a, b)
}

func (matmul) String() string { return "Matmul" }

func (op matmul) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Gemm(l, kernels.GemmOp{A: l.matrix(in[0]), B: l.matrix(in[1]), C: out[0], Alpha: op.alpha})
}

// matrix is t, or a copy of it, with rows or columns that are contiguous and
// batch axes that the gemm kernel can step through.
func (l *Lowering) matrix(t kernels.Tensor) kernels.Tensor {
	n := len(t.Shape)
	sr, sc := t.Strides[n-2], t.Strides[n-1]
	rows, cols := t.Shape[n-2], t.Shape[n-1]
	rowMajor := (sc == 1 || cols == 1) && (sr >= cols || rows == 1)
	colMajor := (sr == 1 || rows == 1) && (sc >= rows || cols == 1)
	if t.Offset != 0 || (!rowMajor && !colMajor) || !uniformBatch(t) {
		return l.Contiguous(t)
	}
	return t
}

// uniformBatch reports whether the batch axes are one axis with one stride
// (possibly 0), which is what the kernel steps by.
func uniformBatch(t kernels.Tensor) bool {
	n := len(t.Shape) - 2
	_, ok := reshapeStrides(t.Shape[:n], t.Strides[:n], []int{sizeOf(t.Shape[:n])})
	return ok
}

func (op matmul) VJP(c *Cotangents) []*Array {
	a, b, g := c.In[0], c.In[1], c.Cot[0]
	return []*Array{
		when(c.Want[0], func() *Array { return matmulScaled(AsType(g, a.dtype), SwapAxes(b, -1, -2), op.alpha) }),
		when(c.Want[1], func() *Array { return matmulScaled(SwapAxes(a, -1, -2), AsType(g, a.dtype), op.alpha) }),
	}
}

// matmulPlain multiplies operands whose batch axes agree already.
func matmulPlain(a, b *Array) *Array { return matmulScaled(a, b, 1) }

// matmulScaled is alpha·a@b for operands whose batch axes agree already.
func matmulScaled(a, b *Array, alpha float32) *Array {
	shape := append(slices.Clone(a.shape[:len(a.shape)-1]), b.Dim(-1))
	return apply1(matmul{alpha}, shape, a.dtype, a, b)
}

// widened is g in dtype dt. A product that nothing else has used yet is made
// anew with its float32 sums unrounded, and the rounded one is never computed:
// gradients of float32 masters keep their precision.
func widened(g *Array, dt metal.DType) *Array {
	if dt == metal.Float32 && g.dtype != dt && g.node != nil && g.data == nil {
		if op, ok := g.node.op.(matmul); ok {
			return apply1(op, g.shape, dt, g.node.in...)
		}
	}
	return AsType(g, dt)
}

// AddMM is alpha·(a@b) + beta·c. Mirrors mx.addmm.
func AddMM(c, a, b *Array, alpha, beta float64) *Array {
	ab := Matmul(a, b)
	if alpha != 1 {
		ab = Multiply(ab, alpha)
	}
	if beta != 1 {
		c = Multiply(c, beta)
	}
	return Add(ab, c)
}

// lowRank is a@op(b) + scale·u@v: the product of a frozen matrix with a
// low-rank update in the same tiles (DESIGN.md 6). Inputs: a [M,K], b [K,N]
// (any strides), u [M,R], v [R,N].
type lowRank struct{ scale float32 }

// MatmulLowRank is a@b + scale·u@v for a [M,K], b [K,N], u [M,R], v [R,N], in
// one kernel: the low-rank product is R more columns of K.
func MatmulLowRank(a, b, u, v *Array, scale float64) *Array {
	present("MatmulLowRank", a, b, u, v)
	ok := len(a.shape) == 2 && len(b.shape) == 2 && len(u.shape) == 2 && len(v.shape) == 2 &&
		a.shape[1] == b.shape[0] && u.shape[0] == a.shape[0] && v.shape[1] == b.shape[1] && u.shape[1] == v.shape[0]
	check(ok, "MatmulLowRank", "shapes %v, %v, %v, %v do not match [M,K], [K,N], [M,R], [R,N]", a.shape, b.shape, u.shape, v.shape)
	for _, x := range []*Array{b, u, v} {
		check(x.dtype == a.dtype, "MatmulLowRank", "dtypes %s, %s, %s, %s differ", a.dtype, b.dtype, u.dtype, v.dtype)
	}
	return apply1(lowRank{float32(scale)}, []int{a.shape[0], b.shape[1]}, a.dtype, a, b, u, v)
}

func (lowRank) String() string { return "MatmulLowRank" }

func (op lowRank) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Gemm(l, kernels.GemmOp{A: l.matrix(in[0]), B: l.matrix(in[1]), C: out[0],
		LowRank: &kernels.LowRank{A: l.matrix(in[2]), B: l.matrix(in[3]), Scale: op.scale}})
}

func (op lowRank) VJP(c *Cotangents) []*Array {
	a, b, u, v, g := c.In[0], c.In[1], c.In[2], c.In[3], c.Cot[0]
	return []*Array{
		when(c.Want[0], func() *Array { return matmulPlain(g, Transpose(b)) }),
		when(c.Want[1], func() *Array { return matmulPlain(Transpose(a), g) }),
		when(c.Want[2], func() *Array { return matmulScaled(g, Transpose(v), op.scale) }),
		when(c.Want[3], func() *Array { return matmulScaled(Transpose(u), g, op.scale) }),
	}
}

// loraLinear is y = x@wᵀ + scale·(x@a)@b with a frozen w.
type loraLinear struct{ scale float32 }

// LoRALinear applies a frozen weight w [out,in] with a low-rank update
// a [in,R], b [R,out]: y = x@wᵀ + scale·(x@a)@b for x [T,in]. dropped is what
// a sees instead of x (after dropout), or x itself. The gradient is made of
// the same fused products: dx = dy@w + scale·(dy@bᵀ)@aᵀ in one kernel.
func LoRALinear(x, w, a, b, dropped *Array, scale float64) *Array {
	present("LoRALinear", x, w, a, b)
	check(len(x.shape) == 2 && len(w.shape) == 2 && w.shape[1] == x.shape[1], "LoRALinear", "x is %v and w %v, want [T,in] and [out,in]", x.shape, w.shape)
	check(len(a.shape) == 2 && len(b.shape) == 2 && a.shape[0] == x.shape[1] && a.shape[1] == b.shape[0] && b.shape[1] == w.shape[0], "LoRALinear",
		"a is %v and b %v, want [in,R] and [R,out] for w %v", a.shape, b.shape, w.shape)
	xa := Matmul(dropped, a)
	if dropped != x {
		return MatmulLowRank(x, Transpose(w), xa, b, scale)
	}
	return apply1(loraLinear{float32(scale)}, []int{x.shape[0], w.shape[0]}, x.dtype, x, w, a, b, xa)
}

func (loraLinear) String() string { return "LoRALinear" }

func (op loraLinear) Lower(l *Lowering, in, out []kernels.Tensor) {
	w := transposed(in[1])
	kernels.Gemm(l, kernels.GemmOp{A: l.matrix(in[0]), B: l.matrix(w), C: out[0],
		LowRank: &kernels.LowRank{A: l.matrix(in[4]), B: l.matrix(in[3]), Scale: op.scale}})
}

// transposed is the other view of a matrix.
func transposed(t kernels.Tensor) kernels.Tensor {
	return kernels.Tensor{View: t.View, DType: t.DType, Shape: []int{t.Shape[1], t.Shape[0]}, Strides: []int{t.Strides[1], t.Strides[0]}, Offset: t.Offset}
}

// VJP gives x, a and b all of their gradient, and xa none: xa = x@a is part of
// this op's own derivative.
func (op loraLinear) VJP(c *Cotangents) []*Array {
	x, w, a, b, xa, g := c.In[0], c.In[1], c.In[2], c.In[3], c.In[4], c.Cot[0]
	grads := make([]*Array, 5)
	var gb *Array // dy@bᵀ [T,R]
	if c.Want[0] || c.Want[2] {
		gb = matmulPlain(g, Transpose(b))
	}
	if c.Want[0] {
		grads[0] = MatmulLowRank(g, w, gb, Transpose(a), float64(op.scale))
	}
	if c.Want[1] {
		grads[1] = matmulPlain(Transpose(g), x)
	}
	if c.Want[2] {
		grads[2] = matmulScaled(Transpose(x), gb, op.scale)
	}
	if c.Want[3] {
		grads[3] = matmulScaled(Transpose(xa), g, op.scale)
	}
	return grads
}

// Linear is x@wᵀ (+ bias) for x [...,in] and w [out,in].
func Linear(x, w, bias *Array) *Array {
	present("Linear", x, w)
	y := Matmul(x, Transpose(w))
	if bias != nil {
		y = Add(y, bias)
	}
	return y
}

// wantRows refuses what has no last axis of floats.
func wantRows(op string, a *Array) {
	wantFloat(op, a)
	check(len(a.shape) > 0, op, "operand has shape %v, want at least one axis", a.shape)
}

// wantFloat panics unless every array is floating point.
func wantFloat(op string, arrays ...*Array) {
	present(op, arrays...)
	for _, a := range arrays {
		check(a.dtype.IsFloat() && a.dtype != metal.Float64, op, "operand is %v, want float32, float16 or bfloat16", a)
	}
}
