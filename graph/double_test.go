package graph_test

import (
	"context"
	"math"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	_ "github.com/ftmetal/ftmetal/metal/null"
	"github.com/stretchr/testify/require"
)

// float64 is computed in float64: results agree with Go's own to its precision,
// which float32 could not.
func TestFloat64(t *testing.T) {
	ctx := context.Background()
	x := []float64{0.1, 1.0 / 3, -2.7, 4.25, 1e-3, 9.75}
	a := graph.FromSlice(x)
	same := func(want []float64, got *graph.Array) {
		t.Helper()
		require.Equal(t, metal.Float64, got.DType())
		v, err := graph.Read[float64](ctx, got)
		require.NoError(t, err)
		require.Len(t, v, len(want))
		for i := range want {
			require.InEpsilon(t, 1+want[i], 1+v[i], 4e-15)
		}
	}
	each := func(f func(float64) float64) []float64 {
		out := make([]float64, len(x))
		for i, v := range x {
			out[i] = f(v)
		}
		return out
	}
	for name, c := range map[string]struct {
		ours func(any) *graph.Array
		gos  func(float64) float64
	}{
		"exp": {graph.Exp, math.Exp}, "sin": {graph.Sin, math.Sin}, "erf": {graph.Erf, math.Erf}, "abs": {graph.Abs, math.Abs}, "tanh": {graph.Tanh, math.Tanh},
		"sigmoid": {graph.Sigmoid, func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }},
		"twice":   {func(a any) *graph.Array { return graph.Multiply(a, 2.0) }, func(v float64) float64 { return 2 * v }},
		"third":   {func(a any) *graph.Array { return graph.Divide(a, 3) }, func(v float64) float64 { return v / 3 }},
		"power":   {func(a any) *graph.Array { return graph.Power(graph.Abs(a), 1.5) }, func(v float64) float64 { return math.Pow(math.Abs(v), 1.5) }},
		"tenths":  {func(a any) *graph.Array { return graph.Multiply(a, 0.1) }, func(v float64) float64 { return v * 0.1 }},
		"where":   {func(a any) *graph.Array { return graph.Where(graph.Less(a, 1.0), a, 0.5) }, func(v float64) float64 { return min(v, 1)*b2f(v < 1) + 0.5*b2f(v >= 1) }},
		"erfinv":  {func(a any) *graph.Array { return graph.ErfInv(graph.Multiply(a, 0.1)) }, func(v float64) float64 { return math.Erfinv(v * 0.1) }},
		"reverse": {func(a any) *graph.Array { return graph.Flip(graph.Flip(a.(*graph.Array))) }, func(v float64) float64 { return v }},
		"integers": {func(a any) *graph.Array {
			return graph.AsType(graph.AsType(a.(*graph.Array), metal.Int32), metal.Float64)
		}, math.Trunc},
	} {
		t.Log(name)
		same(each(c.gos), c.ours(a))
	}
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	same([]float64{sum}, graph.Sum(a, nil, false))
	same([]float64{x[0]*x[1] + x[2]*x[4], x[0]*x[5] + x[2]*x[3]},
		graph.Matmul(graph.FromSlice([]float64{x[0], x[2]}, 1, 2), graph.Transpose(graph.FromSlice([]float64{x[1], x[4], x[5], x[3]}, 2, 2))))
	y := graph.FromSlice([]float64{1.5, -0.3, 0.7, -1e-300, 0})
	same([]float64{-0.3, -1e-300, 0, 0.7, 1.5}, graph.Sort(y, 0))
	same([]float64{1.5, -0.45, -0.45 * 0.7}, graph.SliceAxis(graph.CumProd(y, 0, graph.ScanOptions{}), 0, 0, 3))
	same([]float64{0, 1.5, 1.2, 1.9, 1.9}, graph.CumSum(y, 0, graph.ScanOptions{Exclusive: true}))
	same([]float64{1.5, 0.7, 0.7, 0, 0}, graph.CumMax(y, 0, graph.ScanOptions{Reverse: true}))
	total := 0.0
	for _, v := range []float64{1.5, -0.3, 0.7, 0, 0} {
		total += math.Exp(v)
	}
	same([]float64{math.Log(total)}, graph.LogSumExp(y, nil, false))
	same([]float64{math.Exp(1.5) / total, math.Exp(-0.3) / total}, graph.SliceAxis(graph.Softmax(y), 0, 0, 2))
	arg, err := graph.Item(ctx, graph.ArgMax(graph.Concatenate([]*graph.Array{graph.FromSlice([]float64{math.NaN()}), y}, 0), 0, false))
	require.NoError(t, err)
	require.Equal(t, 1.0, arg, "NaN does not count")
	same([]float64{0, 0.1, 0.2}, graph.Arange(0, 0.3, 0.1, metal.Float64))
	same([]float64{x[5], x[0]}, graph.Take(a, graph.FromSlice([]int32{-1, 0}), 0))
	grads := graph.Grad(func(in []*graph.Array) *graph.Array {
		return graph.Sum(graph.Exp(graph.Take(in[0], graph.FromSlice([]int32{1, 1}), 0)), nil, false)
	})([]*graph.Array{a})
	same([]float64{0, 2 * math.Exp(x[1]), 0, 0, 0, 0}, grads[0])
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// A device without float64 refuses it by name, before anything runs.
func TestFloat64IsRefusedWhereThereIsNone(t *testing.T) {
	rt, err := graph.NewRuntime("null", 0)
	require.NoError(t, err)
	defer rt.Close()
	old, err := graph.Default()
	require.NoError(t, err)
	graph.SetDefault(rt)
	defer graph.SetDefault(old)
	err = graph.Eval(context.Background(), graph.Exp(graph.FromSlice([]float64{1})))
	require.EqualError(t, err, "graph: Exp: dtype float64 is not supported by null; float32 is")
}
