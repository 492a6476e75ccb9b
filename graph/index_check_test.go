package graph_test

import (
	"context"
	"math"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// indexError is the error of evaluating what fn makes.
func indexError(t *testing.T, fn func() *graph.Array) *graph.Error {
	t.Helper()
	var e *graph.Error
	require.ErrorAs(t, graph.Eval(context.Background(), fn()), &e)
	require.Regexp(t, `^graph/index_check_test.go:\d+$`, e.Site)
	return e
}

// TestIndicesOutside: an index outside its axis is an error of Eval with the op,
// the index, the extent and the caller's line.
func TestIndicesOutside(t *testing.T) {
	x := graph.Reshape(graph.Arange(0, 20, 1, metal.Float32), 4, 5)
	ids := func(v ...int32) *graph.Array { return graph.FromSlice(v) }
	col := func(v ...int32) *graph.Array { return graph.FromSlice(v, len(v), 1) }
	row := func(v ...int32) *graph.Array { return graph.FromSlice(v, 1, len(v)) }
	pick := func(a *graph.Array) graph.Term { return graph.Pick(a) }
	all := graph.Span(nil, nil, nil)
	many := make([]int32, 5000)
	many[4999], many[3000] = 9, -5
	w := graph.Ones([]int{4, 2, 64}, metal.Float32)
	q := graph.Quantization{Bits: 4, GroupSize: 64}
	words, scales, biases := graph.Quantize(w, q)
	for _, c := range []struct {
		op, msg string
		fn      func() *graph.Array
	}{
		{"Take", "index 4 (element 1 of int32[2]) is outside an axis of 4", func() *graph.Array { return graph.Take(x, ids(3, 4), 0) }},
		{"Take", "index -6 (element 0 of int32[1]) is outside an axis of 5", func() *graph.Array { return graph.Take(x, ids(-6), 1) }},
		{"Take", "index -5 (element 3000 of int32[5000]) is outside an axis of 4", func() *graph.Array { return graph.Take(x, ids(many...), 0) }},
		{"Take", "index 4294967296 (element 0 of int64[1]) is outside an axis of 4", func() *graph.Array { return graph.Take(x, graph.FromSlice([]int64{1 << 32}), 0) }},
		{"Take", "index 18446744073709551615 (element 0 of uint64[1]) is outside an axis of 4",
			func() *graph.Array { return graph.Take(x, graph.FromSlice([]uint64{math.MaxUint64}), 0) }},
		{"Take", "index 200 (element 1 of uint8[2]) is outside an axis of 4", func() *graph.Array { return graph.Take(x, graph.FromSlice([]uint8{0, 200}), 0) }},
		{"TakeAlongAxis", "index 5 (element 1 of int32[1 2]) is outside an axis of 5", func() *graph.Array { return graph.TakeAlongAxis(x, row(0, 5), 1) }},
		{"PutAlongAxis", "index 7 (element 0 of int32[1 1]) is outside an axis of 5", func() *graph.Array { return graph.PutAlongAxis(x, row(7), graph.Zeros([]int{}, metal.Float32), 1) }},
		{"GetItem", "index 4 (element 0 of int32[1]) is outside an axis of 4", func() *graph.Array { return graph.GetItem(x, pick(ids(4))) }},
		{"GetItem", "index 5 (element 1 of int32[2]) is outside an axis of 5", func() *graph.Array { return graph.GetItem(x, pick(ids(0, 1)), pick(ids(0, 5))) }},
		{"GetItem", "index -5 (element 0 of int32[2 1]) is outside an axis of 4", func() *graph.Array { return graph.GetItem(x, pick(col(-5, 0)), pick(ids(0, 1))) }},
		{"SetItem", "index 6 (element 0 of int32[1]) is outside an axis of 5", func() *graph.Array { return graph.SetItem(x, 1.0, all, pick(ids(6))) }},
		{"AddAt", "index 4 (element 2 of int32[3]) is outside an axis of 4", func() *graph.Array { return graph.AddAt(x, 1.0, pick(ids(0, 0, 4))) }},
		{"GatherMM", "index 1 (element 0 of int32[1]) is outside an axis of 1", func() *graph.Array {
			return graph.GatherMM(graph.Ones([]int{1, 2, 3}, metal.Float32), graph.Ones([]int{3, 2}, metal.Float32), ids(1), nil)
		}},
		{"GatherQMM", "index 4 (element 0 of int32[1]) is outside an axis of 4", func() *graph.Array {
			return graph.GatherQMM(graph.Ones([]int{1, 64}, metal.Float32), words, scales, biases, nil, ids(4), true, q)
		}},
		{"CrossEntropy", "index 5 (element 2 of int32[4]) is outside the classes, of which there are 5", func() *graph.Array { return graph.CrossEntropy(x, ids(-1, -100, 5, 0)) }},
		{"LinearCrossEntropy", "index 1000000 (element 0 of int32[4]) is outside the classes, of which there are 4",
			func() *graph.Array { return graph.LinearCrossEntropy(x, x, ids(1000000, 0, 0, 4)) }},
	} {
		e := indexError(t, c.fn)
		require.Equal(t, c.op, e.Op)
		require.Equal(t, c.msg, e.Msg)
	}
	empty := graph.Zeros([]int{0, 3}, metal.Float32)
	for _, fn := range []func() *graph.Array{
		func() *graph.Array { return graph.MaximumAt(empty, 1.0, pick(ids(0))) },
		func() *graph.Array { return graph.SetItem(empty, 1.0, pick(ids(0, 0))) },
		func() *graph.Array {
			return graph.PutAlongAxis(empty, graph.Zeros([]int{2, 3}, metal.Int32), graph.Ones([]int{2, 3}, metal.Float32), 0)
		},
		func() *graph.Array { return graph.TakeAlongAxis(empty, graph.Zeros([]int{2, 3}, metal.Int32), 0) },
		func() *graph.Array { return graph.GetItem(empty, pick(ids(0)), graph.At(1)) },
	} {
		require.ErrorContains(t, graph.Try(func() error { return graph.Eval(context.Background(), fn()) }), "is empty")
	}
	e := indexError(t, func() *graph.Array { return graph.CrossEntropyLoss(x, ids(0, 1, 2, 5), nil) })
	require.Equal(t, "CrossEntropyLoss: TakeAlongAxis: index 5 (element 3 of int32[4 1]) is outside an axis of 5", e.Func+": "+e.Op+": "+e.Msg)
	require.Equal(t, []float64{0, 0, 19, 19}, read(t, graph.GetItem(x, pick(ids(0, -4, 3, -1)), pick(ids(0, -5, 4, -1)))), "the ends are inside")
	require.Empty(t, read(t, graph.Take(x, graph.Zeros([]int{0}, metal.Int32), 0)))
}

// TestIndicesOutsideInTransforms: the check is part of the graph, whatever
// becomes of it.
func TestIndicesOutsideInTransforms(t *testing.T) {
	x := graph.Reshape(graph.Arange(0, 20, 1, metal.Float32), 4, 5)
	good, bad := graph.FromSlice([]int32{0, 1, -4, 3}), graph.FromSlice([]int32{0, 1, 4, 3})
	take := func(in arrays) arrays { return arrays{graph.Take(in[0], in[1], 0)} }
	grad := graph.Grad(func(a arrays) *graph.Array { return graph.Sum(graph.Square(graph.Take(a[0], bad, 0)), nil, false) })
	const msg = "index 4 (element 2 of int32[4]) is outside an axis of 4"
	require.Equal(t, msg, indexError(t, func() *graph.Array { return grad(in(x))[0] }).Msg)
	require.Equal(t, msg, indexError(t, func() *graph.Array { return graph.Checkpoint(take)(in(x, bad))[0] }).Msg)
	// A row of four slices is taken by indices of their own: 4 is in the next slice.
	table := graph.Reshape(graph.Arange(0, 16, 1, metal.Float32), 4, 4)
	mapped := graph.VMap(func(in arrays) arrays { return arrays{graph.Take(in[0], in[1], 0)} }, nil, nil)
	require.Equal(t, []float64{0, 5, 8, 15}, read(t, mapped(in(table, good))[0]))
	require.Equal(t, msg, indexError(t, func() *graph.Array { return mapped(in(table, bad))[0] }).Msg)
	f := graph.Compile(take, graph.CompileOptions{})
	for range 2 {
		_, err := f.Call(context.Background(), x, bad)
		require.ErrorContains(t, err, msg)
		outs, err := f.Call(context.Background(), x, good)
		require.NoError(t, err)
		require.Equal(t, 5.0, read(t, outs[0])[5])
	}
	a := graph.Take(x, bad, 0)
	require.NoError(t, graph.AsyncEval(context.Background(), nil, a))
	_, err := graph.Read[float32](context.Background(), a)
	require.ErrorContains(t, err, msg)
	require.ErrorContains(t, graph.Synchronize(context.Background(), nil), msg)
	// One check serves all that use the same indices.
	twice := graph.Compile(func(in arrays) arrays { return arrays{graph.Take(in[0], in[1], 0), graph.Take(in[0], in[1], 0)} }, graph.CompileOptions{})
	plan, err := twice.Plan(in(x, good))
	require.NoError(t, err)
	require.Equal(t, 3, plan.Launches())
	// Indices that nobody uses are not looked at.
	unused := graph.Multiply(graph.StopGradient(x), 1.0)
	graph.Take(x, bad, 0)
	require.NoError(t, graph.Eval(context.Background(), unused))
}
