package graph_test

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"pgregory.net/rapid"
)

// propOp is a family of ops of random programs. draw makes a step with operand
// k, or refuses it. smooth ops have a derivative almost everywhere.
type propOp struct {
	name   string
	smooth bool
	draw   func(m *maker, k int) (step, bool)
}

var propOps = []propOp{
	{"unary", true, drawUnary}, {"unary", true, drawUnary}, {"rounding", false, drawRounding},
	{"binary", true, drawBinary}, {"binary", true, drawBinary}, {"binary", true, drawBinary}, {"scalar", true, drawScalar}, {"where", true, drawWhere},
	{"reduce", true, drawReduce}, {"reduce", true, drawReduce}, {"row", true, drawRow}, {"row", true, drawRow}, {"arg", false, drawArg},
	{"transpose", true, drawTranspose}, {"reshape", true, drawReshape}, {"slice", true, drawSlice}, {"slice", true, drawSlice}, {"broadcast", true, drawBroadcast},
	{"join", true, drawJoin}, {"pad", true, drawPad}, {"roll", true, drawRoll}, {"repeat", true, drawRepeat},
	{"take", true, drawTake}, {"take", true, drawTake}, {"update", true, drawUpdate},
	{"matmul", true, drawMatmul}, {"matmul", true, drawMatmul}, {"cast", false, drawCast}, {"checkpoint", true, drawCheckpoint},
}

func one(name string, k int, build func(a *graph.Array) *graph.Array, f func(x wide) wide) step {
	return step{name: name, in: []int{k}, build: func(in []*graph.Array) *graph.Array { return build(in[0]) }, wide: func(in []wide) wide { return f(in[0]) }}
}

func exactly(s step) (step, bool) {
	s.exact = true
	return s, true
}

type elementwise struct {
	name  string
	build func(a any) *graph.Array
	f     func(x float64) float64
}

var propUnary = []elementwise{
	{"Abs", graph.Abs, math.Abs}, {"Square", graph.Square, func(x float64) float64 { return x * x }}, {"Exp", graph.Exp, math.Exp}, {"Expm1", graph.Expm1, math.Expm1},
	{"Sigmoid", graph.Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }}, {"Tanh", graph.Tanh, math.Tanh}, {"Erf", graph.Erf, math.Erf},
	{"Sin", graph.Sin, math.Sin}, {"Cos", graph.Cos, math.Cos}, {"ArcTan", graph.ArcTan, math.Atan}, {"ArcSinh", graph.ArcSinh, math.Asinh},
	{"SqrtAbs1", func(a any) *graph.Array { return graph.Sqrt(graph.Add(graph.Abs(a), 1.0)) }, func(x float64) float64 { return math.Sqrt(math.Abs(x) + 1) }},
	{"Log1pAbs", func(a any) *graph.Array { return graph.Log1p(graph.Abs(a)) }, func(x float64) float64 { return math.Log1p(math.Abs(x)) }},
	{"ReciprocalAbs1", func(a any) *graph.Array { return graph.Reciprocal(graph.Add(graph.Abs(a), 1.0)) }, func(x float64) float64 { return 1 / (math.Abs(x) + 1) }},
	{"Rsqrt", func(a any) *graph.Array { return graph.Rsqrt(graph.Add(graph.Square(graph.Multiply(a, 1.0)), 1.0)) }, func(x float64) float64 { return 1 / math.Sqrt(x*x+1) }},
}

func drawUnary(m *maker, k int) (step, bool) {
	op := rapid.SampledFrom(propUnary).Draw(m.t, "unary")
	s := one(op.name, k, func(a *graph.Array) *graph.Array { return op.build(a) }, func(x wide) wide { return mapped(x, op.f) })
	s.loose = 12
	return s, (op.name != "Abs" && op.name != "Square") || m.dtypes[k] != metal.Bool
}

func drawRounding(m *maker, k int) (step, bool) {
	op := rapid.SampledFrom([]elementwise{{"Floor", graph.Floor, math.Floor}, {"Ceil", graph.Ceil, math.Ceil}, {"Round", graph.Round, math.RoundToEven}}).Draw(m.t, "rounding")
	return exactly(one(op.name, k, func(a *graph.Array) *graph.Array { return op.build(a) }, func(x wide) wide { return mapped(x, op.f) }))
}

type pairwise struct {
	name  string
	exact bool
	build func(a, b any) *graph.Array
	f     func(x, y float64) float64
}

