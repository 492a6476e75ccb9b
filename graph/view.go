package graph

import (
	"fmt"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// view reads its input's bytes as elements of another dtype.
type view struct {
	noGradient
	dt metal.DType
}

// View is a's bytes in row-major order, read as elements of dt: the last axis
// grows or shrinks by the ratio of the elements' sizes, which has to divide it.
// It has no gradient. Mirrors mx.view.
func View(a *Array, dt metal.DType) *Array {
	present("View", a)
	checkShape("View", nil, dt)
	from, to := a.dtype.Size(), dt.Size()
	shape := append([]int{}, a.shape...)
	if from != to {
		check(len(shape) > 0, "View", "%s of shape [] cannot become %s: its element has %d bytes, not %d", a.dtype, dt, from, to)
		last := &shape[len(shape)-1]
		check(*last*from%to == 0, "View", "the last axis of %s%v has %d bytes, which elements of %s do not fill", a.dtype, a.shape, *last*from, dt)
		*last = *last * from / to
	}
	if dt == a.dtype {
		return a
	}
	return apply1(view{noGradient{"View"}, dt}, shape, dt, a)
}

func (op view) String() string { return fmt.Sprintf("View %s", op.dt) }

// View is the same memory where it is in order and its first byte may be one of
// an element of the new dtype.
func (op view) View(in kernels.Tensor, shape []int) (kernels.Tensor, bool) {
	if !in.Contiguous() || in.View.Off%int64(op.dt.Size()) != 0 {
		return kernels.Tensor{}, false
	}
	return kernels.Contig(in.View, op.dt, shape...), true
}

// Lower copies the elements as they were into the output's bytes.
func (op view) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Copy(l, in[0], kernels.Contig(out[0].View, in[0].DType, in[0].Shape...))
}
