package graphtest

import (
	"math"

	"github.com/ftmetal/ftmetal/graph"
)

// layerOps are the layers of mlx.nn that the engine's functions make.
var layerOps = func() map[string]*opEntry {
	table := map[string]*opEntry{
		"nn.Linear": general(composed, "x weight bias", func(c *call) *graph.Array {
			return graph.Linear(c.array("x"), c.array("weight"), c.optional("bias"))
		}),
		"nn.Embedding": general(composed, "ids weight as_linear", func(c *call) *graph.Array {
			if c.flag("as_linear", false) {
				return graph.Linear(c.array("ids"), c.array("weight"), nil)
			}
			return graph.Take(c.array("weight"), c.array("ids"), 0)
		}),
		"nn.RMSNorm": general(composed, "x weight eps", func(c *call) *graph.Array {
			return graph.RMSNorm(c.array("x"), c.optional("weight"), c.number("eps", 1e-5))
		}),
		"nn.LayerNorm": general(composed, "x weight bias eps", func(c *call) *graph.Array {
			return graph.LayerNorm(c.array("x"), c.optional("weight"), c.optional("bias"), c.number("eps", 1e-5))
		}),
		"nn.RoPE": general(composed, "x dims traditional base scale offset", func(c *call) *graph.Array {
			return graph.RoPE(c.array("x"), graph.RoPEOptions{Dims: c.integer("dims", 0), Traditional: c.flag("traditional", false),
				Base: c.number("base", 10000), Scale: c.number("scale", 1), Offset: c.integer("offset", 0)})
		}),
		"nn.MultiHeadAttention": general(composed, "q k v wq wk wv wo mask num_heads", multiHead),
		"nn.prelu": general(elementwise, "x alpha", func(c *call) *graph.Array {
			x := c.array("x")
			return graph.Add(graph.Maximum(0, x), graph.Multiply(c.array("alpha"), graph.Minimum(0, x)))
		}),
	}
	for name, fn := range activations {
		table["nn."+name] = arrayOf(composed, "a axis alpha negative_slope lambd min_val max_val threshold", fn)
	}
	return table
}()

func multiHead(c *call) *graph.Array {
	heads := c.integer("num_heads", 1)
	split := func(x, w string) *graph.Array {
		y := graph.Linear(c.array(x), c.array(w), nil)
		return graph.Transpose(graph.Unflatten(y, -1, heads, -1), 0, 2, 1, 3)
	}
	q, k, v := split("q", "wq"), split("k", "wk"), split("v", "wv")
	out := graph.ScaledDotProductAttention(q, k, v, graph.SDPAOptions{Scale: math.Sqrt(1 / float64(q.Dim(-1))), Mask: c.optional("mask")})
	return graph.Linear(graph.Flatten(graph.Transpose(out, 0, 2, 1, 3), -2, -1), c.array("wo"), nil)
}