var propBinary = []pairwise{
	{"Add", false, graph.Add, func(x, y float64) float64 { return x + y }}, {"Subtract", false, graph.Subtract, func(x, y float64) float64 { return x - y }},
	{"Multiply", false, graph.Multiply, func(x, y float64) float64 { return x * y }}, {"Maximum", true, graph.Maximum, math.Max}, {"Minimum", true, graph.Minimum, math.Min},
	{"LogAddExp", false, graph.LogAddExp, func(x, y float64) float64 { return max(x, y) + math.Log1p(math.Exp(-math.Abs(x-y))) }},
	{"DivideBy", false, func(a, b any) *graph.Array { return graph.Divide(a, aboveOne(a, b)) }, func(x, y float64) float64 { return x / (math.Abs(y) + 1) }},
	{"ComplexSquare", false, func(a, b any) *graph.Array { return graph.Imag(graph.Square(graph.Complex(a, b))) }, func(x, y float64) float64 { return 2 * x * y }},
	{"ComplexTimes", false, func(a, b any) *graph.Array { return graph.Real(graph.Multiply(graph.Complex(a, b), 0.5-1i)) }, func(x, y float64) float64 { return 0.5*x + y }},
	{"ArcTan2", false, func(a, b any) *graph.Array { return graph.ArcTan2(a, aboveOne(a, b)) }, func(x, y float64) float64 { return math.Atan2(x, math.Abs(y)+1) }},
}

// aboveOne is |b|+1 in the dtype that a and b meet in, so that it is rounded no
// more than their result.
func aboveOne(a, b any) *graph.Array {
	wide := graph.Promote(a.(*graph.Array).DType(), b.(*graph.Array).DType())
	return graph.Add(graph.Abs(graph.AsType(b.(*graph.Array), wide)), 1.0)
}

// partner is a value that broadcasts with k.
func (m *maker) partner(k int) (int, bool) {
	for range 4 {
		j := m.below(len(m.values), "partner")
		if graph.Catch(func() { graph.BroadcastShapes(m.values[k].shape, m.values[j].shape) }) == nil {
			return j, true
		}
	}
	return k, m.flip("itself")
}

func drawBinary(m *maker, k int) (step, bool) {
	op := rapid.SampledFrom(propBinary).Draw(m.t, "binary")
	j, ok := m.partner(k)
	if mixed := graph.Promote(m.dtypes[k], m.dtypes[j]); op.exact && mixed != m.dtypes[k] && mixed != m.dtypes[j] {
		op.exact = false // both are converted
	}
	return step{name: op.name, in: []int{k, j}, exact: op.exact, loose: 12, build: func(in []*graph.Array) *graph.Array { return op.build(in[0], in[1]) },
		wide: func(in []wide) wide { return zipped(in[0], in[1], op.f) }}, ok && (m.dtypes[k] != metal.Bool && m.dtypes[j] != metal.Bool)
}

func drawScalar(m *maker, k int) (step, bool) {
	v := rapid.SampledFrom([]float64{0.5, -1.25, 2, 0, 1}).Draw(m.t, "scalar")
	if m.flip("times") {
		return one("Times", k, func(a *graph.Array) *graph.Array { return graph.Multiply(a, v) }, func(x wide) wide { return mapped(x, func(x float64) float64 { return x * v }) }), true
	}
	return one("Plus", k, func(a *graph.Array) *graph.Array { return graph.Add(v, a) }, func(x wide) wide { return mapped(x, func(x float64) float64 { return x + v }) }), true
}

func drawWhere(m *maker, k int) (step, bool) {
	j, ok := m.partner(k)
	same := m.dtypes[k] == m.dtypes[j] && m.dtypes[k] != metal.Bool
	return step{name: "WhereLess", in: []int{k, j}, exact: true, build: func(in []*graph.Array) *graph.Array {
		return graph.Where(graph.Less(in[0], 0.25), in[0], in[1])
	}, wide: func(in []wide) wide {
		return zipped(in[0], in[1], func(x, y float64) float64 {
			if x < 0.25 {
				return x
			}
			return y
		})
	}}, ok && same && m.dtypes[k].IsFloat()
}

// axis draws an axis of k, with elements if full is set.
func (m *maker) axis(k int, full bool) (int, bool) {
	shape := m.values[k].shape
	if len(shape) == 0 {
		return 0, false
	}
	ax := m.below(len(shape), "axis")
	return ax, !full || shape[ax] > 0
}

