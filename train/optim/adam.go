package optim

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// AdamOptions are the arguments of MLX's Adam.
type AdamOptions struct {
	Betas          *[2]float64 // nil: 0.9, 0.999
	Eps            *float64    // nil: 1e-8
	BiasCorrection bool
}

// AdamWOptions are the arguments of MLX's AdamW.
type AdamWOptions struct {
	Betas          *[2]float64 // nil: 0.9, 0.999
	Eps            *float64    // nil: 1e-8
	WeightDecay    *float64    // nil: 0.01; of the parameter itself, times the learning rate
	BiasCorrection bool
}

type adam struct{ kernels.AdamWOptions }

// NewAdam keeps running means of gradients and of their squares. Mirrors
// optimizers.Adam.
func NewAdam[R Rate](lr R, opt *AdamOptions) *Optimizer {
	o := options(opt)
	return made("optim.NewAdam", lr, newAdam("optim.NewAdam", o.Betas, o.Eps, 0, o.BiasCorrection))
}

// NewAdamW is Adam with decoupled weight decay. Mirrors optimizers.AdamW.
func NewAdamW[R Rate](lr R, opt *AdamWOptions) *Optimizer {
	o := options(opt)
	return made("optim.NewAdamW", lr, newAdam("optim.NewAdamW", o.Betas, o.Eps, or(o.WeightDecay, 0.01), o.BiasCorrection))
}

func newAdam(op string, betas *[2]float64, eps *float64, decay float64, correct bool) adam {
	b, e := or(betas, [2]float64{0.9, 0.999}), or(eps, 1e-8)
	checkBetas(op, b)
	graph.Check(e >= 0, op, "eps is %g, want at least 0", e)
	return adam{kernels.AdamWOptions{Beta1: b[0], Beta2: b[1], Eps: e, WeightDecay: decay, BiasCorrection: correct}}
}

func checkBetas(op string, betas [2]float64) {
	for _, b := range betas {
		graph.Check(b >= 0 && b < 1, op, "betas are %v, want numbers in [0, 1)", betas)
	}
}

func (adam) Init(p *graph.Array) Slots { return zeros(p, "m", "v") }

func (r adam) Apply(g, p *graph.Array, s Slots, at *Moment) *graph.Array {
	if !fusable(g, p, s["m"], s["v"]) {
		p, s["m"], s["v"] = graph.AdamWUnfused(g, p, s["m"], s["v"], at.LearningRate, at.Step, r.AdamWOptions)
		return p
	}
	hyper := at.once("hyper", func() *graph.Array { return graph.Hyper(at.LearningRate, at.Step, r.AdamWOptions) })
	next := r.ApplyFlat(g, p, []*graph.Array{s["m"], s["v"]}, hyper, Layout{Decay: p.Size()}, metal.Float32)
	s["m"], s["v"] = next[1], next[2]
	return next[0]
}

// AdamaxOptions are the arguments of MLX's Adamax.
type AdamaxOptions struct {
	Betas *[2]float64 // nil: 0.9, 0.999
	Eps   *float64    // nil: 1e-8
}

type adamax struct{ kernels.AdamWOptions }

// NewAdamax is Adam with a decaying maximum of the gradients' sizes instead of the
// mean of their squares. Mirrors optimizers.Adamax.
func NewAdamax[R Rate](lr R, opt *AdamaxOptions) *Optimizer {
	o := options(opt)
	return made("optim.NewAdamax", lr, adamax(newAdam("optim.NewAdamax", o.Betas, o.Eps, 0, false)))
}

func (adamax) Init(p *graph.Array) Slots { return zeros(p, "m", "v") }

func (r adamax) Apply(g, p *graph.Array, s Slots, at *Moment) *graph.Array {
	p, s["m"], s["v"] = graph.Adamax(g, p, s["m"], s["v"], at.LearningRate, r.Beta1, r.Beta2, r.Eps)
	return p
}

// LionOptions are the arguments of MLX's Lion.
type LionOptions struct {
	Betas       *[2]float64 // nil: 0.9, 0.99
	WeightDecay float64     // of the parameter itself, times the learning rate
}

type lion struct {
	betas [2]float64
	decay float64
}

// NewLion goes by the sign of a running mean of gradients. Its learning rate is to
// be some 3 to 10 times smaller than AdamW's. Mirrors optimizers.Lion.
func NewLion[R Rate](lr R, opt *LionOptions) *Optimizer {
	o := options(opt)
	r := lion{or(o.Betas, [2]float64{0.9, 0.99}), o.WeightDecay}
	checkBetas("optim.NewLion", r.betas)
	return made("optim.NewLion", lr, r)
}

func (lion) Init(p *graph.Array) Slots { return zeros(p, "m") }

func (r lion) Apply(g, p *graph.Array, s Slots, at *Moment) *graph.Array {
	p, s["m"] = graph.Lion(g, p, s["m"], at.LearningRate, r.betas[0], r.betas[1], r.decay)
	return p
}
