package graphtest

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// arrayAPIOps is functions that MLX has for the sake of the array API standard
// and NumPy's names.
var arrayAPIOps = map[string]*opEntry{
	"mx.view": arrayOf(exact, "a dtype", func(c *call, a *graph.Array) *graph.Array { return graph.View(a, c.dtype("dtype", a.DType())) }),
	"mx.array_equal": general(exact, "a b equal_nan", func(c *call) *graph.Array {
		return graph.ArrayEqual(c.array("a"), c.array("b"), c.flag("equal_nan", false))
	}),
	"mx.allclose": general(exact, "a b rtol atol equal_nan", func(c *call) *graph.Array {
		return graph.AllClose(c.array("a"), c.array("b"), c.number("rtol", 1e-5), c.number("atol", 1e-8), c.flag("equal_nan", false))
	}),
	"mx.atleast_1d":       arrayOf(exact, "a", func(_ *call, a *graph.Array) *graph.Array { return graph.AtLeast1D(a) }),
	"mx.atleast_2d":       arrayOf(exact, "a", func(_ *call, a *graph.Array) *graph.Array { return graph.AtLeast2D(a) }),
	"mx.atleast_3d":       arrayOf(exact, "a", func(_ *call, a *graph.Array) *graph.Array { return graph.AtLeast3D(a) }),
	"mx.broadcast_arrays": {params: "*arrays", class: exact, fn: func(c *call) []*graph.Array { return graph.BroadcastArrays(c.arrays("arrays")...) }},
	"mx.unstack":          {params: "a axis", class: exact, fn: func(c *call) []*graph.Array { return graph.Unstack(c.array("a"), c.integer("axis", 0)) }},
	"mx.diff": arrayOf(elementwise, "a n axis", func(c *call, a *graph.Array) *graph.Array {
		return graph.Diff(a, c.integer("n", 1), c.integer("axis", -1))
	}),
	"mx.ones_like": arrayOf(exact, "a", func(_ *call, a *graph.Array) *graph.Array { return graph.OnesLike(a) }),
	"mx.full_like": arrayOf(exact, "a vals", func(c *call, a *graph.Array) *graph.Array { return graph.FullLike(a, c.number("vals", 0)) }),
	"mx.identity": general(exact, "n dtype", func(c *call) *graph.Array {
		return graph.Identity(c.integer("n", 0), c.dtype("dtype", metal.Float32))
	}),
	"mx.bartlett": window(graph.Bartlett),
	"mx.blackman": window(graph.Blackman),
	"mx.hamming":  window(graph.Hamming),
	"mx.hanning":  window(graph.Hanning),
	"mx.count_nonzero": arrayOf(exact, "a axis keepdims", func(c *call, a *graph.Array) *graph.Array {
		return graph.CountNonzero(a, c.ints("axis"), c.flag("keepdims", false))
	}),
	"mx.vecdot": general(reduction, "a b axis", func(c *call) *graph.Array {
		return graph.VecDot(c.array("a"), c.array("b"), c.integer("axis", -1))
	}),
	"mx.kron": general(elementwise, "a b", func(c *call) *graph.Array { return graph.Kron(c.array("a"), c.array("b")) }),
	"mx.linalg.cross": general(elementwise, "a b axis", func(c *call) *graph.Array {
		return graph.Cross(c.array("a"), c.array("b"), c.integer("axis", -1))
	}),
}

// window is the entry of a window: sums of cosines, which cancel at the ends.
func window(fn func(n int) *graph.Array) *opEntry {
	return general(reduction, "m", func(c *call) *graph.Array { return fn(c.integer("m", 0)) })
}
