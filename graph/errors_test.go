package graph_test

import (
	"context"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// TestMistakesNameOpShapesAndLine checks what a caller's mistake says.
func TestMistakesNameOpShapesAndLine(t *testing.T) {
	at := func(shape ...int) *graph.Array { return graph.Zeros(shape, metal.Float32) }
	whole := func(shape ...int) *graph.Array { return graph.Zeros(shape, metal.Int32) }
	for _, c := range []struct {
		op, msg string
		fn      func()
	}{
		{"Add", "shapes [[2 3] [4]] do not broadcast", func() { graph.Add(at(2, 3), at(4)) }},
		{"Add", "operand is nil", func() { var a *graph.Array; graph.Add(a, 1) }},
		{"Add", "operand is a string, want *Array or a Go scalar", func() { graph.Add(at(2), "1") }},
		{"Matmul", "shapes [2 3] and [4 5] do not match: the last axis of the first must be the second to last of the second",
			func() { graph.Matmul(at(2, 3), at(4, 5)) }},
		{"Matmul", "operands are int32[2 2] and int32[2 2], want floating-point or complex numbers", func() { graph.Matmul(whole(2, 2), whole(2, 2)) }},
		{"RMSNorm", "w has shape [4], want [3]", func() { graph.RMSNorm(at(2, 3), at(4), 1e-5) }},
		{"RMSNorm", "operand is int32[2 3], want float32, float16 or bfloat16", func() { graph.RMSNorm(whole(2, 3), nil, 1e-5) }},
		{"LayerNorm", "parameter has shape [2], want [3]", func() { graph.LayerNorm(at(2, 3), at(2), nil, 1e-5) }},
		{"RoPE", "dims 6, want even and at most 4", func() { graph.RoPE(at(1, 2, 4), graph.RoPEOptions{Dims: 6, Base: 10}) }},
		{"ScaledDotProductAttention", "3 query heads are not a multiple of 2 key heads", func() {
			graph.ScaledDotProductAttention(at(1, 3, 2, 4), at(1, 2, 2, 4), at(1, 2, 2, 4), graph.SDPAOptions{})
		}},
		{"LinearCrossEntropy", "targets are int32[3], want int32 [2]", func() { graph.LinearCrossEntropy(at(2, 4), at(5, 4), whole(3)) }},
		{"LoRALinear", "a is [4 2] and b [2 5], want [in,R] and [R,out] for w [6 3]", func() { graph.LoRALinear(at(1, 3), at(6, 3), at(4, 2), at(2, 5), at(1, 3), 1) }},
		{"Sum", "axis 2 is out of range for 2 axes", func() { graph.Sum(at(2, 3), []int{2}, false) }},
		{"Sum", "axis 1 is repeated in [1 -1]", func() { graph.Sum(at(2, 3), []int{1, -1}, false) }},
		{"Max", "axis 0 of [0 3] is empty", func() { graph.Max(at(0, 3), nil, false) }},
		{"Softmax", "axis 3 is out of range for 2 axes", func() { graph.Softmax(at(2, 3), 3) }},
		{"Reshape", "cannot reshape [2 3] to [4]", func() { graph.Reshape(at(2, 3), 4) }},
		{"Transpose", "axis 0 is repeated in [0 0]", func() { graph.Transpose(at(2, 3), 0, 0) }},
		{"Slice", "0:4:1 is outside axis 1 of [2 3]", func() { graph.Slice(at(2, 3), []int{0, 0}, []int{2, 4}, nil) }},
		{"Concatenate", "shapes [2 3] and [2 4] differ outside axis 0", func() { graph.Concatenate(in(at(2, 3), at(2, 4)), 0) }},
		{"Take", "indices are float32, want integers", func() { graph.Take(at(2, 3), at(1), 0) }},
		{"GetItem", "index 5 is outside an axis of 2", func() { graph.GetItem(at(2, 3), graph.At(5)) }},
		{"GetItem", "3 indices for an array of shape [2 3]", func() { graph.GetItem(at(2, 3), graph.At(0), graph.At(0), graph.At(0)) }},
		{"BitwiseAnd", "operands are float32[2] and float32[2], want integers or bool", func() { graph.BitwiseAnd(at(2), at(2)) }},
		{"RandomBits", "key is float32[2], want uint32 [2]", func() { graph.RandomBits([]int{3}, at(2)) }},
		{"FromSlice", "3 values do not fill shape [2 2]", func() { graph.FromSlice([]float32{1, 2, 3}, 2, 2) }},
		{"VJP", "cotangent 0 has shape [3], its output [2]", func() { graph.VJP(func(a arrays) arrays { return a }, in(at(2)), in(at(3))) }},
		{"ValueAndGrad", "argument 0 is int32[2]: only floating-point and complex arrays have gradients", func() {
			graph.Grad(func(a arrays) *graph.Array { return graph.Sum(a[0], nil, false) })(in(whole(2)))
		}},
		{"ArgSort", "axis 1 is out of range for 1 axes", func() { graph.ArgSort(at(3), 1) }},
		{"ArgPartition", "kth 3 is outside axis -1 of [2 3]", func() { graph.Partition(at(2, 3), 3, -1) }},
		{"TopK", "k 4 is not between 0 and 3, axis 1 of [2 3]", func() { graph.TopK(at(2, 3), 4, -1) }},
		{"SearchSorted", "sequence has shape [2 3], want one axis", func() { graph.SearchSorted(at(2, 3), at(2), false) }},
		{"CumSum", "axis 2 is out of range for 2 axes", func() { graph.CumSum(at(2, 3), 2, graph.ScanOptions{}) }},
	} {
		err := graph.Catch(c.fn)
		var e *graph.Error
		require.ErrorAs(t, err, &e, "%s: %s", c.op, c.msg)
		require.Equal(t, c.op, e.Op)
		called := ""
		if e.Func != "" {
			called = e.Func + ": "
		}
		require.Equal(t, c.msg, e.Msg)
		require.Regexp(t, `^graph/errors_test\.go:\d+$`, e.Site)
		require.Equal(t, "graph: "+called+c.op+": "+c.msg+" ("+e.Site+")", err.Error())
	}
}

// TestWhatKernelsRefuseIsAnError checks errors that show when a graph is
// lowered.
func TestWhatKernelsRefuseIsAnError(t *testing.T) {
	ctx := context.Background()
	low := func(dt metal.DType) *graph.Array {
		a := graph.Ones([]int{2, 2}, dt)
		return graph.MatmulLowRank(a, a, a, a, 1)
	}
	err := graph.Eval(ctx, low(metal.Float64))
	require.ErrorContains(t, err, "graph: MatmulLowRank: Gemm: dtype float64 is not supported")
	_, err = graph.Compile(func(a arrays) arrays { return arrays{low(metal.Complex64)} }, graph.CompileOptions{}).Plan(in())
	require.ErrorContains(t, err, "graph: MatmulLowRank: Gemm: dtype complex64 is not supported")
	many := graph.Reshape(graph.Arange(0, 2592, 1, metal.Int32), 2, 3, 2, 3, 2, 3, 2, 3, 2)
	err = graph.Eval(ctx, graph.Abs(graph.Transpose(many, 8, 6, 4, 2, 0, 7, 5, 3, 1)))
	require.ErrorContains(t, err, "graph: Abs: 9 axes of shape [2 2 2 2 2 3 3 3 3] cannot be merged to 8")
}

// More indices than a kernel counts are refused like anything else.
func TestTooManyIndicesAreAnError(t *testing.T) {
	indices := graph.Zeros([]int{1 << 20, 1 << 22}, metal.Int32)
	err := graph.Eval(context.Background(), graph.AddAt(graph.Ones([]int{2, 3}, metal.Float32), 4, graph.Pick(indices)))
	require.ErrorContains(t, err, "graph: AddAt: ")
	require.ErrorContains(t, err, "extent 4398046511104 is out of range")
}

// TestNoGradientSaysSo checks that nothing stops training silently: an op
// without a derivative panics with its name.
func TestNoGradientSaysSo(t *testing.T) {
	x := graph.FromSlice([]float32{1, 2})
	hyper := graph.Zeros([]int{kernels.HyperSize}, metal.Float32)
	total := func(a *graph.Array) *graph.Array { return graph.Sum(a, nil, false) }
	for name, c := range map[string]struct {
		fn func(arrays) *graph.Array
		in arrays
	}{
		"SumSquares": {func(a arrays) *graph.Array { return graph.SumSquares(a[0]) }, in(x)},
		"AdamW": {func(a arrays) *graph.Array {
			return total(graph.AdamW(a[0], a[0], a[0], a[0], hyper, kernels.AdamWOptions{}, metal.Float32)[0])
		}, in(x)},
		"SGD": {func(a arrays) *graph.Array { return total(graph.SGD(a[0], a[0], a[0], hyper, kernels.SGDOptions{})[0]) }, in(x)},
	} {
		err := graph.Catch(func() { graph.Grad(c.fn)(c.in) })
		require.ErrorContains(t, err, name+" has no gradient; wrap its input in StopGradient if none is meant")
	}
	err := graph.Catch(func() {
		graph.Grad(func(a arrays) *graph.Array { return graph.SumSquares(graph.StopGradient(a[0])) })(in(x))
	})
	require.NoError(t, err)
}
