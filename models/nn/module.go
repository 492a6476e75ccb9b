package nn

import (
	"maps"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
)

// Layer is a module of one input and one output.
type Layer interface {
	Forward(x *graph.Array) *graph.Array
}

// Arrays are arrays by the dotted names of parameters: weights, gradients.
type Arrays map[string]*graph.Array

// Names lists the names in order.
func (a Arrays) Names() []string { return slices.Sorted(maps.Keys(a)) }

// Parameters are the arrays of all parameters that have one, frozen ones and
// buffers too. Mirrors nn.Module.parameters.
func Parameters(module any) Arrays { return Filter(module, func(*Param) bool { return true }) }

// TrainableParameters are the arrays of the parameters that ValueAndGrad gives a
// gradient for: of floating point and not frozen. Mirrors
// nn.Module.trainable_parameters.
func TrainableParameters(module any) Arrays { return Filter(module, (*Param).trains) }

// Filter is the arrays of the parameters that keep selects. Mirrors
// nn.Module.filter_and_map.
func Filter(module any, keep func(*Param) bool) Arrays {
	found := Arrays{}
	Walk(module, func(p *Param) {
		if p.Array != nil && keep(p) {
			found[p.Name] = p.Array
		}
	})
	return found
}

// Update replaces the arrays of the parameters that arrays names. A name that
// the module does not have and a shape other than the parameter's panic with a
// *graph.Error. Mirrors nn.Module.update.
func Update(module any, arrays Arrays) {
	known := byName(module)
	for _, name := range arrays.Names() {
		p, a := known[name], arrays[name]
		graph.Check(p != nil, "nn.Update", "the module has no parameter %q", name)
		graph.Check(a != nil && slices.Equal(a.Shape(), p.Shape), "nn.Update", "parameter %q has shape %v, the new value is %v", name, p.Shape, a)
		p.Array = a
	}
}

func byName(module any) map[string]*Param {
	known := map[string]*Param{}
	Walk(module, func(p *Param) { known[p.Name] = p })
	return known
}

// Apply replaces the array of every parameter by fn of it. Mirrors
// nn.Module.apply.
func Apply(module any, fn func(*graph.Array) *graph.Array) {
	Walk(module, func(p *Param) {
		if p.Array != nil {
			p.Array = fn(p.Array)
			p.Shape = p.Array.Shape()
		}
	})
}

// SetDType converts the floating-point parameters. Mirrors nn.Module.set_dtype.
func SetDType(module any, dt metal.DType) {
	Apply(module, func(a *graph.Array) *graph.Array {
		if !a.DType().IsFloat() {
			return a
		}
		return graph.AsType(a, dt)
	})
}

// Freeze keeps parameters from training: all of the module and what it holds,
// or those whose own name, the last part, is one of keys. It returns how many
// were selected, so that a misspelt key shows. Mirrors nn.Module.freeze.
func Freeze(module any, keys ...string) int { return setFrozen(module, true, keys) }

// Unfreeze makes parameters train again, as Freeze selects them. Buffers stay
// as they are. Mirrors nn.Module.unfreeze.
func Unfreeze(module any, keys ...string) int { return setFrozen(module, false, keys) }

func setFrozen(module any, frozen bool, keys []string) int {
	n := 0
	Walk(module, func(p *Param) {
		if len(keys) == 0 || slices.Contains(keys, p.Name[strings.LastIndexByte(p.Name, '.')+1:]) {
			p.Frozen = frozen
			n++
		}
	})
	return n
}

// NamedModules lists the structs that module is made of, itself first under the
// empty name, by their dotted names. Mirrors nn.Module.named_modules,
// nn.Module.modules and nn.Module.apply_to_modules.
func NamedModules(module any) []tree.Part {
	var all []tree.Part
	tree.Walk(module, func(part tree.Part) bool {
		module := isModule(part.Value)
		if module {
			all = append(all, part)
		}
		return module
	})
	return all
}

// isModule tells layers and what is made of them from parameters and keys.
func isModule(part any) bool {
	switch part.(type) {
	case *Param, *graph.KeySequence:
		return false
	}
	return true
}

// LeafModules lists the modules that hold no others: the layers. Mirrors
// nn.Module.leaf_modules.
func LeafModules(module any) []tree.Part {
	return slices.DeleteFunc(NamedModules(module), func(part tree.Part) bool { return len(NamedModules(part.Value)) > 1 })
}

// ReplaceModules puts what choose returns in the place of each module, inner
// modules of a replaced one excepted; nil keeps the module. It panics with a
// *graph.Error where a field's type cannot hold the new module. Mirrors
// nn.Module.update_modules.
func ReplaceModules(module any, choose func(tree.Part) any) {
	tree.Walk(module, func(part tree.Part) bool {
		if !isModule(part.Value) {
			return false
		}
		other := choose(part)
		if other == nil {
			return true
		}
		graph.Check(part.Replace(other), "nn.ReplaceModules", "the place of %q cannot hold a %T; make it of an interface type such as nn.Layer", part.Name, other)
		return false
	})
}

// moded is a layer that works differently in training.
type moded interface{ SetTraining(training bool) }

// SetTraining switches layers such as Dropout and BatchNorm between training
// (their state when made) and evaluation: every part that has a method
// SetTraining(bool). Mirrors nn.Module.train and nn.Module.eval.
func SetTraining(module any, training bool) {
	tree.Walk(module, func(part tree.Part) bool {
		if m, ok := part.Value.(moded); ok {
			m.SetTraining(training)
		}
		return true
	})
}
