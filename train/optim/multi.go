package optim

import (
	"maps"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
)

// Filter says whether a parameter, or its gradient, is an optimizer's.
type Filter func(name string, a *graph.Array) bool

// MultiOptimizer shares the parameters out among several optimizers. Mirrors
// optimizers.MultiOptimizer.
type MultiOptimizer struct {
	Optimizers []*Optimizer `name:"states"`
	filters    []Filter
}

// NewMultiOptimizer gives each parameter to the first optimizer whose filter takes
// it, and to the last one, which has no filter, if none does.
func NewMultiOptimizer(optimizers []*Optimizer, filters ...Filter) *MultiOptimizer {
	graph.Check(len(optimizers) > 0 && len(filters) == len(optimizers)-1, "optim.NewMultiOptimizer", "%d filters for %d optimizers, want one less than optimizers",
		len(filters), len(optimizers))
	return &MultiOptimizer{optimizers, filters}
}

// split is the arrays of a tree by optimizer.
func (m *MultiOptimizer) split(root any) []map[string]*graph.Array {
	parts := make([]map[string]*graph.Array, len(m.Optimizers))
	for i := range parts {
		parts[i] = map[string]*graph.Array{}
	}
	for _, l := range tree.Flatten(root) {
		i := 0
		for i < len(m.filters) && !m.filters[i](l.Name, l.Array) {
			i++
		}
		parts[i][l.Name] = l.Array
	}
	return parts
}

// Init is Optimizer.Init of each part.
func (m *MultiOptimizer) Init(params any) {
	for i, part := range m.split(params) {
		m.Optimizers[i].Init(part)
	}
}

// ApplyGradients is Optimizer.ApplyGradients of each part, joined.
func (m *MultiOptimizer) ApplyGradients(grads, params any) map[string]*graph.Array {
	next := map[string]*graph.Array{}
	for i, part := range m.split(grads) {
		maps.Copy(next, m.Optimizers[i].ApplyGradients(part, params))
	}
	return next
}

// Update is Optimizer.Update.
func (m *MultiOptimizer) Update(params, grads any) { update(params, m.ApplyGradients(grads, params)) }

// SetLearningRate sets that of every optimizer.
func (m *MultiOptimizer) SetLearningRate(lr float64) {
	for _, o := range m.Optimizers {
		o.SetLearningRate(lr)
	}
}
