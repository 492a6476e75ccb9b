package graphtest

import (
	"math"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// quantOps are the functions of quantised matrices and the layers that have
// them. Words and scales have to be MLX's bits.
var quantOps = map[string]*opEntry{
	"mx.quantize": {params: "w group_size bits mode global_scale", class: exact, fn: func(c *call) []*graph.Array {
		words, scales, biases := graph.QuantizeScaled(c.array("w"), c.optional("global_scale"), quantization(c))
		if biases == nil {
			return []*graph.Array{words, scales}
		}
		return []*graph.Array{words, scales, biases}
	}},
	"mx.dequantize": general(elementwise, "w scales biases group_size bits mode global_scale dtype", func(c *call) *graph.Array {
		scales := c.array("scales")
		dt := metal.BFloat16
		if scales.DType().IsFloat() {
			dt = scales.DType()
		}
		return graph.DequantizeScaled(c.array("w"), scales, c.optional("biases"), c.optional("global_scale"), quantization(c), c.dtype("dtype", dt))
	}),
	"mx.quantized_matmul": {params: "x w scales biases transpose group_size bits mode", class: product, condition: narrowSums, fn: func(c *call) []*graph.Array {
		return one(graph.QuantizedMatmul(c.array("x"), c.array("w"), c.array("scales"), c.optional("biases"), c.flag("transpose", true), quantization(c)))
	}},
	"mx.gather_qmm": {params: "x w scales biases lhs_indices rhs_indices transpose group_size bits mode sorted_indices", class: product, condition: narrowSums,
		fn: func(c *call) []*graph.Array {
			return one(graph.GatherQMM(c.array("x"), c.array("w"), c.array("scales"), c.optional("biases"), c.optional("lhs_indices"), c.optional("rhs_indices"),
				c.flag("transpose", true), quantization(c)))
		}},
	"mx.to_fp8":   {params: "x", class: exact, fn: func(c *call) []*graph.Array { return one(graph.ToFP8(c.array("x"))) }},
	"mx.from_fp8": general(exact, "x dtype", func(c *call) *graph.Array { return graph.FromFP8(c.array("x"), c.dtype("dtype", metal.BFloat16)) }),
	"nn.QuantizedLinear": general(composed, "x weight bias group_size bits mode", func(c *call) *graph.Array {
		w := packed(c.array("weight"), quantization(c))
		y := w.times(c.array("x"))
		if bias := c.optional("bias"); bias != nil {
			y = graph.Add(y, bias)
		}
		return y
	}),
	"nn.QuantizedEmbedding": general(composed, "ids weight group_size bits mode", func(c *call) *graph.Array {
		w := packed(c.array("weight"), quantization(c))
		return w.rows(c.array("ids"))
	}),
}

// narrowSums is for products whose recording has no f32_diff: MLX's CPU backend
// sums 16-bit floats in 16 bits, and the error of n roundings grows with √n.
func narrowSums(c *call) float64 {
	x := c.array("x")
	if x.DType().Size() != 2 {
		return 0
	}
	return epsilon(x.DType()) / eps32 * math.Sqrt(float64(x.Dim(-1)))
}

func quantization(c *call) graph.Quantization {
	return graph.Quantization{Mode: graph.QuantMode(c.text("mode", "")), Bits: c.integer("bits", 0), GroupSize: c.integer("group_size", 0)}
}

// packedWeight is a weight that may be quantised: as it is where words is nil.
type packedWeight struct {
	dense, words, scales, biases *graph.Array
	as                           graph.Quantization
}

func packed(w *graph.Array, as graph.Quantization) packedWeight {
	words, scales, biases := graph.Quantize(w, as)
	return packedWeight{graph.Dequantize(words, scales, biases, as, w.DType()), words, scales, biases, as}
}

// baseWeight is the weight of an adapter's base, quantised as the call says.
func baseWeight(c *call) packedWeight {
	w := c.array("weight")
	if !c.has("quantized") {
		return packedWeight{dense: w}
	}
	as := c.ints("quantized")
	return packed(w, graph.Quantization{GroupSize: as[0], Bits: as[1]})
}

// times is x@wᵀ.
func (w packedWeight) times(x *graph.Array) *graph.Array {
	if w.words == nil {
		return graph.Linear(x, w.dense, nil)
	}
	return graph.QuantizedMatmul(x, w.words, w.scales, w.biases, true, w.as)
}

// rows is the rows at ids: those of a quantised weight are read before they are
// unpacked.
func (w packedWeight) rows(ids *graph.Array) *graph.Array {
	if w.words == nil {
		return graph.Take(w.dense, ids, 0)
	}
	var biases *graph.Array
	if w.biases != nil {
		biases = graph.Take(w.biases, ids, 0)
	}
	return graph.Dequantize(graph.Take(w.words, ids, 0), graph.Take(w.scales, ids, 0), biases, w.as, w.dense.DType())
}
