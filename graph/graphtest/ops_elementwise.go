package graphtest

import (
	"math"

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

// activations are the functions of mlx.nn of one array.
var activations = map[string]func(c *call, a *graph.Array) *graph.Array{
	"sigmoid": func(c *call, a *graph.Array) *graph.Array { return graph.Sigmoid(a) },
	"tanh":    func(c *call, a *graph.Array) *graph.Array { return graph.Tanh(a) },
	"silu":    func(c *call, a *graph.Array) *graph.Array { return graph.Silu(a) },
	"gelu":    func(c *call, a *graph.Array) *graph.Array { return graph.Gelu(a) },
	"relu":    func(c *call, a *graph.Array) *graph.Array { return graph.Maximum(a, 0) },
	"relu2":   func(c *call, a *graph.Array) *graph.Array { return graph.Square(graph.Maximum(a, 0)) },
	"relu6":   func(c *call, a *graph.Array) *graph.Array { return graph.Minimum(graph.Maximum(a, 0), 6.0) },
	"gelu_approx": func(c *call, a *graph.Array) *graph.Array {
		inner := graph.Multiply(math.Sqrt(2/math.Pi), graph.Add(a, graph.Multiply(0.044715, graph.Power(a, 3))))
		return graph.Multiply(graph.Multiply(0.5, a), graph.Add(1, graph.Tanh(inner)))
	},
	"gelu_fast_approx": func(c *call, a *graph.Array) *graph.Array {
		return graph.Multiply(a, graph.Sigmoid(graph.Multiply(1.702, a)))
	},
	"leaky_relu": func(c *call, a *graph.Array) *graph.Array {
		return graph.Maximum(graph.Multiply(c.number("negative_slope", 0.01), a), a)
	},
	"elu":      func(c *call, a *graph.Array) *graph.Array { return elu(a, c.number("alpha", 1)) },
	"selu":     func(c *call, a *graph.Array) *graph.Array { return graph.Multiply(elu(a, 1.67326), 1.0507) },
	"softplus": func(c *call, a *graph.Array) *graph.Array { return graph.LogAddExp(a, 0) },
	"softsign": func(c *call, a *graph.Array) *graph.Array { return graph.Divide(a, graph.Add(1, graph.Abs(a))) },
	"softmax":  func(c *call, a *graph.Array) *graph.Array { return graph.Softmax(a, c.integer("axis", -1)) },
	"softmin": func(c *call, a *graph.Array) *graph.Array {
		return graph.Softmax(graph.Negative(a), c.integer("axis", -1))
	},
	"log_softmax": func(c *call, a *graph.Array) *graph.Array { return logSoftmax(a, c.integer("axis", -1)) },
	"softshrink": func(c *call, a *graph.Array) *graph.Array {
		l := c.number("lambd", 0.5)
		return graph.Where(graph.Greater(graph.Abs(a), l), graph.Subtract(a, graph.Multiply(graph.Sign(a), l)), 0)
	},
	"hard_shrink": func(c *call, a *graph.Array) *graph.Array {
		return graph.Where(graph.Greater(graph.Abs(a), c.number("lambd", 0.5)), a, 0)
	},
	"celu": func(c *call, a *graph.Array) *graph.Array {
		alpha := c.number("alpha", 1)
		tail := graph.Subtract(graph.Exp(graph.Divide(graph.Minimum(a, 0.0), alpha)), 1)
		return graph.Add(graph.Maximum(a, 0.0), graph.Multiply(alpha, tail))
	},
	"log_sigmoid": func(c *call, a *graph.Array) *graph.Array {
		return graph.Negative(graph.LogAddExp(graph.Negative(a), 0))
	},
	"mish": func(c *call, a *graph.Array) *graph.Array {
		return graph.Multiply(a, graph.Tanh(graph.LogAddExp(a, 0)))
	},
	"hardswish": func(c *call, a *graph.Array) *graph.Array {
		return graph.Divide(graph.Multiply(a, graph.Minimum(graph.Maximum(graph.Add(a, 3), 0), 6)), 6)
	},
	"hard_tanh": func(c *call, a *graph.Array) *graph.Array {
		return graph.Minimum(graph.Maximum(a, c.number("min_val", -1)), c.number("max_val", 1))
	},
	"glu": func(c *call, a *graph.Array) *graph.Array {
		h := graph.SplitEqual(a, 2, c.integer("axis", -1))
		return graph.Multiply(h[0], graph.Sigmoid(h[1]))
	},
	"step": func(c *call, a *graph.Array) *graph.Array {
		return graph.Where(graph.GreaterEqual(a, c.number("threshold", 0)), 1, 0)
	},
}

func elu(a *graph.Array, alpha float64) *graph.Array {
	return graph.Where(graph.Greater(a, 0), a, graph.Multiply(alpha, graph.Subtract(graph.Exp(a), 1)))
}

func logSoftmax(a *graph.Array, axis int) *graph.Array {
	over := []int{axis}
	a = graph.Subtract(a, graph.StopGradient(graph.Max(a, over, true)))
	return graph.Subtract(a, graph.LogSumExp(a, over, true))
}
