package nn

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
)

// ValueAndGrad returns a function that computes fn, a scalar that depends on the
// module's parameters, and the gradients of the trainable ones by name. fn
// calls the module as usual. Mirrors nn.value_and_grad and
// nn.utils.value_and_grad.
func ValueAndGrad(module any, fn func(in ...*graph.Array) *graph.Array) func(in ...*graph.Array) (value *graph.Array, grads Arrays) {
	return func(in ...*graph.Array) (*graph.Array, Arrays) {
		trained := trainable(module)
		vg := graph.ValueAndGrad(func(traced []*graph.Array) []*graph.Array {
			defer swap(trained, traced)()
			return []*graph.Array{fn(in...)}
		})
		outputs, g := vg(arraysOf(trained))
		grads := Arrays{}
		for i, p := range trained {
			grads[p.Name] = g[i]
		}
		return outputs[0], grads
	}
}

// Checkpoint returns fn, a function of arrays and of the module's parameters,
// that keeps none of its intermediate values for the backward pass but computes
// them again there, from the same random keys and without a second update of
// running statistics. Mirrors nn.utils.checkpoint.
func Checkpoint(module any, fn func(in []*graph.Array) []*graph.Array) func(in []*graph.Array) []*graph.Array {
	return func(in []*graph.Array) []*graph.Array {
		trained, leaves := trainable(module), tree.Flatten(module)
		before, again := tree.Arrays(module), false
		run := graph.Checkpoint(func(args []*graph.Array) []*graph.Array {
			if again {
				after := tree.Arrays(module)
				defer setLeaves(leaves, after)
				setLeaves(leaves, before)
			}
			again = true
			defer swap(trained, args[len(in):])()
			return fn(args[:len(in)])
		})
		return run(append(in[:len(in):len(in)], arraysOf(trained)...))
	}
}

func trainable(module any) []*Param {
	var all []*Param
	Walk(module, func(p *Param) {
		if p.trains() {
			all = append(all, p)
		}
	})
	return all
}

func arraysOf(params []*Param) []*graph.Array {
	arrays := make([]*graph.Array, len(params))
	for i, p := range params {
		arrays[i] = p.Array
	}
	return arrays
}

func setLeaves(leaves []tree.Leaf, arrays []*graph.Array) {
	for i, l := range leaves {
		l.Set(arrays[i])
	}
}

// swap gives params other arrays until the returned function is called.
func swap(params []*Param, arrays []*graph.Array) (restore func()) {
	held := arraysOf(params)
	for i, p := range params {
		p.Array = arrays[i]
	}
	return func() {
		for i, p := range params {
			p.Array = held[i]
		}
	}
}
