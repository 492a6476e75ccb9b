package nn

import (
	"fmt"
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/models/nn/inits"
)

// Param is one weight of a layer. Parameters are the fields of type *Param, of
// the module and of everything it holds.
type Param struct {
	Name  string            // set when the module is walked
	Shape []int             // what the layer asks for
	Array *graph.Array      `name:""` // nil until Init or LoadWeights
	Init  inits.Initializer // what Init fills it with; nil: zeros
	// Frozen parameters get no gradient; Freeze and Unfreeze set it.
	Frozen bool
	// Buffer marks what is saved and loaded with the weights and never trained,
	// such as running statistics: Unfreeze leaves it alone.
	Buffer bool
}

// NewParam is a parameter of that shape without data.
func NewParam(shape ...int) *Param { return &Param{Shape: shape} }

// newParam is a parameter that Init fills with init.
func newParam(init inits.Initializer, shape ...int) *Param { return &Param{Shape: shape, Init: init} }

// ParamOf is a parameter that holds a.
func ParamOf(a *graph.Array) *Param { return &Param{Shape: a.Shape(), Array: a} }

// array is p's array for a layer to compute with, or nil for an absent parameter.
func (p *Param) array() *graph.Array {
	if p == nil {
		return nil
	}
	graph.Check(p.Array != nil, "nn.Param", "parameter %q of shape %v has no data: call nn.Init or nn.LoadWeights first", p.Name, p.Shape)
	return p.Array
}

// trains reports whether p gets a gradient.
func (p *Param) trains() bool {
	return !p.Frozen && !p.Buffer && p.Array != nil && p.Array.DType().IsFloat()
}

// Walk calls visit for every parameter of module, a pointer to a struct (or a
// slice or map of them), with its dotted name set: see package tree for how
// names follow from fields. Nil pointers are absent parts; a parameter that two
// layers share is visited once, under its first name.
func Walk(module any, visit func(p *Param)) {
	tree.Walk(module, func(part tree.Part) bool {
		p, ok := part.Value.(*Param)
		if ok {
			p.Name = part.Name
			visit(p)
		}
		return !ok
	})
}

// Params lists the parameters of module in the order of its fields.
func Params(module any) []*Param {
	var all []*Param
	Walk(module, func(p *Param) { all = append(all, p) })
	return all
}

// Linears lists the linear layers of module by their dotted names, in order.
func Linears(module any) (names []string, layers []*Linear) {
	tree.Walk(module, func(part tree.Part) bool {
		l, ok := part.Value.(*Linear)
		if ok {
			names, layers = append(names, part.Name), append(layers, l)
		}
		return !ok
	})
	return names, layers
}

// CheckShape reports whether an array of that shape can be p.
func (p *Param) CheckShape(shape []int) error {
	if !slices.Equal(shape, p.Shape) {
		return fmt.Errorf("tensor %q has shape %v, want %v by config.json", p.Name, shape, p.Shape)
	}
	return nil
}
