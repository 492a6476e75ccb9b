package tree

import (
	"context"

	"github.com/ftmetal/ftmetal/graph"
)

// Compiled is a compiled function of arrays that also reads and writes the
// arrays of some trees: a model's parameters, an optimizer's state.
type Compiled struct {
	fn       func(in ...*graph.Array) []*graph.Array
	state    []any
	compiled *graph.Compiled
}

// Compile makes fn, which may change arrays of the state trees, replayable: a
// call gives the arrays that lie in the trees to the compiled program and puts
// those that it computes in their places. Trees must be pointers, maps or
// slices, and fn must not add or remove arrays. Mirrors mx.compile with
// inputs=state, outputs=state.
func Compile(fn func(in ...*graph.Array) []*graph.Array, state ...any) *Compiled {
	c := &Compiled{fn: fn, state: state}
	c.compiled = graph.Compile(c.traced, graph.CompileOptions{})
	return c
}

// traced is fn as a function of its state, which comes before its arguments and
// its results.
func (c *Compiled) traced(args []*graph.Array) []*graph.Array {
	leaves := Flatten(c.state)
	held := Arrays(c.state)
	defer func() {
		for i, l := range leaves {
			l.Set(held[i])
		}
	}()
	for i, l := range leaves {
		l.Set(args[i])
	}
	outputs := c.fn(args[len(leaves):]...)
	after := Arrays(c.state)
	graph.Check(len(after) == len(leaves), "tree.Compile", "the function leaves %d arrays of state, there were %d", len(after), len(leaves))
	return append(after, outputs...)
}

// Call computes the function and updates the state. On an error the state is as
// it was.
func (c *Compiled) Call(ctx context.Context, in ...*graph.Array) ([]*graph.Array, error) {
	leaves := Flatten(c.state)
	results, err := c.compiled.Call(ctx, append(Arrays(c.state), in...)...)
	if err != nil {
		return nil, err
	}
	for i, l := range leaves {
		l.Set(results[i])
	}
	return results[len(leaves):], nil
}
