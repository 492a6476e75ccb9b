package graph

import "github.com/ftmetal/ftmetal/kernels"

// Op is one kind of node. An op is its file: there is no list of ops.
type Op interface {
	// Lower emits the dispatches that compute out from in. Operands may be
	// strided views unless the op asks for contiguous ones (Lowering.Contiguous).
	Lower(l *Lowering, in, out []kernels.Tensor)
	// VJP returns the cotangents of the inputs. cot has one entry per output,
	// nil where nothing flows back; want says which inputs need a cotangent.
	// It builds graph nodes, so second derivatives work.
	VJP(c *Cotangents) []*Array
	// String names the op with its attributes, for plans and errors.
	String() string
}

// Cotangents is what an op's VJP sees.
type Cotangents struct {
	In, Out []*Array
	Cot     []*Array // per output; nil where nothing flows back
	Want    []bool   // per input
}

// viewer is an op whose output is another view of its input's memory. View
// reports false when the strides do not allow that; Lower then copies.
type viewer interface {
	View(in kernels.Tensor, shape []int) (kernels.Tensor, bool)
}

// noGradient is embedded by ops that have no derivative. Grad through one
// panics with its name: nothing stops training silently.
type noGradient struct{ name string }

func (n noGradient) VJP(c *Cotangents) []*Array {
	fail("Grad", "%s has no gradient; wrap its input in StopGradient if none is meant", n.name)
	return nil
}

// constantGradient is embedded by ops whose derivative is zero almost
// everywhere: comparisons, rounding, integer results.
type constantGradient struct{}

func (constantGradient) VJP(c *Cotangents) []*Array { return make([]*Array, len(c.In)) }
