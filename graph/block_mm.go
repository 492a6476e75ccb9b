package graph

import (
	"fmt"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// blockMask scales blocks of matrices, [..., rows, cols], by a mask that has one
// element for each: [rows, cols] for all matrices, or with x's other axes.
type blockMask struct{ block int }

func (op blockMask) String() string { return fmt.Sprintf("BlockMask{%d}", op.block) }

func (op blockMask) Lower(l *Lowering, in, out []kernels.Tensor) {
	matrices := func(t kernels.Tensor) kernels.Tensor {
		n := len(t.Shape)
		return kernels.Contig(t.View, t.DType, sizeOf(t.Shape[:n-2]), t.Shape[n-2], t.Shape[n-1])
	}
	kernels.BlockMask(l, matrices(l.Contiguous(in[0])), matrices(l.Contiguous(in[1])), matrices(out[0]), op.block)
}

func (op blockMask) VJP(c *Cotangents) []*Array {
	x, mask, g := c.In[0], c.In[1], c.Cot[0]
	return []*Array{
		when(c.Want[0], func() *Array { return apply1(op, g.shape, g.dtype, g, AsType(mask, maskDType(mask, g.dtype))) }),
		when(c.Want[1], func() *Array { return op.sums(Multiply(g, x), mask.shape) }),
	}
}

// maskDType is the dtype of a mask for matrices of dtype dt.
func maskDType(mask *Array, dt metal.DType) metal.DType {
	if mask.dtype == metal.Bool {
		return metal.Bool
	}
	return dt
}

// sums adds up each block of a, to the shape of a mask.
func (op blockMask) sums(a *Array, shape []int) *Array {
	n, last := len(a.shape), len(shape)-1
	down, across := shape[last-1], shape[last]
	a = resized(resized(a, -2, down*op.block), -1, across*op.block)
	parts := Reshape(a, append(append([]int{}, a.shape[:n-2]...), down, op.block, across, op.block)...)
	s := Sum(parts, []int{-3, -1}, false)
	for len(s.shape) > len(shape) {
		s = Sum(s, []int{0}, false)
	}
	return s
}

// BlockMaskedMM is the matrix product of the last two axes of blocks that masks
// choose: maskLHS those of a, maskRHS those of b, maskOut those of the result,
// each with one element for blockSize by blockSize elements (nil: all). A block
// whose mask is false counts as zeros, whatever it holds; masks of numbers scale
// their blocks and have gradients. The block size is 32 or 64. Mirrors
// mx.block_masked_mm.
func BlockMaskedMM(a, b *Array, blockSize int, maskOut, maskLHS, maskRHS *Array) *Array {
	const name = "BlockMaskedMM"
	present(name, a, b)
	check(blockSize == 32 || blockSize == 64, name, "block size is %d, want 32 or 64", blockSize)
	check(len(a.shape) > 0 && len(b.shape) > 0, name, "operands have shapes %v and %v, want at least one axis each", a.shape, b.shape)
	dt := Promote(a.dtype, b.dtype)
	check(dt.IsFloat() && dt != metal.Float64, name, "operands are %s and %s, want float32, float16 or bfloat16", a, b)
	a, b = AsType(a, dt), AsType(b, dt)
	row, col := len(a.shape) == 1, len(b.shape) == 1
	if row {
		a = Reshape(a, 1, a.shape[0])
	}
	if col {
		b = Reshape(b, b.shape[0], 1)
	}
	check(a.Dim(-1) == b.Dim(-2), name, "shapes %v and %v do not match: the last axis of the first must be the second to last of the second", a.shape, b.shape)
	op := blockMask{blockSize}
	out := op.masked(name, "maskOut", Matmul(op.masked(name, "maskLHS", a, maskLHS), op.masked(name, "maskRHS", b, maskRHS)), maskOut)
	if row {
		out = Squeeze(out, -2)
	}
	if col {
		out = Squeeze(out, -1)
	}
	return out
}

// masked applies a mask, if there is one.
func (op blockMask) masked(name, which string, x, mask *Array) *Array {
	if mask == nil {
		return x
	}
	n, m := len(x.shape)-2, len(mask.shape)-2
	down, across := ceilDiv(x.Dim(-2), op.block), ceilDiv(x.Dim(-1), op.block)
	check(m >= 0 && mask.shape[m] == down && mask.shape[m+1] == across, name, "%s has shape %v, want [... %d %d] for matrices of %d by %d in blocks of %d",
		which, mask.shape, down, across, x.Dim(-2), x.Dim(-1), op.block)
	mask = AsType(mask, maskDType(mask, x.dtype))
	if sizeOf(mask.shape[:m]) == 1 && m <= n {
		mask = Reshape(mask, down, across)
	} else {
		batch := broadcastShapes(name, x.shape[:n], mask.shape[:m])
		x = BroadcastTo(x, append(append([]int{}, batch...), x.shape[n:]...))
		mask = BroadcastTo(mask, append(append([]int{}, batch...), down, across))
	}
	return apply1(op, x.shape, x.dtype, x, mask)
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// segmentedMM multiplies over ranges; its inputs are a, b and the ranges.
type segmentedMM struct{}

// SegmentedMM is a [M,K] times b [K,N] over ranges of K, one product [M,N] for
// each: segments [...,2] are integers, where each range begins and the place
// behind its end. One
// outside K is an error of Eval. The gradient, which MLX
// has not, goes to a and b. Mirrors mx.segmented_mm.
func SegmentedMM(a, b, segments *Array) *Array {
	const op = "SegmentedMM"
	present(op, a, b, segments)
	check(len(a.shape) == 2 && len(b.shape) == 2 && a.shape[1] == b.shape[0], op, "shapes %v and %v do not match [M,K] and [K,N]", a.shape, b.shape)
	dt := Promote(a.dtype, b.dtype)
	check(dt.IsFloat() && dt != metal.Float64, op, "operands are %s and %s, want float32, float16 or bfloat16", a, b)
	last := len(segments.shape) - 1
	check(last >= 0 && segments.shape[last] == 2 && segments.dtype.IsInteger(), op, "segments are %v, want integers of shape [... 2]", segments)
	shape := append(append([]int{}, segments.shape[:last]...), a.shape[0], b.shape[1])
	return apply1(segmentedMM{}, shape, dt, AsType(a, dt), AsType(b, dt), AsType(boundsOf(op, segments, a.shape[1]), metal.Uint32))
}

func (segmentedMM) String() string { return "SegmentedMM" }

func (segmentedMM) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.SegmentedMM(l, l.Contiguous(in[0]), l.Contiguous(in[1]), l.Contiguous(in[2]), out[0])
}

func (segmentedMM) VJP(c *Cotangents) []*Array {
	a, b, ranges, g := c.In[0], c.In[1], Reshape(c.In[2], -1, 2), c.Cot[0]
	g = Reshape(g, ranges.shape[0], a.shape[0], b.shape[1])
	k := Arange(0, float64(a.shape[1]), 1, metal.Uint32)
	inside := AsType(LogicalAnd(GreaterEqual(k, SliceAxis(ranges, 1, 0, 1)), Less(k, SliceAxis(ranges, 1, 1, 2))), g.dtype) // [S, K]
	return []*Array{
		when(c.Want[0], func() *Array {
			return Sum(Multiply(Matmul(g, Transpose(b)), ExpandDims(inside, 1)), []int{0}, false)
		}),
		when(c.Want[1], func() *Array {
			return Sum(Multiply(Matmul(Transpose(a), g), ExpandDims(inside, 2)), []int{0}, false)
		}),
		nil,
	}
}
