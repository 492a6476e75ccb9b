package graph

import (
	"fmt"
	"math"

	"github.com/ftmetal/ftmetal/kernels"
)

// hadamard is the transform of the rows of its input, or the transposed one.
type hadamard struct {
	scale      float32
	transposed bool
}

// HadamardTransform is the Walsh-Hadamard transform of the last axis, times scale;
// a nil scale is 1/√n, which makes the transform orthonormal. The axis has
// n = m·2^k elements with m 1, 12, 20 or 28. Integers become float32. The gradient
// is the transposed transform; MLX 0.32.2 takes the transform itself, which is
// another one for m 20 and 28. Mirrors mx.hadamard_transform.
func HadamardTransform(a *Array, scale *float64) *Array {
	const op = "HadamardTransform"
	present(op, a)
	a = AsType(a, atLeastFloat(a.dtype))
	wantFloat(op, a)
	check(a.Size() > 0, op, "array of shape %v is empty", a.shape)
	x := a
	if len(a.shape) == 0 {
		x = Reshape(a, 1)
	}
	n := x.Dim(-1)
	_, power, ok := kernels.HadamardFactors(n)
	check(ok && power <= 1<<24, op, "last axis of %v has %d elements, want m·2^k with m 1, 12, 20 or 28 and k up to 24", a.shape, n)
	factor := 1 / math.Sqrt(float64(n))
	if scale != nil {
		factor = *scale
	}
	return Reshape(apply1(hadamard{scale: float32(factor)}, x.shape, x.dtype, x), a.shape...)
}

func (op hadamard) String() string { return fmt.Sprintf("HadamardTransform{%g}", op.scale) }

func (op hadamard) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Hadamard(l, l.Contiguous(in[0]), out[0], op.scale, op.transposed)
}

func (op hadamard) VJP(c *Cotangents) []*Array {
	op.transposed = !op.transposed
	return []*Array{apply1(op, c.Cot[0].shape, c.Cot[0].dtype, c.Cot[0])}
}

func (op hadamard) VMap(b *Batch) []*Array { return b.all(op) }
