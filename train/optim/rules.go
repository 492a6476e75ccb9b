package optim

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// or is what p points to, or the default.
func or[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}

// options are opt, or the zero value if that is nil.
func options[T any](opt *T) T {
	var zero T
	return or(opt, zero)
}

// made is an optimizer with rule, whose constructor has the name op.
func made(op string, lr any, rule Rule) *Optimizer {
	o := newOptimizer(rule)
	o.setRate(op, lr)
	return o
}

// zeros are slots that begin as zeros like p.
func zeros(p *graph.Array, names ...string) Slots {
	s := Slots{}
	for _, n := range names {
		s[n] = graph.ZerosLike(p)
	}
	return s
}

// fusable reports whether the kernels over float32 arrays can do a step.
func fusable(arrays ...*graph.Array) bool {
	for _, a := range arrays {
		if a.DType() != metal.Float32 {
			return false
		}
	}
	return true
}

// SGDOptions are the arguments of MLX's SGD.
type SGDOptions struct {
	Momentum    float64
	WeightDecay float64 // added to the gradient, times the parameter
	Dampening   float64
	Nesterov    bool // wants a momentum and no dampening
}

type sgd struct{ kernels.SGDOptions }

// NewSGD is stochastic gradient descent. Mirrors optimizers.SGD.
func NewSGD[R Rate](lr R, opt *SGDOptions) *Optimizer {
	o := options(opt)
	graph.Check(!o.Nesterov || o.Momentum > 0 && o.Dampening == 0, "optim.NewSGD", "Nesterov with momentum %g and dampening %g, want a positive and none", o.Momentum, o.Dampening)
	return made("optim.NewSGD", lr, sgd{kernels.SGDOptions{Momentum: o.Momentum, Dampening: o.Dampening, WeightDecay: o.WeightDecay, Nesterov: o.Nesterov}})
}

func (sgd) Init(p *graph.Array) Slots { return zeros(p, "v") }

func (r sgd) Apply(g, p *graph.Array, s Slots, at *Moment) *graph.Array {
	if r.Momentum <= 0 || !fusable(g, p, s["v"]) {
		p, s["v"] = graph.SGDUnfused(g, p, s["v"], at.LearningRate, r.SGDOptions)
		return p
	}
	hyper := at.once("hyper", func() *graph.Array { return graph.Hyper(at.LearningRate, at.Step, kernels.AdamWOptions{}) })
	next := r.ApplyFlat(g, p, []*graph.Array{s["v"]}, hyper, Layout{}, metal.Float32)
	s["v"] = next[1]
	return next[0]
}

// RMSpropOptions are the arguments of MLX's RMSprop.
type RMSpropOptions struct {
	Alpha *float64 // nil: 0.99
	Eps   *float64 // nil: 1e-8
}

type rmsprop struct{ alpha, eps float64 }

// NewRMSprop divides gradients by the root of a running mean of their squares.
// Mirrors optimizers.RMSprop.
func NewRMSprop[R Rate](lr R, opt *RMSpropOptions) *Optimizer {
	const op = "optim.NewRMSprop"
	r := rmsprop{or(options(opt).Alpha, 0.99), or(options(opt).Eps, 1e-8)}
	graph.Check(r.alpha >= 0, op, "alpha is %g, want at least 0", r.alpha)
	checkEps(op, r.eps)
	return made(op, lr, r)
}

// checkEps refuses what could divide by 0.
func checkEps(op string, eps float64) {
	graph.Check(eps > 0, op, "eps is %g, want a positive number", eps)
}

func (rmsprop) Init(p *graph.Array) Slots { return zeros(p, "v") }

func (r rmsprop) Apply(g, p *graph.Array, s Slots, at *Moment) *graph.Array {
	p, s["v"] = graph.RMSProp(g, p, s["v"], at.LearningRate, r.alpha, r.eps)
	return p
}

// AdagradOptions are the arguments of MLX's Adagrad.
type AdagradOptions struct {
	Eps *float64 // nil: 1e-8
}

type adagrad struct{ eps float64 }

// NewAdagrad divides gradients by the root of the sum of their squares. Mirrors
// optimizers.Adagrad.
func NewAdagrad[R Rate](lr R, opt *AdagradOptions) *Optimizer {
	r := adagrad{or(options(opt).Eps, 1e-8)}
	checkEps("optim.NewAdagrad", r.eps)
	return made("optim.NewAdagrad", lr, r)
}

func (adagrad) Init(p *graph.Array) Slots { return zeros(p, "v") }

func (r adagrad) Apply(g, p *graph.Array, s Slots, at *Moment) *graph.Array {
	p, s["v"] = graph.Adagrad(g, p, s["v"], at.LearningRate, r.eps)
	return p
}

// AdaDeltaOptions are the arguments of MLX's AdaDelta.
type AdaDeltaOptions struct {
	Rho *float64 // nil: 0.9
	Eps *float64 // nil: 1e-6
}

type adadelta struct{ rho, eps float64 }

// NewAdaDelta scales gradients by the ratio of the running sizes of updates and
// gradients. Mirrors optimizers.AdaDelta.
func NewAdaDelta[R Rate](lr R, opt *AdaDeltaOptions) *Optimizer {
	const op = "optim.NewAdaDelta"
	r := adadelta{or(options(opt).Rho, 0.9), or(options(opt).Eps, 1e-6)}
	graph.Check(r.rho >= 0, op, "rho is %g, want at least 0", r.rho)
	checkEps(op, r.eps)
	return made(op, lr, r)
}

func (adadelta) Init(p *graph.Array) Slots { return zeros(p, "v", "u") }

func (r adadelta) Apply(g, p *graph.Array, s Slots, at *Moment) *graph.Array {
	p, s["v"], s["u"] = graph.AdaDelta(g, p, s["v"], s["u"], at.LearningRate, r.rho, r.eps)
	return p
}
