package optim

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Flat is a step of SGD, Adam or AdamW over one float32 array that holds all
// parameters, in one launch: what a trainer runs that lays its state out itself.
type Flat interface {
	// FlatSlots is how many arrays like the parameters a step keeps.
	FlatSlots() int
	// Hyper fills the buffer of settings for update number count, from 1, whose
	// gradients are multiplied by gradScale first.
	Hyper(lr float64, count int, gradScale float64) [kernels.HyperSize]float32
	// ApplyFlat returns the new parameters, the new slots and, unless low is Float32,
	// the parameters rounded to that dtype. Weight decay is for the first decay
	// elements.
	ApplyFlat(g, p *graph.Array, slots []*graph.Array, hyper *graph.Array, decay int, low metal.DType) []*graph.Array
}

// Flat is the optimizer's rule over flat arrays, or nil if it has no such form.
func (o *Optimizer) Flat() Flat {
	f, _ := o.rule.(Flat)
	return f
}

func (sgd) FlatSlots() int { return 1 }

func (sgd) Hyper(lr float64, count int, gradScale float64) [kernels.HyperSize]float32 {
	return kernels.Hyper(lr, count, gradScale, kernels.AdamWOptions{})
}

func (r sgd) ApplyFlat(g, p *graph.Array, slots []*graph.Array, hyper *graph.Array, _ int, low metal.DType) []*graph.Array {
	next := graph.SGD(g, p, slots[0], hyper, r.SGDOptions)
	if low != metal.Float32 {
		next = append(next, graph.AsType(next[0], low))
	}
	return next
}

func (adam) FlatSlots() int { return 2 }

func (r adam) Hyper(lr float64, count int, gradScale float64) [kernels.HyperSize]float32 {
	return kernels.Hyper(lr, count, gradScale, r.AdamWOptions)
}

func (r adam) ApplyFlat(g, p *graph.Array, slots []*graph.Array, hyper *graph.Array, decay int, low metal.DType) []*graph.Array {
	opt := r.AdamWOptions
	opt.DecayCount = decay
	return graph.AdamW(g, p, slots[0], slots[1], hyper, opt, low)
}
