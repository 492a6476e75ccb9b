package graphtest

import "github.com/ftmetal/ftmetal/graph"

// reduceOf is the entry of a fold over axes.
func reduceOf(k class, fn func(a *graph.Array, axes []int, keep bool) *graph.Array) *opEntry {
	return arrayOf(k, "a axis keepdims", func(c *call, a *graph.Array) *graph.Array {
		return fn(a, c.ints("axis"), c.flag("keepdims", false))
	})
}

// argReduceOf is the entry of an index search; without an axis it goes over the
// flattened array.
func argReduceOf(fn func(a *graph.Array, axis int, keep bool) *graph.Array) *opEntry {
	return arrayOf(exact, "a axis keepdims", func(c *call, a *graph.Array) *graph.Array {
		keep := c.flag("keepdims", false)
		if c.has("axis") {
			return fn(a, c.integer("axis", 0), keep)
		}
		r := fn(graph.Reshape(a, -1), 0, false)
		if keep {
			shape := make([]int, a.NDim())
			for i := range shape {
				shape[i] = 1
			}
			return graph.Reshape(r, shape...)
		}
		return r
	})
}

// spreadOf is the entry of mx.var and mx.std.
func spreadOf(fn func(a *graph.Array, axes []int, keep bool, ddof int) *graph.Array) *opEntry {
	return arrayOf(reduction, "a axis keepdims ddof", func(c *call, a *graph.Array) *graph.Array {
		return fn(a, c.ints("axis"), c.flag("keepdims", false), c.integer("ddof", 0))
	})
}

var reduceOps = map[string]*opEntry{
	"mx.sum": reduceOf(reduction, graph.Sum), "mx.prod": reduceOf(reduction, graph.Prod), "mx.mean": reduceOf(reduction, graph.Mean),
	"mx.max": reduceOf(exact, graph.Max), "mx.min": reduceOf(exact, graph.Min), "mx.all": reduceOf(exact, graph.All), "mx.any": reduceOf(exact, graph.Any),
	"mx.logsumexp": reduceOf(reduction, graph.LogSumExp), "mx.median": reduceOf(elementwise, graph.Median),
	"mx.var": spreadOf(graph.Var), "mx.std": spreadOf(graph.Std),
	"mx.argmax": argReduceOf(graph.ArgMax), "mx.argmin": argReduceOf(graph.ArgMin),
	"mx.softmax": arrayOf(reduction, "a axis precise", func(c *call, a *graph.Array) *graph.Array {
		return graph.Softmax(a, c.ints("axis")...)
	}),
}
