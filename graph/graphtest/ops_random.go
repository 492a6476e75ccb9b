package graphtest

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

var randomOps = map[string]*opEntry{
	"mx.random.key": general(exact, "seed", func(c *call) *graph.Array {
		seed, ok := c.named["seed"].(int) // all 64 bits count
		if !ok {
			unsupported("seed %v", c.named["seed"])
		}
		return graph.Key(uint64(seed))
	}),
	"mx.random.split": general(exact, "key num", func(c *call) *graph.Array {
		return graph.Split(c.array("key"), c.integer("num", 2))
	}),
	"mx.random.bits": general(exact, "shape width key", func(c *call) *graph.Array {
		if c.integer("width", 4) != 4 {
			unsupported("random words of %d bytes", c.integer("width", 4))
		}
		return graph.RandomBits(sampleShape(c), c.array("key"))
	}),
	"mx.random.uniform": general(elementwise, "low high shape dtype key", func(c *call) *graph.Array {
		return graph.Uniform(bound(c, "low", 0), bound(c, "high", 1), sampleShape(c), c.dtype("dtype", metal.Float32), c.array("key"))
	}),
	"mx.random.normal": general(composed, "shape dtype loc scale key", func(c *call) *graph.Array {
		return graph.Normal(sampleShape(c), c.dtype("dtype", metal.Float32), bound(c, "loc", 0), bound(c, "scale", 1), c.array("key"))
	}),
	"mx.random.bernoulli": general(exact, "p shape key", func(c *call) *graph.Array {
		shape := sampleShape(c)
		p := bound(c, "p", 0.5)
		if a, ok := p.(*graph.Array); ok && !c.has("shape") {
			shape = a.Shape()
		}
		return graph.Bernoulli(p, shape, c.array("key"))
	}),
	"mx.random.gumbel": general(product, "shape dtype key", func(c *call) *graph.Array {
		return graph.Gumbel(sampleShape(c), c.dtype("dtype", metal.Float32), c.array("key"))
	}),
	"mx.random.laplace": general(composed, "shape dtype loc scale key", func(c *call) *graph.Array {
		return graph.Laplace(sampleShape(c), c.dtype("dtype", metal.Float32), bound(c, "loc", 0), bound(c, "scale", 1), c.array("key"))
	}),
	"mx.random.truncated_normal": general(product, "lower upper shape dtype key", func(c *call) *graph.Array {
		lower, upper, shape := bound(c, "lower", 0), bound(c, "upper", 0), sampleShape(c)
		if !c.has("shape") { // that of the bounds
			shape = graph.Add(lower, upper).Shape()
		}
		return graph.TruncatedNormal(lower, upper, shape, c.dtype("dtype", metal.Float32), c.array("key"))
	}),
	"mx.random.randint": general(exact, "low high shape dtype key", func(c *call) *graph.Array {
		return graph.RandInt(bound(c, "low", 0), bound(c, "high", 0), sampleShape(c), c.dtype("dtype", metal.Int32), c.array("key"))
	}),
	"mx.random.permutation": general(exact, "x axis key", func(c *call) *graph.Array {
		if n, ok := c.named["x"].(int); ok {
			return graph.PermutationOf(n, c.array("key"))
		}
		if !c.has("x") { // the key is the only input
			unsupported("permutation of nothing")
		}
		return graph.Permutation(c.array("x"), c.integer("axis", 0), c.array("key"))
	}),
	"mx.random.categorical": general(exact, "logits axis shape num_samples key", func(c *call) *graph.Array {
		axis := c.integer("axis", -1)
		switch {
		case c.has("num_samples"):
			return graph.CategoricalN(c.array("logits"), axis, c.integer("num_samples", 1), c.array("key"))
		case c.has("shape"):
			return graph.CategoricalShape(c.array("logits"), axis, c.ints("shape"), c.array("key"))
		}
		return graph.Categorical(c.array("logits"), axis, c.array("key"))
	}),
	"mx.random.uniform.keys": general(exact, "keys shape", func(c *call) *graph.Array {
		keys := c.array("keys")
		var rows []*graph.Array
		for i := range keys.Dim(0) {
			key := graph.Reshape(graph.SliceAxis(keys, 0, i, i+1), 2)
			rows = append(rows, graph.Uniform(0.0, 1.0, sampleShape(c), metal.Float32, key))
		}
		return graph.Stack(rows, 0)
	}),
}

func sampleShape(c *call) []int {
	if s := c.ints("shape"); s != nil {
		return s
	}
	return []int{}
}

// bound is a scalar or array parameter of a distribution.
func bound(c *call, name string, fallback float64) any {
	if !c.has(name) {
		return fallback
	}
	return c.operand(name)
}