var propReduce = map[string]struct {
	exact bool
	build func(a *graph.Array, axes []int, keep bool) *graph.Array
	f     func(row []float64) []float64
}{
	"Sum":       {false, graph.Sum, sumOf},
	"Max":       {true, graph.Max, func(row []float64) []float64 { return []float64{slices.Max(row)} }},
	"Min":       {true, graph.Min, func(row []float64) []float64 { return []float64{slices.Min(row)} }},
	"Mean":      {false, graph.Mean, func(row []float64) []float64 { return []float64{sumOf(row)[0] / float64(len(row))} }},
	"LogSumExp": {false, graph.LogSumExp, logSumExpOf},
	"Prod": {false, graph.Prod, func(row []float64) []float64 {
		p := 1.0
		for _, v := range row {
			p *= v
		}
		return []float64{p}
	}},
	"Var": {false, func(a *graph.Array, axes []int, keep bool) *graph.Array {
		// The mean inside is rounded to a's dtype, as MLX does; the reference has no such place.
		return graph.Var(graph.AsType(a, metal.Float32), axes, keep, 0)
	}, func(row []float64) []float64 {
		mean, s := sumOf(row)[0]/float64(len(row)), 0.0
		for _, v := range row {
			s += (v - mean) * (v - mean)
		}
		return []float64{s / float64(len(row))}
	}},
}

func drawReduce(m *maker, k int) (step, bool) {
	name := rapid.SampledFrom([]string{"Sum", "Max", "Min", "Mean", "LogSumExp", "Prod", "Var"}).Draw(m.t, "reduce")
	ax, ok := m.axis(k, name != "Sum" && name != "Prod")
	op, keep := propReduce[name], m.flip("keep")
	if !ok || product(m.values[k].shape) == 0 && name != "Sum" {
		return step{}, false
	}
	s := one(name, k, func(a *graph.Array) *graph.Array { return op.build(a, []int{ax}, keep) }, func(x wide) wide {
		out := rows(x, ax, op.f)
		if !keep {
			out.shape = slices.Delete(out.shape, ax, ax+1)
		}
		return out
	})
	s.exact, s.loose = op.exact, 12
	return s, m.dtypes[k] != metal.Bool
}

// propRow are functions of a line that keep its length.
var propRow = map[string]struct {
	exact, last bool
	build       func(a *graph.Array, axis int) *graph.Array
	f           func(row []float64) []float64
}{
	"Softmax": {false, false, func(a *graph.Array, ax int) *graph.Array { return graph.Softmax(a, ax) }, softmaxOf},
	"CumSum": {false, false, func(a *graph.Array, ax int) *graph.Array { return graph.CumSum(a, ax, graph.ScanOptions{}) }, func(row []float64) []float64 {
		return running(row, func(s, v float64) float64 { return s + v })
	}},
	"CumMax": {true, false, func(a *graph.Array, ax int) *graph.Array { return graph.CumMax(a, ax, graph.ScanOptions{}) }, func(row []float64) []float64 { return running(row, math.Max) }},
	"Sort":   {true, false, graph.Sort, func(row []float64) []float64 { return slices.Sorted(slices.Values(row)) }},
	"Flip": {true, false, func(a *graph.Array, ax int) *graph.Array { return graph.Flip(a, ax) }, func(row []float64) []float64 {
		row = slices.Clone(row)
		slices.Reverse(row)
		return row
	}},
	"Hartley": {false, false, func(a *graph.Array, ax int) *graph.Array {
		f := graph.FFT(a, 0, ax, graph.FFTOrtho)
		return graph.Add(graph.Real(f), graph.Imag(f))
	}, hartleyOf},
	"Hadamard": {false, true, func(a *graph.Array, _ int) *graph.Array {
		ones := 1.0
		n := a.Dim(-1)
		for n&(n-1) != 0 {
			n++
		}
		wide := graph.Pad(a, append(make([][2]int, a.NDim()-1), [2]int{0, n - a.Dim(-1)}), 0)
		return graph.SliceAxis(graph.HadamardTransform(wide, &ones), -1, 0, a.Dim(-1))
	}, hadamardOf},
	"RMSNorm":   {false, true, func(a *graph.Array, _ int) *graph.Array { return graph.RMSNorm(a, nil, normEps) }, func(row []float64) []float64 { return normed(row, false) }},
	"LayerNorm": {false, true, func(a *graph.Array, _ int) *graph.Array { return graph.LayerNorm(a, nil, nil, normEps) }, func(row []float64) []float64 { return normed(row, true) }},
}

