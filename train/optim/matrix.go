package optim

import "github.com/ftmetal/ftmetal/graph"

// AdafactorOptions are the arguments of MLX's Adafactor.
type AdafactorOptions struct {
	Eps            *[2]float64 // nil: 1e-30, added to squared gradients, and 1e-3, the least scale of a parameter
	ClipThreshold  *float64    // nil: 1
	DecayRate      *float64    // nil: -0.8
	Beta1          *float64    // nil: no first moment
	WeightDecay    float64
	ScaleParameter *bool // nil: true, the rate is times the parameter's size
	RelativeStep   *bool // nil: true, the rate follows from the step
	WarmupInit     bool  // the relative rate grows from 0
}

type adafactor struct{ graph.AdafactorOptions }

// NewAdafactor keeps sums of squares for rows and columns of matrices only. lr
// counts where RelativeStep is off; 0 stands for none. Mirrors
// optimizers.Adafactor.
func NewAdafactor[R Rate](lr R, opt *AdafactorOptions) *Optimizer {
	o := options(opt)
	eps := or(o.Eps, [2]float64{1e-30, 1e-3})
	rule := adafactor{graph.AdafactorOptions{Eps1: eps[0], Eps2: eps[1], ClipThreshold: or(o.ClipThreshold, 1), DecayRate: or(o.DecayRate, -0.8),
		Beta1: o.Beta1, WeightDecay: o.WeightDecay, ScaleParameter: or(o.ScaleParameter, true), RelativeStep: or(o.RelativeStep, true), WarmupInit: o.WarmupInit}}
	none := any(lr) == any(0) || any(lr) == any(0.0)
	graph.Check(!none || rule.RelativeStep, "optim.NewAdafactor", "the learning rate is 0, want a positive one where RelativeStep is off")
	if none {
		return newOptimizer(rule)
	}
	return made("optim.NewAdafactor", lr, rule)
}

// MLX's names of the state.
const (
	slotRow    = "exp_avg_sq_row"
	slotCol    = "exp_avg_sq_col"
	slotSquare = "exp_avg_sq"
	slotMean   = "exp_avg"
)

func (r adafactor) Init(p *graph.Array) Slots {
	s := Slots{}
	s.setFactored(graph.NewAdafactorState(p, r.AdafactorOptions))
	return s
}

// setFactored stores what there is of a state.
func (s Slots) setFactored(state graph.AdafactorState) {
	for name, a := range map[string]*graph.Array{slotRow: state.Row, slotCol: state.Col, slotSquare: state.Square, slotMean: state.Mean} {
		if a != nil {
			s[name] = a
		}
	}
}

func (r adafactor) Apply(g, p *graph.Array, s Slots, at *Moment) *graph.Array {
	opt := r.AdafactorOptions
	opt.LR = at.LearningRate
	p, state := graph.Adafactor(g, p, graph.AdafactorState{Row: s[slotRow], Col: s[slotCol], Square: s[slotSquare], Mean: s[slotMean]}, at.Step, opt)
	s.setFactored(state)
	return p
}

// MuonOptions are the arguments of MLX's Muon.
type MuonOptions struct {
	Momentum    *float64 // nil: 0.95
	WeightDecay *float64 // nil: 0.01; added to the gradient, times the parameter
	Nesterov    *bool    // nil: true
	Steps       *int     // nil: 5, of the Newton-Schulz iteration; MLX's ns_steps
}

type muon struct{ graph.MuonOptions }

// NewMuon makes the updates of matrices nearly orthogonal. Embeddings, last layers
// and vectors are better left to another optimizer: see MultiOptimizer. Mirrors
// optimizers.Muon.
func NewMuon[R Rate](lr R, opt *MuonOptions) *Optimizer {
	o := options(opt)
	steps := or(o.Steps, 5)
	graph.Check(steps >= 0 && steps <= 100, "optim.NewMuon", "%d Newton-Schulz steps, want 0 to 100", steps)
	return made("optim.NewMuon", lr, muon{graph.MuonOptions{Momentum: or(o.Momentum, 0.95), WeightDecay: or(o.WeightDecay, 0.01), Nesterov: or(o.Nesterov, true), Steps: steps}})
}

func (muon) Init(p *graph.Array) Slots { return zeros(p, "v") }

func (r muon) Apply(g, p *graph.Array, s Slots, at *Moment) *graph.Array {
	opt := r.MuonOptions
	opt.LR = at.LearningRate
	p, s["v"] = graph.Muon(g, p, s["v"], opt)
	return p
}
