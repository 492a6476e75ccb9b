package graphtest

import (
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
	"mx.quantized_matmul": {params: "x w scales biases transpose group_size bits mode", class: product, sums: narrowSums, fn: func(c *call) []*graph.Array {
		return one(graph.QuantizedMatmul(c.array("x"), c.array("w"), c.array("scales"), c.optional("biases"), c.flag("transpose", true), quantization(c)))
	}},
	"mx.gather_qmm": {params: "x w scales biases lhs_indices rhs_indices transpose group_size bits mode sorted_indices", class: product, sums: narrowSums,
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
// unpacks, multiplies and sums 16-bit floats in 16 bits, a term after the other.
// With partial sums s, terms t = x·w and u = x·scale·code, what the roundings come
// to is spread around eps·√(Σ s² + 2 t² + u²)/4; six times that is allowed, for the
// worst of the many values that are recorded.
func narrowSums(c *call, cotangent *graph.Array) *graph.Array {
	x, transpose := c.array("x"), c.flag("transpose", true)
	if x.DType().Size() != 2 {
		return nil
	}
	wide := func(a *graph.Array) *graph.Array { return graph.AsType(a, metal.Float32) }
	scales, biases, none := c.array("scales"), c.optional("biases"), c.optional("biases")
	if biases != nil {
		scales, biases = wide(scales), wide(biases)
		none = graph.ZerosLike(biases)
	}
	placed := func(x *graph.Array) *graph.Array { return x } // the matrices of x and of w that products have
	picked := placed
	if lhs, rhs := c.optional("lhs_indices"), c.optional("rhs_indices"); lhs != nil || rhs != nil {
		ids := graph.BroadcastArrays(allMatrices(x, lhs), allMatrices(scales, rhs))
		placed = func(x *graph.Array) *graph.Array { return matricesAt(x, ids[0]) }
		picked = func(w *graph.Array) *graph.Array { return matricesAt(w, ids[1]) }
	}
	left := placed(wide(x))
	if cotangent != nil {
		left = wide(cotangent)
	}
	terms := func(biases *graph.Array) *graph.Array {
		w := picked(graph.Dequantize(c.array("w"), scales, biases, quantization(c), metal.Float32))
		if transpose == (cotangent != nil) {
			w = graph.SwapAxes(w, -1, -2)
		}
		return graph.Multiply(graph.ExpandDims(left, -2), graph.ExpandDims(w, -3))
	}
	t := terms(biases)
	squares := graph.Add(graph.Square(graph.CumSum(t, -1, graph.ScanOptions{})), graph.Add(graph.Multiply(graph.Square(t), 2), graph.Square(terms(none))))
	squares = graph.Sum(squares, []int{-1}, false)
	if cotangent != nil { // what lands on the same element of x adds up
		_, sums := graph.VJP(func(in []*graph.Array) []*graph.Array {
			return []*graph.Array{graph.BroadcastTo(placed(in[0]), squares.Shape())}
		}, []*graph.Array{wide(x)}, []*graph.Array{squares})
		squares = sums[0]
	}
	return graph.Multiply(graph.Sqrt(squares), 6*epsilon(x.DType())/4)
}

// allMatrices is ids, or the numbers of all matrices of a.
func allMatrices(a, ids *graph.Array) *graph.Array {
	if ids != nil {
		return ids
	}
	lead := a.Shape()[:a.NDim()-2]
	n := 1
	for _, d := range lead {
		n *= d
	}
	return graph.Reshape(graph.Arange(0, float64(n), 1, metal.Uint32), lead...)
}

// matricesAt picks matrices by their numbers, in order of the leading axes.
func matricesAt(a, ids *graph.Array) *graph.Array {
	return graph.Take(graph.Reshape(a, append([]int{-1}, a.Shape()[a.NDim()-2:]...)...), ids, 0)
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
