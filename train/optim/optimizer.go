package optim

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
)

// Rate is what a learning rate may be given as: a number or a schedule.
type Rate interface {
	int | float64 | Schedule | func(step *graph.Array) *graph.Array
}

// Slots are the arrays that an optimizer keeps for one parameter, by MLX's names:
// m, v, ….
type Slots map[string]*graph.Array

// Moment is what all parameters share in one update.
type Moment struct {
	LearningRate *graph.Array // float32, one element; nil where the optimizer has none
	Step         *graph.Array // uint64, the number of this update, from 1

	shared map[string]*graph.Array
}

// once makes an array for all parameters at the first of them.
func (m *Moment) once(name string, make func() *graph.Array) *graph.Array {
	if m.shared[name] == nil {
		m.shared[name] = make()
	}
	return m.shared[name]
}

// Rule is what tells optimizers from each other.
type Rule interface {
	// Init is the state before the first update of a parameter of p's shape and
	// dtype; nil: none. MLX calls it init_single.
	Init(p *graph.Array) Slots
	// Apply is the new value of parameter p with gradient g, whose slots it
	// replaces in s. MLX calls it apply_single.
	Apply(g, p *graph.Array, s Slots, at *Moment) *graph.Array
}

// Optimizer updates parameters by a rule and keeps its state. The names of its
// arrays as a tree are those of MLX. Mirrors optimizers.Optimizer.
type Optimizer struct {
	Step         *graph.Array     // uint64, the number of updates so far
	LearningRate *graph.Array     // float32, of the last update, or of the next one before any
	Slots        map[string]Slots `name:""` // by the names of parameters

	rule     Rule
	schedule Schedule // nil: LearningRate stays as it is
}

// New is an optimizer of the caller's own rule.
func New[R Rate](lr R, rule Rule) *Optimizer {
	graph.Check(rule != nil, "optim.New", "the rule is nil")
	return made("optim.New", lr, rule)
}

func newOptimizer(rule Rule) *Optimizer {
	return &Optimizer{Step: graph.Scalar(0, metal.Uint64), Slots: map[string]Slots{}, rule: rule}
}

func (o *Optimizer) setRate(op string, lr any) {
	var rate float64
	switch lr := lr.(type) {
	case Schedule:
		o.setSchedule(op, lr)
		return
	case func(step *graph.Array) *graph.Array:
		o.setSchedule(op, lr)
		return
	case int:
		rate = float64(lr)
	case float64:
		rate = lr
	}
	graph.Check(rate >= 0 && !math.IsInf(rate, 0), op, "the learning rate is %g, want a finite number from 0", rate)
	o.schedule, o.LearningRate = nil, graph.Scalar(rate, metal.Float32)
}

func (o *Optimizer) setSchedule(op string, s Schedule) {
	graph.Check(s != nil, op, "the learning rate is a nil schedule")
	o.schedule = s
	o.LearningRate = o.scheduled()
}

// scheduled is the schedule's rate after Step updates.
func (o *Optimizer) scheduled() *graph.Array {
	rate := o.schedule(o.Step)
	graph.Check(rate != nil && rate.Size() == 1, "optim.Schedule", "a learning rate is %v, want an array of one element", rate)
	return graph.AsType(graph.Reshape(rate), metal.Float32)
}

// SetLearningRate makes lr, a number, the rate from the next update on. A schedule
// ends with that.
func (o *Optimizer) SetLearningRate(lr float64) { o.setRate("optim.SetLearningRate", lr) }

// Init makes the state of the parameters of a tree that have none yet. Without
// it the first update makes that of the parameters it has gradients for. MLX calls
// it init.
func (o *Optimizer) Init(params any) {
	for _, l := range tree.Flatten(params) {
		graph.Check(l.Array.DType().IsFloat(), "optim.Init", "parameter %q is %v, want floating point; of a module pass nn.TrainableParameters", l.Name, l.Array)
		if o.Slots[l.Name] == nil {
			s := o.rule.Init(l.Array)
			if s == nil {
				s = Slots{}
			}
			o.Slots[l.Name] = s
		}
	}
}

// ApplyGradients returns the new values, by name, of the parameters that grads, a
// tree, has gradients for, and advances the state by one step. params is a tree
// that has those parameters, and may have more. MLX calls it apply_gradients.
func (o *Optimizer) ApplyGradients(grads, params any) map[string]*graph.Array {
	const op = "optim.ApplyGradients"
	g, p := tree.Flatten(grads), tree.Named(params)
	if len(o.Slots) == 0 {
		o.Init(grads)
	}
	for _, l := range g {
		checkGradient(op, l, p[l.Name], o.Slots[l.Name], len(o.Slots))
	}
	if o.schedule != nil {
		o.LearningRate = o.scheduled()
	}
	o.Step = graph.Add(o.Step, 1)
	at := &Moment{LearningRate: o.LearningRate, Step: o.Step, shared: map[string]*graph.Array{}}
	next := make(map[string]*graph.Array, len(g))
	for _, l := range g {
		next[l.Name] = o.rule.Apply(l.Array, p[l.Name], o.Slots[l.Name], at)
	}
	return next
}

// checkGradient refuses a gradient without parameter or state of its shape.
func checkGradient(op string, g tree.Leaf, p *graph.Array, s Slots, known int) {
	graph.Check(p != nil, op, "there is a gradient for %q, which the parameters do not have", g.Name)
	graph.Check(slices.Equal(g.Array.Shape(), p.Shape()), op, "the gradient of %q is %v, the parameter %v, want one shape", g.Name, g.Array, p)
	graph.Check(g.Array.DType().IsFloat() && p.DType().IsFloat(), op, "the gradient of %q is %v, the parameter %v, want floating point", g.Name, g.Array, p)
	graph.Check(s != nil, op, "there is a gradient for %q, which is not among the %d parameters that the state was made for", g.Name, known)
}

// Update applies gradients to a tree in place: to an nn module, or to any value
// that the arrays of can be set in, such as a pointer to a struct. MLX calls it
// update.
func (o *Optimizer) Update(params, grads any) { update(params, o.ApplyGradients(grads, params)) }

func update(params any, next map[string]*graph.Array) {
	for _, l := range tree.Flatten(params) {
		if a := next[l.Name]; a != nil {
			l.Set(a)
		}
	}
}