func drawRow(m *maker, k int) (step, bool) {
	name := rapid.SampledFrom([]string{"Softmax", "CumSum", "CumMax", "Sort", "Flip", "RMSNorm", "LayerNorm", "Hartley", "Hadamard"}).Draw(m.t, "row")
	op := propRow[name]
	ax, ok := m.axis(k, true)
	if op.last {
		ax = len(m.values[k].shape) - 1
	}
	float := m.dtypes[k].IsFloat() && (!op.last || m.dtypes[k] != metal.Float64)
	if !ok || product(m.values[k].shape) == 0 || !op.exact && !float || op.last && m.kind.smooth && m.values[k].shape[ax] < 2 {
		return step{}, false
	}
	s := one(name, k, func(a *graph.Array) *graph.Array { return op.build(a, ax) }, func(x wide) wide { return rows(x, ax, op.f) })
	s.exact, s.loose = op.exact, 12
	return s, m.dtypes[k] != metal.Bool
}

func drawArg(m *maker, k int) (step, bool) {
	ax, ok := m.axis(k, true)
	return step{name: "ArgMax", in: []int{k}, exact: true, build: func(in []*graph.Array) *graph.Array { return graph.ArgMax(in[0], ax, true) }, wide: func(in []wide) wide {
		return rows(in[0], ax, func(row []float64) []float64 { return []float64{float64(slices.Index(row, slices.Max(row)))} })
	}}, ok && product(m.values[k].shape) > 0
}

func drawMatmul(m *maker, k int) (step, bool) {
	shape := m.values[k].shape
	if len(shape) < 2 || !m.dtypes[k].IsFloat() {
		return step{}, false
	}
	perm := make([]int, len(shape))
	for i := range perm {
		perm[i] = i
	}
	n := len(shape)
	perm[n-1], perm[n-2] = n-2, n-1
	flipped := func(x wide) wide {
		return gathered(x, permuted(x.shape, perm), func(at []int) []int { return permuted(at, perm) })
	}
	if m.flip("labels") {
		return one("Einsum", k, func(a *graph.Array) *graph.Array { return graph.Einsum("...ij,...kj->...ik", a, a) }, func(x wide) wide { return matmul64(x, flipped(x)) }), true
	}
	if m.flip("gram") {
		return one("Gram", k, func(a *graph.Array) *graph.Array { return graph.Matmul(a, graph.SwapAxes(a, -1, -2)) }, func(x wide) wide { return matmul64(x, flipped(x)) }), true
	}
	w, ww := values(m.dtypes[k], []int{3, shape[n-1]}, 17)
	return one("Linear", k, func(a *graph.Array) *graph.Array { return graph.Linear(a, w, nil) }, func(x wide) wide {
		return matmul64(x, wide{[]int{shape[n-1], 3}, gathered(ww, []int{shape[n-1], 3}, func(at []int) []int { return []int{at[1], at[0]} }).v})
	}), true
}

func permuted[T any](list []T, perm []int) []T {
	out := make([]T, len(list))
	for i, p := range perm {
		out[i] = list[p]
	}
	return out
}

func drawCast(m *maker, k int) (step, bool) {
	dt := rapid.SampledFrom([]metal.DType{metal.Float32, metal.BFloat16, metal.Float16, metal.Int32, metal.Bool, metal.Int64, metal.Uint8, metal.Float64}).Draw(m.t, "to")
	s := one("AsType "+dt.String(), k, func(a *graph.Array) *graph.Array { return graph.AsType(a, dt) }, func(x wide) wide {
		return mapped(x, func(v float64) float64 {
			switch {
			case dt == metal.Bool && v != 0:
				return 1
			case dt == metal.Bool:
				return 0
			case dt.IsInteger():
				return math.Trunc(v)
			}
			return v
		})
	})
	s.exact = !dt.IsFloat()
	return s, true
}

// drawCheckpoint wraps an op whose values are computed again for the gradient.
func drawCheckpoint(m *maker, k int) (step, bool) {
	f := graph.Checkpoint(func(in []*graph.Array) []*graph.Array {
		return []*graph.Array{graph.Multiply(graph.Tanh(in[0]), graph.Sin(in[0]))}
	})
	s := one("Checkpoint", k, func(a *graph.Array) *graph.Array { return f([]*graph.Array{a})[0] }, func(x wide) wide {
		return mapped(x, func(v float64) float64 { return math.Tanh(v) * math.Sin(v) })
	})
	s.loose = 12
	return s, m.dtypes[k] == metal.Float32
}
