package graph_test

import (
	"context"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/graphtest"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

func total(a *graph.Array) arrays { return arrays{graph.Sum(a, nil, false)} }

// TestVMapAxes holds shapes and values against those that MLX 0.32 gives.
func TestVMapAxes(t *testing.T) {
	x := graph.FromSlice([]float32{0, 1, 2, 3, 4, 5}, 2, 3)
	none := graph.NotMapped
	sum := func(in arrays) arrays { return total(in[0]) }
	require.Equal(t, []float64{3, 5, 7}, read(t, graph.VMap(sum, []int{-1}, nil)(in(x))[0]))
	require.Equal(t, []float64{3, 12}, read(t, graph.VMap(sum, nil, nil)(in(x))[0]))
	twice := func(in arrays) arrays { return arrays{graph.Multiply(in[0], 2)} }
	out := graph.VMap(twice, nil, []int{-1})(in(x))[0]
	require.Equal(t, []int{3, 2}, out.Shape())
	require.Equal(t, []float64{0, 6, 2, 8, 4, 10}, read(t, out))
	constant := func(in arrays) arrays { return arrays{graph.Ones([]int{4}, metal.Float32), in[1]} }
	outs := graph.VMap(constant, []int{0, none}, []int{0, none})(in(x, ints(7)))
	require.Equal(t, []int{2, 4}, outs[0].Shape())
	require.Equal(t, []int{1}, outs[1].Shape(), "what is not mapped stays as it is")
	same := graph.VMap(func(in arrays) arrays { return in }, []int{1}, nil)(in(x))[0]
	require.Equal(t, []float64{0, 3, 1, 4, 2, 5}, read(t, same))
	empty := graph.VMap(func(in arrays) arrays { return arrays{graph.RandomBits([]int{3}, in[0])} }, nil, nil)(in(graph.Zeros([]int{0, 2}, metal.Uint32)))
	require.Equal(t, []int{0, 3}, empty[0].Shape())
	draw := func(in arrays) arrays { return arrays{graph.Uniform(0.0, 1.0, []int{2}, metal.Float32, in[0])} }
	u := graph.VMap(draw, nil, nil)(in(graph.Split(graph.Key(0), 3)))[0]
	require.InDeltaSlice(t, []float64{0.462182, 0.463801, 0.896829, 0.483129, 0.585645, 0.299171}, read(t, u), 1e-6)
}

// TestTransformErrors names what is wrong.
func TestTransformErrors(t *testing.T) {
	x, y := graph.Ones([]int{2, 3}, metal.Float32), graph.Ones([]int{3, 2}, metal.Float32)
	id := func(in arrays) arrays { return in }
	none := graph.NotMapped
	for want, fn := range map[string]func(){
		"argument 1 of shape [3 2] has 3 slices along axis 0, others have 2": func() { graph.VMap(id, nil, nil)(in(x, y)) },
		"axis 2 is out of range for 2 axes":                                  func() { graph.VMap(id, []int{2}, nil)(in(x)) },
		"axis 3 is out of range for 2 axes":                                  func() { graph.VMap(id, nil, []int{3})(in(x)) },
		"no argument is mapped":                                              func() { graph.VMap(id, []int{none}, nil)(in(x)) },
		"2 axes for 1 arguments":                                             func() { graph.VMap(id, []int{0, 0}, nil)(in(x)) },
		"2 axes for 1 outputs":                                               func() { graph.VMap(id, nil, []int{0, 0})(in(x)) },
		"output 0 depends on a mapped argument":                              func() { graph.VMap(id, nil, []int{none})(in(x)) },
		"tangent 0 has shape [3 2], its primal [2 3]":                        func() { graph.JVP(id, in(x), in(y)) },
		"0 tangents for 1 primals":                                           func() { graph.JVP(id, in(x), nil) },
		"vjp returned 0 cotangents for 1 arguments": func() {
			none := func(p, c, o arrays) arrays { return nil }
			graph.VJP(graph.CustomFunction(id, none), in(x), in(x))
		},
	} {
		require.ErrorContains(t, graph.Catch(fn), want)
	}
	graph.VMap(func(in arrays) arrays {
		err := graph.Eval(context.Background(), graph.Multiply(in[0], 2))
		require.ErrorContains(t, err, "has no value inside the mapped function")
		return in
	}, nil, nil)(in(x))
}

// TestNestedTransforms composes VMap, JVP, gradients and compiled functions.
func TestNestedTransforms(t *testing.T) {
	x, y := rnd(-1, 1, 3), graphtest.Rand(9, -1, 1, 4)
	times := func(in arrays) arrays { return arrays{graph.Multiply(in[0], in[1])} }
	rows := graph.VMap(graph.VMap(times, []int{graph.NotMapped, 0}, nil), []int{0, graph.NotMapped}, nil)
	requireNear(t, graph.Outer(x, y), rows(in(x, y))[0], 0)

	compiled := graph.Compile(rows, graph.CompileOptions{})
	defer compiled.Close()
	outs, err := compiled.Call(context.Background(), x, y)
	require.NoError(t, err)
	requireNear(t, graph.Outer(x, y), outs[0], 0, "compiled")

	w, points := rnd(-1, 1, 4, 2), graphtest.Rand(9, -1, 1, 5, 4)
	captured := func(p arrays) arrays { // the gradient flows to arrays that the function captures
		h := graph.VMap(func(in arrays) arrays { return arrays{graph.Tanh(graph.Matmul(in[0], p[0]))} }, nil, nil)(in(points))
		return total(graph.Square(h[0]))
	}
	direct := func(p arrays) arrays { return total(graph.Square(graph.Tanh(graph.Matmul(points, p[0])))) }
	one := in(graph.Scalar(1, metal.Float32))
	_, got := graph.VJP(captured, in(w), one)
	_, want := graph.VJP(direct, in(w), one)
	requireNear(t, want[0], got[0], 1e-6)

	cubed := func(p arrays) *graph.Array { return graph.Sum(graph.Power(p[0], 3.0), nil, false) }
	hvp := func(in arrays) arrays { // of Σ x³: 6·x·v
		_, h := graph.JVP(graph.Grad(cubed), in[:1], in[1:])
		return h
	}
	a, v := rnd(0.5, 2, 3, 4), graphtest.Rand(9, -1, 1, 3, 4)
	requireNear(t, graph.Multiply(graph.Multiply(a, 6), v), graph.VMap(hvp, nil, nil)(in(a, v))[0], 1e-6)
	forward := func(in arrays) arrays { // the derivative of a tangent: of 3·x²·v, 6·x·v
		_, d := graph.JVP(func(p arrays) arrays { return arrays{graph.Power(p[0], 3.0)} }, in, arrays{v})
		return d
	}
	_, g := graph.VJP(forward, in(a), in(graph.Ones([]int{3, 4}, metal.Float32)))
	requireNear(t, graph.Multiply(graph.Multiply(a, 6), v), g[0], 1e-6)
	_, zero := graph.JVP(func(p arrays) arrays { return arrays{graph.StopGradient(p[0]), v, p[1]} }, in(a, v), arrays{v, nil})
	for _, z := range zero {
		requireNear(t, graph.Zeros([]int{3, 4}, metal.Float32), z, 0)
	}
}

// scaled is sin(x)·y with the gradient 7·x·g and g·y, which are not its own.
var scaled = graph.CustomFunction(
	func(in arrays) arrays { return arrays{graph.Multiply(graph.Sin(in[0]), in[1])} },
	func(p, cot, out arrays) arrays {
		return arrays{graph.Multiply(graph.Multiply(cot[0], 7), p[0]), graph.Multiply(cot[0], p[1])}
	})

// TestCustomFunction has the values that mx.custom_function gives for the same
// function.
func TestCustomFunction(t *testing.T) {
	x, y := graph.FromSlice([]float32{0, 1, 2, 3, 4, 5}, 2, 3), rnd(-1, 1, 3)
	square := func(p arrays) arrays { return total(scaled(in(p[0], p[0]))[0]) }
	_, g := graph.VJP(square, in(x), in(graph.Scalar(1, metal.Float32)))
	require.Equal(t, []float64{0, 8, 16, 24, 32, 40}, read(t, g[0]))
	requireNear(t, graph.Multiply(graph.Sin(x), y), scaled(in(x, y))[0], 0)

	grad := graph.Grad(func(p arrays) *graph.Array { return square(p)[0] })
	require.Equal(t, []float64{0, 8, 16, 24, 32, 40}, read(t, graph.VMap(grad, nil, nil)(in(x))[0]), "gradient inside")
	mapped := graph.VMap(scaled, []int{0, graph.NotMapped}, nil)
	c := graphtest.Rand(4, -1, 1, 2, 3)
	_, g = graph.VJP(mapped, in(x, y), in(c))
	requireNear(t, graph.Multiply(graph.Multiply(x, 7), c), g[0], 1e-6, "gradient outside")
	requireNear(t, graph.Multiply(graph.Sum(c, []int{0}, false), y), g[1], 1e-6, "summed over slices")

	_, d := graph.JVP(scaled, in(x, graph.Square(x)), in(c, nil))
	requireNear(t, graph.Multiply(graph.Multiply(graph.Cos(x), graph.Square(x)), c), d[0], 1e-6, "JVP is the function's own")
}

// TestTransformsOfCheckpoint has the function's derivatives.
func TestTransformsOfCheckpoint(t *testing.T) {
	fn := func(in arrays) arrays { return arrays{graph.Tanh(graph.Multiply(in[0], in[1])), graph.Exp(in[0])} }
	kept := graph.Checkpoint(fn)
	x, y, tangent := rnd(-1, 1, 3, 2), graphtest.Rand(3, -1, 1, 2), graphtest.Rand(4, -1, 1, 3, 2)
	axes := []int{0, graph.NotMapped}
	cots := alike(40, in(x, x))
	wantOut, want := graph.VJP(graph.VMap(fn, axes, nil), in(x, y), cots)
	gotOut, got := graph.VJP(graph.VMap(kept, axes, nil), in(x, y), cots)
	for i := range want {
		requireNear(t, wantOut[i], gotOut[i], 0)
		requireNear(t, want[i], got[i], 1e-6)
	}
	_, want = graph.JVP(fn, in(x, y), in(tangent, nil))
	_, got = graph.JVP(kept, in(x, y), in(tangent, nil))
	for i := range want {
		requireNear(t, want[i], got[i], 0)
	}
}

// TestCrossEntropySecondDerivatives differentiates the fused losses twice.
func TestCrossEntropySecondDerivatives(t *testing.T) {
	x, ids := rnd(-2, 2, 3, 4), ints(3, -1, 0)
	h, w := rnd(-1, 1, 3, 2), graphtest.Rand(9, -1, 1, 4, 2)
	for _, c := range []gradCase{
		{"cross-entropy", in(x, ids), f2(graph.CrossEntropy)},
		{"linear, frozen", in(h), f1(func(a *graph.Array) *graph.Array { return graph.LinearCrossEntropy(a, w, ids) })},
		{"linear", in(h, w), f2(func(a, b *graph.Array) *graph.Array { return graph.LinearCrossEntropy(a, b, ids) })},
	} {
		t.Run(c.name, func(t *testing.T) { graphtest.CheckGrad(t, graphtest.GradOf(c.fn), c.in...) })
	}
}

// TestVMapLaunches plans a layer's gradients for each of n examples: rules, and
// no application per slice, keep the number of launches.
func TestVMapLaunches(t *testing.T) {
	launches := func(n int) int {
		args, axes := placeholders(metal.BFloat16, true), make([]int, len(blockShapes)+4)
		for i, a := range args {
			axes[i] = graph.NotMapped
			if i == 0 || i > len(blockShapes) { // x, targets, segments, positions
				axes[i] = 0
				args[i] = graph.Placeholder(a.DType(), append([]int{n}, a.Shape()...)...)
			}
		}
		plan, err := graph.Compile(graph.VMap(blockStep(llamaBlock), axes, nil), graph.CompileOptions{}).Plan(args)
		require.NoError(t, err)
		return plan.Launches()
	}
	require.Equal(t, launches(2), launches(7))
}
