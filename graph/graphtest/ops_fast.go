package graphtest

import (
	"context"
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

var fastOps = map[string]*opEntry{
	"mx.fast.rms_norm": general(product, "x weight eps", func(c *call) *graph.Array {
		return graph.RMSNorm(c.array("x"), c.optional("weight"), c.number("eps", 1e-5))
	}),
	"mx.fast.layer_norm": general(product, "x weight bias eps", func(c *call) *graph.Array {
		return graph.LayerNorm(c.array("x"), c.optional("weight"), c.optional("bias"), c.number("eps", 1e-5))
	}),
	"mx.fast.rope": {params: "a dims traditional base scale offset freqs", class: product, linear: true, condition: ropeAngle,
		fn: func(c *call) []*graph.Array { return one(rope(c)) }},
	"mx.fast.scaled_dot_product_attention": general(composed, "q k v scale mask sinks", attention),
	"mx.matmul":                            general(product, "a b", func(c *call) *graph.Array { return graph.Matmul(c.array("a"), c.array("b")) }),
	"mx.matmul.nt": general(product, "a b", func(c *call) *graph.Array {
		return graph.Matmul(c.array("a"), graph.SwapAxes(c.array("b"), -1, -2))
	}),
	"mx.matmul.tn": general(product, "a b", func(c *call) *graph.Array {
		return graph.Matmul(graph.SwapAxes(c.array("a"), -1, -2), c.array("b"))
	}),
	"mx.matmul.tt": general(product, "a b", func(c *call) *graph.Array {
		return graph.Matmul(graph.SwapAxes(c.array("a"), -1, -2), graph.SwapAxes(c.array("b"), -1, -2))
	}),
	"mx.addmm": general(product, "c a b alpha beta", func(c *call) *graph.Array {
		return graph.AddMM(c.array("c"), c.array("a"), c.array("b"), c.number("alpha", 1), c.number("beta", 1))
	}),
	"mx.gather_mm": general(product, "a b lhs_indices rhs_indices sorted_indices", func(c *call) *graph.Array {
		return graph.GatherMM(c.array("a"), c.array("b"), c.optional("lhs_indices"), c.optional("rhs_indices"))
	}),
	"mx.einsum": general(product, "subscripts *operands", func(c *call) *graph.Array {
		return graph.Einsum(c.text("subscripts", ""), c.arrays("operands")...)
	}),
	"mx.hadamard_transform": arrayOf(reduction, "a scale", func(c *call, a *graph.Array) *graph.Array {
		if !c.has("scale") {
			return graph.HadamardTransform(a, nil)
		}
		scale := c.number("scale", 1)
		return graph.HadamardTransform(a, &scale)
	}),
	"mx.block_masked_mm": general(product, "a b block_size mask_out mask_lhs mask_rhs", func(c *call) *graph.Array {
		return graph.BlockMaskedMM(c.array("a"), c.array("b"), c.integer("block_size", 64), c.optional("mask_out"), c.optional("mask_lhs"), c.optional("mask_rhs"))
	}),
	"mx.segmented_mm": general(product, "a b segments", func(c *call) *graph.Array {
		return graph.SegmentedMM(c.array("a"), c.array("b"), c.array("segments"))
	}),
	"mx.tensordot": general(product, "a b axes", tensordot),
	"mx.outer":     general(product, "a b", func(c *call) *graph.Array { return graph.Outer(c.array("a"), c.array("b")) }),
	"mx.inner":     general(product, "a b", func(c *call) *graph.Array { return graph.Inner(c.array("a"), c.array("b")) }),
}

// tensordot's axes are a number (the last of a, the first of b) or two lists.
func tensordot(c *call) *graph.Array {
	a, b := c.array("a"), c.array("b")
	if lists, ok := c.named["axes"].([]any); ok {
		return graph.Tensordot(a, b, intsOf(lists[0], c.name, "axes"), intsOf(lists[1], c.name, "axes"))
	}
	n := c.integer("axes", 2)
	var left, right []int
	for i := range n {
		left, right = append(left, a.NDim()-n+i), append(right, i)
	}
	return graph.Tensordot(a, b, left, right)
}

// ropeAngle is the largest angle of a rope, whose rounding moves the result.
func ropeAngle(c *call) float64 {
	at := largestOf(c, "offset") + float64(c.array("a").Dim(-2))
	if f := c.optional("freqs"); f != nil {
		v, err := graph.Floats(context.Background(), f)
		if err != nil || len(v) == 0 {
			return 0
		}
		at /= slices.Min(v)
	}
	return math.Abs(at * c.number("scale", 1))
}

// largestOf is a number, or the largest element of an array.
func largestOf(c *call, name string) float64 {
	a, ok := c.named[name].(*graph.Array)
	if !ok {
		return c.number(name, 0)
	}
	v, err := graph.Floats(context.Background(), a)
	if err != nil {
		return 0
	}
	return largest(v)
}

// rope's offset is a number, an array of one, or one per batch row.
func rope(c *call) *graph.Array {
	x := c.array("a")
	opt := graph.RoPEOptions{Dims: c.integer("dims", 0), Traditional: c.flag("traditional", false), Base: c.number("base", 0), Scale: c.number("scale", 1),
		Freqs: c.optional("freqs")}
	offset, ok := c.named["offset"].(*graph.Array)
	if !ok {
		opt.Offset = c.integer("offset", 0)
		return graph.RoPE(x, opt)
	}
	tokens := graph.Arange(0, float64(x.Dim(-2)), 1, metal.Int32)
	offset = graph.AsType(offset, metal.Int32)
	switch {
	case offset.Size() == 1:
		opt.Positions = graph.Add(graph.Reshape(offset, 1), tokens)
	default:
		opt.Positions = graph.Add(graph.Reshape(offset, -1, 1), graph.Reshape(tokens, 1, -1))
	}
	return graph.RoPE(x, opt)
}

func attention(c *call) *graph.Array {
	opt := graph.SDPAOptions{Scale: c.number("scale", 1), Sinks: c.optional("sinks")}
	switch m := c.named["mask"].(type) {
	case nil:
	case string:
		if m != "causal" {
			unsupported("mask %q", m)
		}
		opt.Causal = true
	default:
		opt.Mask = c.array("mask")
	}
	return graph.ScaledDotProductAttention(c.array("q"), c.array("k"), c.array("v"), opt)
}
