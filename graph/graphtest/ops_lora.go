package graphtest

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// loraOps are mlx-lm's adapters. Where all dtypes agree, LoRALinear is the fused
// op that training uses.
var loraOps = map[string]*opEntry{
	"lora.LoRALinear": general(composed, "x weight lora_a lora_b bias scale quantized", func(c *call) *graph.Array {
		x, w, a, b, scale := c.array("x"), baseWeight(c), c.array("lora_a"), c.array("lora_b"), c.number("scale", 1)
		y := loraProduct(x, w, a, b, scale)
		if bias := c.optional("bias"); bias != nil {
			y = graph.Add(y, bias)
		}
		return y
	}),
	"lora.DoRALinear": general(composed, "x weight lora_a lora_b bias scale quantized", func(c *call) *graph.Array {
		x, base, a, b, scale := c.array("x"), baseWeight(c), c.array("lora_a"), c.array("lora_b"), c.number("scale", 1)
		w := base.dense
		adapted := graph.Add(w, graph.Matmul(graph.Multiply(scale, graph.Transpose(b)), graph.Transpose(a)))
		m := graph.L2Norm(graph.AsType(w, metal.Float32), []int{1}, false)
		ratio := graph.Divide(m, graph.StopGradient(graph.L2Norm(adapted, []int{1}, false)))
		y := graph.Multiply(graph.AsType(ratio, x.DType()), loraProduct(x, base, a, b, scale))
		if bias := c.optional("bias"); bias != nil {
			y = graph.Add(y, bias)
		}
		return y
	}),
	"lora.LoRAEmbedding": general(composed, "x weight lora_a lora_b scale quantized as_linear", func(c *call) *graph.Array {
		x, w, a, b, scale := c.array("x"), baseWeight(c), c.array("lora_a"), c.array("lora_b"), c.number("scale", 1)
		if c.flag("as_linear", false) {
			return loraProduct(x, w, graph.Transpose(b), graph.Transpose(a), scale)
		}
		y, z := w.rows(x), graph.Matmul(graph.Take(a, x, 0), b)
		return graph.Add(y, graph.AsType(graph.Multiply(scale, z), y.DType()))
	}),
	"lora.DoRAEmbedding": general(composed, "x weight lora_a lora_b scale quantized as_linear", doraEmbedding),
	"lora.fuse": general(composed, "weight lora_a lora_b scale kind", func(c *call) *graph.Array {
		w, a, b, scale := c.array("weight"), c.array("lora_a"), c.array("lora_b"), c.number("scale", 1)
		delta := graph.Matmul(graph.Multiply(scale, graph.Transpose(b)), graph.Transpose(a))
		fused := graph.Add(w, graph.AsType(delta, w.DType()))
		if c.text("kind", "LoRALinear") == "LoRALinear" {
			return fused
		}
		m := graph.L2Norm(graph.AsType(w, metal.Float32), []int{1}, false)
		return graph.Multiply(graph.ExpandDims(graph.Divide(m, graph.L2Norm(fused, []int{1}, false)), 1), fused)
	}),
}

// loraProduct is x@wᵀ + scale·(x@a)@b in x's dtype.
func loraProduct(x *graph.Array, w packedWeight, a, b *graph.Array, scale float64) *graph.Array {
	if dt := x.DType(); w.words == nil && w.dense.DType() == dt && a.DType() == dt && b.DType() == dt {
		rows := graph.Reshape(x, -1, x.Dim(-1))
		shape := append(append([]int{}, x.Shape()[:x.NDim()-1]...), w.dense.Dim(0))
		return graph.Reshape(graph.LoRALinear(rows, w.dense, a, b, rows, scale), shape...)
	}
	z := graph.Matmul(graph.Matmul(x, a), b)
	return graph.Add(w.times(x), graph.AsType(graph.Multiply(scale, z), x.DType()))
}

func doraEmbedding(c *call) *graph.Array {
	x, base, a, b, scale := c.array("x"), baseWeight(c), c.array("lora_a"), c.array("lora_b"), c.number("scale", 1)
	w := base.dense
	m := graph.L2Norm(w, []int{1}, false)
	if c.flag("as_linear", false) {
		adapted := graph.Add(w, graph.Matmul(graph.Multiply(scale, a), b))
		ratio := graph.Divide(m, graph.StopGradient(graph.L2Norm(adapted, []int{1}, false)))
		return graph.Multiply(ratio, loraProduct(x, base, graph.Transpose(b), graph.Transpose(a), scale))
	}
	y := base.rows(x)
	z := graph.Matmul(graph.Multiply(scale, graph.Take(a, x, 0)), b)
	out := graph.Add(y, graph.AsType(z, y.DType()))
	denom := graph.StopGradient(graph.L2Norm(graph.Add(y, z), []int{-1}, false))
	return graph.Multiply(graph.ExpandDims(graph.Divide(graph.Take(m, x, 0), denom), -1), out)
}
