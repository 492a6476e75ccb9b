package tree

import "github.com/ftmetal/ftmetal/graph"

// ValueAndGrad returns a function that computes fn, a scalar function of a tree,
// and its gradients: a tree of the same type. Every array of the tree must be
// of floating point. Mirrors mx.value_and_grad over Python trees.
func ValueAndGrad[T any](fn func(T) *graph.Array) func(T) (value *graph.Array, grads T) {
	return func(root T) (*graph.Array, T) {
		vg := graph.ValueAndGrad(func(in []*graph.Array) []*graph.Array {
			return []*graph.Array{fn(Replace(root, in))}
		})
		outputs, grads := vg(Arrays(root))
		return outputs[0], Replace(root, grads)
	}
}

// Grad is ValueAndGrad without the value. Mirrors mx.grad over Python trees.
func Grad[T any](fn func(T) *graph.Array) func(T) T {
	vg := ValueAndGrad(fn)
	return func(root T) T {
		_, grads := vg(root)
		return grads
	}
}
