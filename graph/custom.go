package graph

import "slices"

// customized stands for the outputs of a function with a gradient of its own.
// The function's inputs and then its outputs are inputs of the node.
type customized struct {
	checkpointed
	vjp func(primals, cotangents, outputs []*Array) []*Array
}

// CustomFunction is fn with the gradient that vjp gives: one cotangent per
// argument of fn (nil for none) from the arguments, the outputs' cotangents and
// the outputs. JVP differentiates fn itself, and VMap maps vjp as well. Arrays
// that fn captures count as constants. Mirrors mx.custom_function.
func CustomFunction(fn func([]*Array) []*Array, vjp func(primals, cotangents, outputs []*Array) []*Array) func([]*Array) []*Array {
	return func(args []*Array) []*Array {
		present("CustomFunction", args...)
		return functionOutputs(customized{checkpointed{fn, len(args)}, vjp}, args, outputsOf("CustomFunction", fn, args))
	}
}

// functionOutputs is the outputs of a node that stands for a function: its
// inputs are the function's, args, and then the function's outputs, inner.
func functionOutputs(op Op, args, inner []*Array) []*Array {
	outs := make([]*Array, len(inner))
	for i, o := range inner {
		outs[i] = &Array{shape: o.shape, dtype: o.dtype}
	}
	return apply(op, append(slices.Clone(args), inner...), outs...)
}

func (customized) String() string { return "CustomFunction" }

func (op customized) VJP(c *Cotangents) []*Array {
	cots := make([]*Array, len(c.Out))
	for i, o := range c.Out {
		cots[i] = zerosOr(c.Cot[i], o)
	}
	grads := op.vjp(c.In[:op.inputs], cots, c.Out)
	check(len(grads) == op.inputs, "CustomFunction", "vjp returned %d cotangents for %d arguments", len(grads), op.inputs)
	return append(slices.Clone(grads), make([]*Array, len(c.In)-op.inputs)...)
}
