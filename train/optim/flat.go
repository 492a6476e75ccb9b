package optim

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Tensor is where a flat array holds a parameter.
type Tensor struct {
	Offset int
	Shape  []int
}

// Layout is how a flat array holds parameters, one after the other without gaps.
// Decay is how many of its elements, from the first, the weight decay of AdamW is
// for.
type Layout struct {
	Tensors []Tensor
	Decay   int
}

// Flat is a rule over one float32 array that holds all parameters: what a trainer
// runs that lays its state out itself. SGD, Adam and AdamW are one launch, others go
// through the parameters.
type Flat interface {
	// FlatSlots is how many arrays like the parameters a step keeps.
	FlatSlots() int
	// Hyper fills the buffer of settings for update number count, from 1, whose
	// gradients are multiplied by gradScale first.
	Hyper(lr float64, count int, gradScale float64) [kernels.HyperSize]float32
	// ApplyFlat returns the new parameters, the new slots and, unless low is Float32,
	// the parameters rounded to that dtype.
	ApplyFlat(g, p *graph.Array, slots []*graph.Array, hyper *graph.Array, in Layout, low metal.DType) []*graph.Array
}

// Flat is the optimizer's rule over flat arrays, or nil if it has no such form:
// Adafactor, whose slots are not like the parameters, and rules from outside.
func (o *Optimizer) Flat() Flat {
	switch r := o.rule.(type) {
	case Flat:
		return r
	case rmsprop, adagrad, muon:
		return parameterwise{r, []string{"v"}}
	case adadelta:
		return parameterwise{r, []string{"v", "u"}}
	case adamax:
		return parameterwise{r, []string{"m", "v"}}
	case lion:
		return parameterwise{r, []string{"m"}}
	}
	return nil
}

// parameterwise applies a rule to one parameter after the other.
type parameterwise struct {
	rule  Rule
	slots []string // names of what the rule keeps, each like the parameter
}

func (f parameterwise) FlatSlots() int { return len(f.slots) }

func (parameterwise) Hyper(lr float64, count int, gradScale float64) [kernels.HyperSize]float32 {
	return kernels.Hyper(lr, count, gradScale, kernels.AdamWOptions{})
}

func (f parameterwise) ApplyFlat(g, p *graph.Array, slots []*graph.Array, hyper *graph.Array, in Layout, low metal.DType) []*graph.Array {
	setting := func(i int) *graph.Array { return graph.SliceAxis(hyper, 0, i, i+1) }
	g = graph.Multiply(g, setting(kernels.HyperGradScale))
	at := &Moment{LearningRate: setting(kernels.HyperLR), shared: map[string]*graph.Array{}}
	next := make([][]*graph.Array, 1+len(slots)) // of the parameters and of each slot
	for _, t := range in.Tensors {
		size := 1
		for _, d := range t.Shape {
			size *= d
		}
		part := func(flat *graph.Array) *graph.Array {
			return graph.Reshape(graph.SliceAxis(flat, 0, t.Offset, t.Offset+size), t.Shape...)
		}
		s := Slots{}
		for i, name := range f.slots {
			s[name] = part(slots[i])
		}
		next[0] = append(next[0], graph.Reshape(f.rule.Apply(part(g), part(p), s, at), size))
		for i, name := range f.slots {
			next[1+i] = append(next[1+i], graph.Reshape(s[name], size))
		}
	}
	var out []*graph.Array
	for _, parts := range next {
		out = append(out, graph.Concatenate(parts, 0))
	}
	if low != metal.Float32 {
		out = append(out, graph.AsType(out[0], low))
	}
	return out
}

func (sgd) FlatSlots() int { return 1 }

func (sgd) Hyper(lr float64, count int, gradScale float64) [kernels.HyperSize]float32 {
	return kernels.Hyper(lr, count, gradScale, kernels.AdamWOptions{})
}

func (r sgd) ApplyFlat(g, p *graph.Array, slots []*graph.Array, hyper *graph.Array, _ Layout, low metal.DType) []*graph.Array {
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

func (r adam) ApplyFlat(g, p *graph.Array, slots []*graph.Array, hyper *graph.Array, in Layout, low metal.DType) []*graph.Array {
	opt := r.AdamWOptions
	opt.DecayCount = in.Decay
	return graph.AdamW(g, p, slots[0], slots[1], hyper, opt, low)
}
