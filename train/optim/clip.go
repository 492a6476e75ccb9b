package optim

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
)

// ClipGradNorm scales the arrays of a tree down so that the norm of all of them
// together is at most max, and returns them and the norm before that. Mirrors
// optimizers.clip_grad_norm.
func ClipGradNorm[T any](grads T, max float64) (clipped T, norm *graph.Array) {
	graph.Check(max >= 0, "optim.ClipGradNorm", "the norm is limited to %g, want at least 0", max)
	var sum *graph.Array
	var dt metal.DType
	for _, g := range tree.Arrays(grads) {
		squares := graph.SumSquares(g)
		if sum == nil {
			sum, dt = squares, g.DType()
			continue
		}
		sum, dt = graph.Add(sum, squares), graph.Promote(dt, g.DType())
	}
	if sum == nil {
		return grads, graph.Scalar(0, metal.Float32)
	}
	scale, norm := graph.ClipScale(sum, max)
	factor := graph.AsType(graph.Reshape(scale), dt)
	clipped = tree.Map(grads, func(_ string, g *graph.Array) *graph.Array { return graph.Multiply(g, factor) })
	return clipped, graph.AsType(graph.Reshape(norm), dt)
}
