package graphtest

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

var elementwiseOps = map[string]*opEntry{
	"mx.abs": unaryOf(exact, graph.Abs), "mx.negative": unaryOf(exact, graph.Negative), "mx.sign": unaryOf(exact, graph.Sign),
	"mx.floor": unaryOf(exact, graph.Floor), "mx.ceil": unaryOf(exact, graph.Ceil), "mx.logical_not": unaryOf(exact, graph.LogicalNot),
	"mx.bitwise_invert": unaryOf(exact, graph.BitwiseInvert), "mx.isnan": unaryOf(exact, graph.IsNaN), "mx.isinf": unaryOf(exact, graph.IsInf),
	"mx.isfinite": unaryOf(exact, graph.IsFinite), "mx.isposinf": unaryOf(exact, graph.IsPosInf), "mx.isneginf": unaryOf(exact, graph.IsNegInf),
	"mx.square": unaryOf(elementwise, graph.Square), "mx.sqrt": unaryOf(elementwise, graph.Sqrt), "mx.rsqrt": unaryOf(elementwise, graph.Rsqrt),
	"mx.reciprocal": unaryOf(elementwise, graph.Reciprocal), "mx.exp": unaryOf(transcendental, graph.Exp), "mx.expm1": unaryOf(transcendental, graph.Expm1),
	"mx.log": unaryOf(transcendental, graph.Log), "mx.log2": unaryOf(transcendental, graph.Log2), "mx.log10": unaryOf(transcendental, graph.Log10),
	"mx.log1p": unaryOf(transcendental, graph.Log1p), "mx.sigmoid": unaryOf(transcendental, graph.Sigmoid), "mx.erf": unaryOf(reduction, graph.Erf),
	"mx.erfinv": unaryOf(transcendental, graph.ErfInv), "mx.sin": unaryOf(transcendental, graph.Sin), "mx.cos": unaryOf(transcendental, graph.Cos),
	"mx.tan": unaryOf(transcendental, graph.Tan), "mx.arcsin": unaryOf(transcendental, graph.ArcSin), "mx.arccos": unaryOf(transcendental, graph.ArcCos),
	"mx.arctan": unaryOf(transcendental, graph.ArcTan), "mx.sinh": unaryOf(transcendental, graph.Sinh), "mx.cosh": unaryOf(transcendental, graph.Cosh),
	"mx.tanh": unaryOf(transcendental, graph.Tanh), "mx.arcsinh": unaryOf(transcendental, graph.ArcSinh), "mx.arccosh": unaryOf(transcendental, graph.ArcCosh),
	"mx.arctanh":  unaryOf(transcendental, graph.ArcTanh),
	"mx.trunc":    arrayOf(exact, "a", func(c *call, a *graph.Array) *graph.Array { return graph.Trunc(a) }),
	"mx.positive": arrayOf(exact, "a", func(c *call, a *graph.Array) *graph.Array { return a }),
	"mx.degrees":  arrayOf(elementwise, "a", func(c *call, a *graph.Array) *graph.Array { return graph.Degrees(a) }),
	"mx.radians":  arrayOf(elementwise, "a", func(c *call, a *graph.Array) *graph.Array { return graph.Radians(a) }),
	"mx.round": arrayOf(elementwise, "a decimals", func(c *call, a *graph.Array) *graph.Array {
		return graph.RoundTo(a, c.integer("decimals", 0))
	}),
	"mx.nan_to_num": arrayOf(exact, "a nan posinf neginf", func(c *call, a *graph.Array) *graph.Array {
		return graph.NanToNum(a, c.number("nan", 0), c.number("posinf", -graph.Lowest(a.DType())), c.number("neginf", graph.Lowest(a.DType())))
	}),
	"mx.exp.T": arrayOf(transcendental, "a", func(c *call, a *graph.Array) *graph.Array { return graph.Exp(graph.Transpose(a)) }),
	"array.astype": arrayOf(exact, "a dtype", func(c *call, a *graph.Array) *graph.Array {
		return graph.AsType(a, c.dtype("dtype", metal.Float32))
	}),

	"mx.add": binaryOf(elementwise, graph.Add), "mx.subtract": binaryOf(elementwise, graph.Subtract), "mx.multiply": binaryOf(elementwise, graph.Multiply),
	"mx.divide": binaryOf(elementwise, graph.Divide), "mx.maximum": binaryOf(exact, graph.Maximum), "mx.minimum": binaryOf(exact, graph.Minimum),
	"mx.power": binaryOf(transcendental, graph.Power), "mx.remainder": binaryOf(elementwise, graph.Remainder),
	"mx.floor_divide": binaryOf(elementwise, graph.FloorDivide), "mx.logaddexp": binaryOf(transcendental, graph.LogAddExp),
	"mx.arctan2": binaryOf(transcendental, graph.ArcTan2), "mx.equal": binaryOf(exact, graph.Equal), "mx.not_equal": binaryOf(exact, graph.NotEqual),
	"mx.less": binaryOf(exact, graph.Less), "mx.less_equal": binaryOf(exact, graph.LessEqual), "mx.greater": binaryOf(exact, graph.Greater),
	"mx.greater_equal": binaryOf(exact, graph.GreaterEqual), "mx.logical_and": binaryOf(exact, graph.LogicalAnd), "mx.logical_or": binaryOf(exact, graph.LogicalOr),
	"mx.logical_xor": binaryOf(exact, graph.LogicalXor), "mx.bitwise_and": binaryOf(exact, graph.BitwiseAnd), "mx.bitwise_or": binaryOf(exact, graph.BitwiseOr),
	"mx.bitwise_xor": binaryOf(exact, graph.BitwiseXor), "mx.left_shift": binaryOf(exact, graph.LeftShift), "mx.right_shift": binaryOf(exact, graph.RightShift),
	"mx.divmod": {params: "a b", class: elementwise, fn: func(c *call) []*graph.Array {
		q, r := graph.DivMod(c.operand("a"), c.operand("b"))
		return []*graph.Array{q, r}
	}},
	"mx.isclose": general(exact, "a b rtol atol equal_nan", func(c *call) *graph.Array {
		return graph.IsClose(c.array("a"), c.array("b"), c.number("rtol", 1e-5), c.number("atol", 1e-8), c.flag("equal_nan", false))
	}),
	"mx.where": general(exact, "condition x y", func(c *call) *graph.Array {
		return graph.Where(c.array("condition"), c.operand("x"), c.operand("y"))
	}),
	"mx.clip": general(exact, "a a_min a_max", func(c *call) *graph.Array {
		var lo, hi any
		if c.has("a_min") {
			lo = c.operand("a_min")
		}
		if c.has("a_max") {
			hi = c.operand("a_max")
		}
		return graph.Clip(c.array("a"), lo, hi)
	}),
	"mx.linalg.norm": arrayOf(reduction, "a ord axis keepdims", func(c *call, a *graph.Array) *graph.Array {
		if c.has("ord") && c.number("ord", 2) != 2 {
			unsupported("ord %v of mx.linalg.norm", c.named["ord"])
		}
		return graph.L2Norm(a, c.ints("axis"), c.flag("keepdims", false))
	}),
}
