package nn

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// Dropout sets elements to zero with probability P while training, and scales
// the others so that the mean stays. Mirrors nn.Dropout.
type Dropout struct {
	P        float64
	Keys     *graph.KeySequence // set by Init and SetKeys
	training bool
}

// NewDropout is a layer in training mode.
func NewDropout(p float64) *Dropout {
	graph.Check(p >= 0 && p < 1, "nn.Dropout", "probability %g, want [0, 1)", p)
	return &Dropout{P: p, training: true}
}

// SetTraining says whether Forward drops anything.
func (d *Dropout) SetTraining(training bool) { d.training = training }

// SetKeys gives the layer its random keys.
func (d *Dropout) SetKeys(keys *graph.KeySequence) { d.Keys = keys }

// Forward drops single elements of x.
func (d *Dropout) Forward(x *graph.Array) *graph.Array { return d.drop("nn.Dropout", x, 0) }

// drop shares one draw among the elements along the last few axes before the
// channels.
func (d *Dropout) drop(op string, x *graph.Array, shared int) *graph.Array {
	if d.P == 0 || !d.training {
		return x
	}
	graph.Check(d.Keys != nil, op, "the layer has no random keys: call nn.Init or nn.SetKeys, or nn.SetTraining(module, false)")
	shape := append([]int{}, x.Shape()...)
	for i := range shared {
		shape[len(shape)-2-i] = 1
	}
	mask := graph.Bernoulli(1-d.P, shape, d.Keys.Next())
	return graph.Multiply(graph.Multiply(mask, x), 1/(1-d.P))
}

// Dropout2d drops whole channels of images. Mirrors nn.Dropout2d.
type Dropout2d struct{ Dropout }

// NewDropout2d is a layer in training mode.
func NewDropout2d(p float64) *Dropout2d { return &Dropout2d{*NewDropout(p)} }

// Forward drops channels of x [B,H,W,C] or [H,W,C].
func (d *Dropout2d) Forward(x *graph.Array) *graph.Array {
	graph.Check(x.NDim() == 3 || x.NDim() == 4, "nn.Dropout2d", "input is %v, want 3 or 4 axes", x)
	return d.drop("nn.Dropout2d", x, 2)
}

// Dropout3d drops whole channels of volumes. Mirrors nn.Dropout3d.
type Dropout3d struct{ Dropout }

// NewDropout3d is a layer in training mode.
func NewDropout3d(p float64) *Dropout3d { return &Dropout3d{*NewDropout(p)} }

// Forward drops channels of x [B,D,H,W,C] or [D,H,W,C].
func (d *Dropout3d) Forward(x *graph.Array) *graph.Array {
	graph.Check(x.NDim() == 4 || x.NDim() == 5, "nn.Dropout3d", "input is %v, want 4 or 5 axes", x)
	return d.drop("nn.Dropout3d", x, 3)
}

// DropoutMask draws a mask of 0 and 1/(1-p) with the given key.
func DropoutMask(shape []int, p float64, key *graph.Array) *graph.Array {
	keep := graph.Bernoulli(1-p, shape, key)
	return graph.Multiply(graph.AsType(keep, metal.Float32), 1/(1-p))
}
