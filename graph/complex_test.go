package graph_test

import (
	"context"
	"math/cmplx"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

var (
	zs = []complex64{1 + 2i, -0.5 + 0.25i, 3 - 1i}
	ws = []complex64{0.5 - 1i, 2 + 2i, -1 + 0.5i}
	gs = []complex64{1 - 1i, 2 + 0.5i, -1i}
)

// nearComplex requires complex values up to a few roundings.
func nearComplex(t *testing.T, want []complex64, got *graph.Array, what string) {
	t.Helper()
	v, err := graph.Read[complex64](context.Background(), got)
	require.NoError(t, err, what)
	require.Len(t, v, len(want), what)
	for i := range want {
		require.InDelta(t, 0, cmplx.Abs(complex128(v[i]-want[i])), 1e-6*(1+cmplx.Abs(complex128(want[i]))), "%s: element %d: got %v, want %v", what, i, v[i], want[i])
	}
}

type c64s = []complex64

func of(fn func(a *graph.Array) *graph.Array) func(a any) *graph.Array {
	return func(a any) *graph.Array { return fn(a.(*graph.Array)) }
}

func scanned(fn func(a *graph.Array, axis int, o graph.ScanOptions) *graph.Array) func(a any) *graph.Array {
	return of(func(a *graph.Array) *graph.Array { return fn(a, 0, graph.ScanOptions{}) })
}

// Values and pull-backs of MLX 0.32.2 at zs (and ws), with the cotangent gs.
func TestComplexFunctions(t *testing.T) {
	for _, c := range []struct {
		name        string
		fn          func(a any) *graph.Array
		value, grad c64s
	}{
		{"exp", graph.Exp, c64s{-1.13120437 + 2.47172666i, 0.58767509 + 0.15005809i, 10.85226154 - 16.9013958i}, c64s{-3.60293102 - 1.34052229i, 1.2503792 - 0.00627863i, 16.9013958 - 10.85226154i}},
		{"log", graph.Log, c64s{0.80471897 + 1.10714877i, -0.58157539 + 2.67794514i, 1.15129256 - 0.32175055i}, c64s{0.60000002 + 0.2i, -3.5999999 + 0.8i, -0.1 - 0.30000001i}},
		{"sin", graph.Sin, c64s{3.16577864 + 1.95960093i, -0.4944858 + 0.22168827i, 0.21775953 + 1.16344035i}, c64s{5.08462048 + 1.01917481i, 1.87085462 + 0.21035746i, -0.1658444 + 1.5276382i}},
		{"square", graph.Square, c64s{-3 + 4i, 0.1875 - 0.25i, 8 - 6i}, c64s{-2 - 6i, -1.75 - 1.5i, 2 - 6i}},
		{"sqrt", graph.Sqrt, c64s{1.27201962 + 0.78615141i, 0.17178038 + 0.72767335i, 1.75531733 - 0.28484878i}, nil},
		{"rsqrt", graph.Rsqrt, c64s{0.56886446 - 0.35157761i, 0.30729008 - 1.3017017i, 0.55508006 + 0.09007709i}, nil},
		{"reciprocal", graph.Reciprocal, c64s{0.2 - 0.40000001i, -1.60000002 - 0.80000001i, 0.30000001 + 0.1i}, c64s{-0.04 - 0.28i, -5.12 + 4.16i, 0.06 + 0.08i}},
		{"tanh", graph.Tanh, c64s{1.16673625 - 0.24345821i, -0.48548725 + 0.19805546i, 1.00205517 - 0.00451714i}, c64s{-0.87010473 - 0.26610151i, 1.70320964 + 0.01715044i, -0.00905284 + 0.00409379i}},
		{"conj", of(graph.Conj), c64s{1 - 2i, -0.5 - 0.25i, 3 + 1i}, c64s{1 + 1i, 2 - 0.5i, 1i}},
		{"log2", graph.Log2, c64s{1.16096401 + 1.597278i, -0.83903593 + 3.86345816i, 1.66096401 - 0.46418792i}, nil},
		{"round", graph.Round, c64s{1 + 2i, 0, 3 - 1i}, c64s{0, 0, 0}},
		{"degrees", of(graph.Degrees), c64s{57.29578018 + 114.59156036i, -28.64789009 + 14.32394505i, 171.88734436 - 57.29578018i}, nil},
		{"cumsum", scanned(graph.CumSum), c64s{1 + 2i, 0.5 + 2.25i, 3.5 + 1.25i}, c64s{3 - 1.5i, 2 - 0.5i, -1i}},
		{"cumprod", scanned(graph.CumProd), c64s{1 + 2i, -1 - 0.75i, -3.75 - 1.25i}, nil},
		{"cummax", scanned(graph.CumMax), c64s{1 + 2i, 1 + 2i, 3 - 1i}, c64s{3 - 0.5i, 0, -1i}},
		{"logcumsumexp", scanned(graph.LogCumSumExp), c64s{1 + 2i, 0.98489559 + 1.77521336i, 2.86857200 - 0.94551015i}, nil},
		{"softmax", of(func(a *graph.Array) *graph.Array { return graph.Softmax(a) }), c64s{-0.15138628 + 0.03007058i, 0.01262315 + 0.03204194i, 1.13876319 - 0.06211252i}, nil},
		{"sort", of(func(a *graph.Array) *graph.Array { return graph.Sort(a, 0) }), c64s{-0.5 + 0.25i, 1 + 2i, 3 - 1i}, c64s{2 + 0.5i, 1 - 1i, -1i}},
	} {
		outs, grads := graph.VJP(func(in []*graph.Array) []*graph.Array { return []*graph.Array{c.fn(in[0])} }, []*graph.Array{graph.FromSlice(zs)}, []*graph.Array{graph.FromSlice(gs)})
		nearComplex(t, c.value, outs[0], c.name)
		if c.grad != nil { // MLX forgets the conjugate of some and takes cumprod's first to be another
			nearComplex(t, c.grad, grads[0], c.name+"'s gradient")
		}
	}
	for _, c := range []struct {
		name          string
		fn            func(a, b any) *graph.Array
		value, ga, gb c64s
	}{
		{"multiply", graph.Multiply, c64s{2.5, -1.5 - 0.5i, -2.5 + 2.5i}, c64s{1.5 + 0.5i, 5 - 3i, -0.5 + 1i}, c64s{-1 - 3i, -0.875 - 0.75i, 1 - 3i}},
		{"divide", graph.Divide, c64s{-1.20000005 + 1.60000002i, -0.0625 + 0.1875i, -2.79999995 - 0.40000001i}, c64s{-0.40000001 - 1.20000005i, 0.375 + 0.625i, 0.40000001 + 0.80000001i}, c64s{1.44000006 - 2.07999992i, -0.09375 + 0.109375i, 1.44000006 + 2.07999992i}},
		{"power", graph.Power, c64s{4.38256502 - 1.12439752i, -0.00073249 - 0.00128036i, 0.23163602 + 0.29034257i}, nil, nil},
		{"maximum", graph.Maximum, c64s{1 + 2i, 2 + 2i, 3 - 1i}, nil, nil},
		{"logaddexp", graph.LogAddExp, c64s{0.10499293 + 1.78895915i, 1.98860884 + 1.91821301i, 3.00146127 - 0.98175591i}, nil, nil},
	} {
		outs, grads := graph.VJP(func(in []*graph.Array) []*graph.Array { return []*graph.Array{c.fn(in[0], in[1])} },
			[]*graph.Array{graph.FromSlice(zs), graph.FromSlice(ws)}, []*graph.Array{graph.FromSlice(gs)})
		nearComplex(t, c.value, outs[0], c.name)
		if c.ga != nil {
			nearComplex(t, c.ga, grads[0], c.name+"'s gradient")
			nearComplex(t, c.gb, grads[1], c.name+"'s second gradient")
		}
	}
}

// The same for what mixes real and complex arrays, and for folds.
func TestComplexParts(t *testing.T) {
	z, w, g, real := graph.FromSlice(zs), graph.FromSlice(ws), graph.FromSlice(gs), graph.FromSlice([]float32{1, 2, 3})
	pull := func(fn func(in []*graph.Array) *graph.Array, cot *graph.Array, in ...*graph.Array) (*graph.Array, []*graph.Array) {
		outs, grads := graph.VJP(func(in []*graph.Array) []*graph.Array { return []*graph.Array{fn(in)} }, in, []*graph.Array{cot})
		return outs[0], grads
	}
	floats := func(want []float64, a *graph.Array) {
		t.Helper()
		v, err := graph.Floats(context.Background(), a)
		require.NoError(t, err)
		require.InDeltaSlice(t, want, v, 1e-6)
	}
	y, d := pull(func(in []*graph.Array) *graph.Array { return graph.Abs(in[0]) }, real, z)
	floats([]float64{2.23606801, 0.559017, 3.1622777}, y)
	nearComplex(t, c64s{0.44721359 + 0.89442718i, -1.78885436 + 0.89442718i, 2.84604979 - 0.94868326i}, d[0], "abs")
	_, d = pull(func(in []*graph.Array) *graph.Array { return graph.Imag(in[0]) }, real, z)
	nearComplex(t, c64s{1i, 2i, 3i}, d[0], "imag")
	_, d = pull(func(in []*graph.Array) *graph.Array { return graph.AsType(in[0], metal.Float32) }, real, z)
	nearComplex(t, c64s{1, 2, 3}, d[0], "astype")
	_, d = pull(func(in []*graph.Array) *graph.Array { return graph.Multiply(in[0], in[1]) }, g, real, z)
	floats([]float64{-1, -0.875, 1}, d[0])
	nearComplex(t, c64s{1 - 1i, 4 + 1i, -3i}, d[1], "a real factor")
	y, d = pull(func(in []*graph.Array) *graph.Array { return graph.Prod(in[0], nil, false) }, graph.FromSlice(gs[:1:1], []int{}...), z)
	nearComplex(t, c64s{-3.75 - 1.25i}, y, "prod")
	nearComplex(t, c64s{-2.5, -10i, -0.25 + 1.75i}, d[0], "prod's gradient")
	row, col := graph.Reshape(graph.SliceAxis(z, 0, 0, 2), 1, 2), graph.Reshape(graph.SliceAxis(w, 0, 0, 2), 2, 1)
	y, d = pull(func(in []*graph.Array) *graph.Array { return graph.Matmul(in[0], in[1]) }, graph.FromSlice([]complex64{1 + 1i}, 1, 1), row, col)
	nearComplex(t, c64s{1 - 0.5i}, y, "matmul") // 2.5 + (-1.5-0.5i)
	nearComplex(t, c64s{-0.5 + 1.5i, 4}, d[0], "matmul's gradient")
	nearComplex(t, c64s{3 - 1i, -0.25 - 0.75i}, d[1], "matmul's second gradient")
	nearComplex(t, c64s{1 + 2i, 0.5 + 2.25i, 3.5 + 1.25i}, graph.CumSum(z, 0, graph.ScanOptions{}), "cumsum")
	floats([]float64{3.56944442}, graph.Var(z, nil, false, 0))
	mapped := graph.VMap(func(in []*graph.Array) []*graph.Array {
		return []*graph.Array{graph.Complex(graph.Real(in[0]), graph.Imag(graph.Multiply(in[0], 2.0)))}
	}, nil, nil)
	nearComplex(t, c64s{1 + 4i, -0.5 + 0.5i, 3 - 2i}, mapped([]*graph.Array{z})[0], "vmap")
	nearComplex(t, c64s{1 + 3i, -0.5 + 1.25i, 3}, graph.Add(z, 1i), "a Go number")
	floats([]float64{1, 0, 2}, graph.ArgSort(z, 0))
	floats([]float64{2}, graph.ArgMax(z, 0, false))
	floats([]float64{1}, graph.ArgMin(z, 0, false))
	floats([]float64{0, 1, 0}, graph.Less(z, w))
	floats([]float64{0, 0, 0}, graph.LogicalNot(z))
	floats([]float64{1}, graph.All(z, nil, false))
	floats([]float64{1}, graph.ArrayEqual(z, z, false))
	floats([]float64{0, 0, 0}, graph.IsClose(z, w, 1e-5, 1e-8, false))
	near := graph.SearchSorted(graph.Sort(z, 0), w, false)
	floats([]float64{1, 2, 0}, near)
	nearComplex(t, c64s{2.86857200 - 0.94551015i}, graph.LogSumExp(z, nil, false), "logsumexp")
	nearComplex(t, c64s{1 + 2i}, graph.Median(z, nil, false), "median")
	nearComplex(t, c64s{1 + 2i, 2, 3 - 1i}, graph.Where(graph.FromSlice([]bool{true, false, true}), z, 2.0), "where")
	nearComplex(t, c64s{1 + 4i, -0.5 + 0.25i, 3 - 1i}, graph.AddAt(z, graph.FromSlice([]complex64{1i, 1i}), graph.Pick(graph.FromSlice([]int32{0, 0}))), "at add")
	nearComplex(t, c64s{-0.16896129 - 0.4472414i, 0.8367474 + 1.2049315i, 1.5733058 + 1.3035221i}, graph.Normal([]int{3}, metal.Complex64, 1.0, 2.0, graph.Key(3)), "normal")
	require.ErrorContains(t, graph.Catch(func() { graph.Erf(z) }), "Erf: not defined for complex64")
	require.ErrorContains(t, graph.Catch(func() { graph.Remainder(z, w) }), "Remainder: not defined for complex64")
	require.ErrorContains(t, graph.Catch(func() { graph.NanToNum(z, 0, 0, 0) }), "NanToNum: not defined for complex64")
	require.ErrorContains(t, graph.Catch(func() { graph.RMSNorm(z, nil, 1e-5) }), "want float32, float16 or bfloat16")
	require.ErrorContains(t, graph.Catch(func() { graph.Uniform(0, 1, []int{2}, metal.Complex64, graph.Key(1)) }), "dtype complex64, want")
}

// The gradient with respect to x = u + iv is that of u plus i times that of v,
// for every function: held against differences of Re Σ conj(g)·f(x).
func TestComplexGradientsAgainstDifferences(t *testing.T) {
	const h = 1e-2
	for name, fn := range map[string]func(a any) *graph.Array{
		"sqrt": graph.Sqrt, "rsqrt": graph.Rsqrt, "tanh": graph.Tanh, "cos": graph.Cos, "tan": graph.Tan, "sinh": graph.Sinh, "cosh": graph.Cosh, "log1p": graph.Log1p,
		"arcsin": graph.ArcSin, "arccos": graph.ArcCos, "arctan": graph.ArcTan, "arcsinh": graph.ArcSinh, "arccosh": graph.ArcCosh, "arctanh": graph.ArcTanh, "log2": graph.Log2,
		"power":        func(a any) *graph.Array { return graph.Power(a, graph.FromSlice(ws)) },
		"logaddexp":    func(a any) *graph.Array { return graph.LogAddExp(a, graph.FromSlice(ws)) },
		"logcumsumexp": scanned(graph.LogCumSumExp), "cumprod": scanned(graph.CumProd), "softmax": of(func(a *graph.Array) *graph.Array { return graph.Softmax(a) }),
		"powers": func(a any) *graph.Array { return graph.Power(graph.FromSlice(ws), a) },
	} {
		g := graph.FromSlice(gs)
		loss := func(x []complex64) float64 {
			y := graph.Sum(graph.Real(graph.Multiply(graph.Conj(g), fn(graph.FromSlice(x)))), nil, false)
			v, err := graph.Item(context.Background(), y)
			require.NoError(t, err)
			return v
		}
		_, grads := graph.VJP(func(in []*graph.Array) []*graph.Array { return []*graph.Array{fn(in[0])} }, []*graph.Array{graph.FromSlice(zs)}, []*graph.Array{g})
		got, err := graph.Read[complex64](context.Background(), grads[0])
		require.NoError(t, err)
		for i := range zs {
			step := func(d complex64) float64 {
				up, down := append(c64s{}, zs...), append(c64s{}, zs...)
				up[i], down[i] = up[i]+d, down[i]-d
				return (loss(up) - loss(down)) / (2 * h)
			}
			want := complex(step(h), step(h*1i))
			require.InDelta(t, 0, cmplx.Abs(complex128(got[i])-want), 4e-3*(1+cmplx.Abs(want)), "%s at %v: got %v, want %v", name, zs[i], got[i], want)
		}
	}
}

// A tangent that is pushed forward is the derivative times it, not its conjugate.
func TestComplexForwardDerivative(t *testing.T) {
	_, pushed := graph.JVP(func(in []*graph.Array) []*graph.Array { return []*graph.Array{graph.Exp(in[0])} }, []*graph.Array{graph.FromSlice(zs)}, []*graph.Array{graph.FromSlice(gs)})
	want := make(c64s, len(zs))
	for i, z := range zs {
		want[i] = complex64(cmplx.Exp(complex128(z))) * gs[i]
	}
	nearComplex(t, want, pushed[0], "jvp of exp")
}
