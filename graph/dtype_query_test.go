package graph_test

import (
	"math"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/graphtest"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// TestDTypeQueries holds answers of MLX 0.32.2.
func TestDTypeQueries(t *testing.T) {
	require.True(t, graph.IsSubDType(metal.Int32, graph.Integer))
	require.True(t, graph.IsSubDType(metal.Uint8, graph.UnsignedInteger))
	require.False(t, graph.IsSubDType(metal.Uint8, graph.SignedInteger))
	require.False(t, graph.IsSubDType(metal.Float32, graph.Integer))
	require.True(t, graph.IsSubDType(metal.BFloat16, graph.Inexact))
	require.True(t, graph.IsSubDType(metal.Complex64, graph.Number))
	require.False(t, graph.IsSubDType(metal.Complex64, graph.Floating))
	require.False(t, graph.IsSubDType(metal.Bool, graph.Number))
	require.True(t, graph.IsSubDType(metal.Bool, graph.Generic))
	require.True(t, graph.IsSubDType(metal.Float64, metal.Float64))
	require.False(t, graph.IsSubDType(metal.Float64, metal.Float32))
	require.True(t, graph.IsSubDType(graph.SignedInteger, graph.Number))
	require.False(t, graph.IsSubDType(graph.SignedInteger, graph.Floating))
	require.False(t, graph.IsSubDType(graph.Number, graph.Integer))
	require.False(t, graph.IsSubDType(graph.Floating, metal.Float32))
	require.Equal(t, "signedinteger", graph.SignedInteger.String())

	require.True(t, graph.IsDType(metal.Bool, "numeric", "bool"))
	require.True(t, graph.IsDType(metal.Complex64, "numeric"))
	require.True(t, graph.IsDType(metal.Int8, "signed integer"))
	require.False(t, graph.IsDType(metal.Bool, "integral"))
	require.False(t, graph.IsDType(metal.Float16))
	require.ErrorContains(t, graph.Catch(func() { graph.IsDType(metal.Int8, "foo") }), `IsDType: kind "foo"`)

	require.True(t, graph.CanCast(metal.Int64, metal.Float32))
	require.False(t, graph.CanCast(metal.Uint64, metal.Int64))
	require.Equal(t, metal.Float32, graph.ResultType(metal.Int32, graph.Ones([]int{1}, metal.Float16), metal.BFloat16))
	require.Equal(t, metal.Bool, graph.ResultType(metal.Bool))
	require.ErrorContains(t, graph.Catch(func() { graph.ResultType() }), "no array and no dtype")
	require.ErrorContains(t, graph.Catch(func() { graph.ResultType(metal.Bool, 1) }), "operand 1 is a int")
}

// TestDTypeInfo holds the numbers that MLX gives.
func TestDTypeInfo(t *testing.T) {
	for _, want := range []graph.FloatInfo{
		{DType: metal.Float16, Bits: 16, Eps: 0.0009765625, Min: -65504, Max: 65504, SmallestNormal: 6.103515625e-05},
		{DType: metal.BFloat16, Bits: 16, Eps: 0.0078125, Min: -3.3895313892515355e+38, Max: 3.3895313892515355e+38, SmallestNormal: 1.1754943508222875e-38},
		{DType: metal.Float32, Bits: 32, Eps: 1.1920928955078125e-07, Min: -3.4028234663852886e+38, Max: 3.4028234663852886e+38, SmallestNormal: 1.1754943508222875e-38},
		{DType: metal.Float64, Bits: 64, Eps: 2.220446049250313e-16, Min: -1.7976931348623157e+308, Max: 1.7976931348623157e+308, SmallestNormal: 2.2250738585072014e-308},
	} {
		require.Equal(t, want, graph.FInfo(want.DType))
	}
	require.Equal(t, graph.FInfo(metal.Float32), graph.FInfo(metal.Complex64))
	require.ErrorContains(t, graph.Catch(func() { graph.FInfo(metal.Int8) }), "FInfo: dtype int8")
	for _, want := range []graph.IntInfo{
		{DType: metal.Int8, Min: -128, Max: 127}, {DType: metal.Uint8, Max: 255}, {DType: metal.Int32, Min: -2147483648, Max: 2147483647},
		{DType: metal.Uint32, Max: 4294967295}, {DType: metal.Int64, Min: math.MinInt64, Max: math.MaxInt64}, {DType: metal.Uint64, Max: math.MaxUint64},
	} {
		require.Equal(t, want, graph.IInfo(want.DType))
	}
	require.ErrorContains(t, graph.Catch(func() { graph.IInfo(metal.Bool) }), "IInfo: dtype bool")
	require.Equal(t, []float64{3.1415927410125732, 2.7182817459106445, 0.5772156715393066}, read(t, graph.Stack(in(graph.Scalar(graph.Pi, metal.Float32), graph.Scalar(graph.E, metal.Float32), graph.Scalar(graph.EulerGamma, metal.Float32)), 0)))
	require.Equal(t, []float64{1, 0}, read(t, graph.AsType(graph.Stack(in(graph.IsInf(graph.Scalar(graph.Inf, metal.Float32)), graph.IsInf(graph.Scalar(graph.NaN, metal.Float32))), 0), metal.Float32)))
}

// TestNorm holds values of MLX 0.32.2.
func TestNorm(t *testing.T) {
	y, inf := graph.FromSlice([]float32{1, -2, 3, 0, 5, -6}, 2, 3), math.Inf(1)
	for _, c := range []struct {
		ord  any
		axes []int
		want []float64
	}{
		{nil, nil, []float64{8.66025447845459}}, {nil, []int{0}, []float64{1, 5.385164737701416, 6.7082037925720215}}, {nil, []int{0, 1}, []float64{8.66025447845459}},
		{1, nil, []float64{9}}, {1, []int{1}, []float64{6, 11}}, {1, []int{1, 0}, []float64{11}}, {-1, []int{0, 1}, []float64{1}},
		{-1.0, []int{1}, []float64{0.5454545617103577, 0}}, {inf, nil, []float64{11}}, {inf, []int{-1}, []float64{3, 6}}, {inf, []int{1, 0}, []float64{9}},
		{-inf, []int{0}, []float64{0, 2, 3}}, {-inf, []int{0, 1}, []float64{6}}, {"fro", nil, []float64{8.66025447845459}},
		{0, []int{0}, []float64{1, 2, 2}}, {3, []int{1}, []float64{3.301927328109741, 6.986368656158447}}, {2, []int{1}, []float64{3.7416574954986572, 7.8102498054504395}},
	} {
		got := graph.Norm(y, c.ord, c.axes, false)
		require.InDeltaSlice(t, c.want, read(t, got), 2e-6, "%v %v", c.ord, c.axes)
		kept := graph.Norm(y, c.ord, c.axes, true)
		require.Equal(t, 2, kept.NDim())
		require.Equal(t, read(t, got), read(t, kept))
	}
	require.Equal(t, metal.Float32, graph.Norm(ints(1, 2, 3), 0, nil, false).DType())
	for want, fn := range map[string]func(){
		"order fro of vectors":                    func() { graph.Norm(y, "fro", []int{0}, false) },
		"order 2 of matrices":                     func() { graph.Norm(y, 2, nil, false) },
		"order nuc of matrices":                   func() { graph.Norm(y, "nuc", nil, false) },
		"an order for shape [1 2 3] without axes": func() { graph.Norm(graph.ExpandDims(y, 0), 1, nil, false) },
		"order 1 along 3 axes":                    func() { graph.Norm(graph.ExpandDims(y, 0), 1, []int{0, 1, 2}, false) },
		"axis 1 is repeated in [1 -1]":            func() { graph.Norm(y, 1, []int{1, -1}, false) },
	} {
		require.ErrorContains(t, graph.Catch(fn), want)
	}
}

// TestUpdatesAt holds values and gradients of MLX 0.32.2: an element that is
// named twice gets both updates.
func TestUpdatesAt(t *testing.T) {
	x, v := graph.FromSlice([]float32{5, 6, 7}), graph.FromSlice([]float32{2, 3, 4})
	at := graph.Pick(graph.FromSlice([]int32{0, 2, 0}))
	require.Equal(t, []float64{-1, 6, 4}, read(t, graph.SubtractAt(x, v, at)))
	require.Equal(t, []float64{40, 6, 21}, read(t, graph.MultiplyAt(x, v, at)))
	require.InDeltaSlice(t, []float64{0.625, 6, 2.33333}, read(t, graph.DivideAt(x, v, at)), 1e-5)
	require.Equal(t, []float64{0, 6, 0}, read(t, graph.DivideAt(graph.AsType(x, metal.Int32), 2, at)), "as MLX does it")
	require.Equal(t, []float64{5, 6, 7}, read(t, graph.MaximumAt(x, v, at)))
	require.Equal(t, []float64{2, 6, 3}, read(t, graph.MinimumAt(x, v, at)))
	require.Equal(t, []float64{5, 6, 9}, read(t, graph.MaximumAt(x, 9, graph.At(-1))))

	w := graph.FromSlice([]float32{1, 10, 100})
	grads := func(f func(a *graph.Array, value any, terms ...graph.Term) *graph.Array, v *graph.Array) [][]float64 {
		g := graph.Grad(func(a arrays) *graph.Array { return graph.Sum(graph.Multiply(f(a[0], a[1], at), w), nil, false) })(in(x, v))
		return [][]float64{read(t, g[0]), read(t, g[1])}
	}
	require.Equal(t, [][]float64{{1, 10, 100}, {-1, -100, -1}}, grads(graph.SubtractAt, v))
	require.Equal(t, [][]float64{{1, 10, 100}, {0, 0, 0}}, grads(graph.MaximumAt, v))
	require.Equal(t, [][]float64{{0, 10, 0}, {1, 100, 0}}, grads(graph.MinimumAt, v))
	require.Equal(t, [][]float64{{1, 10, 100}, {1, 100, 1}}, grads(graph.MaximumAt, graph.FromSlice([]float32{5, 7, 5})), "ties")
	require.ErrorContains(t, graph.Catch(func() { grads(graph.MultiplyAt, v) }), "a product at indices has no gradient")
	graphtest.CheckGrad(t, func(a arrays) arrays { return arrays{graph.MinimumAt(a[0], a[1], at)} }, x, graph.FromSlice([]float32{4.5, 7.5, 5.5}))
	mapped := graph.VMap(func(a arrays) arrays { return arrays{graph.MultiplyAt(a[0], a[1], graph.Pick(a[2]))} }, nil, nil)
	got := mapped(in(graph.Stack(in(x, v), 0), graph.Stack(in(v, x), 0), graph.FromSlice([]int32{0, 2, 0, 1, 1, 1}, 2, 3)))[0]
	require.Equal(t, []float64{40, 6, 21, 2, 630, 4}, read(t, got))
}
