package graph_test

import (
	"context"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// myexp is the kernel of MLX's tutorial.
var myexp = graph.MetalKernel{Name: "myexp", InputNames: []string{"inp"}, OutputNames: []string{"out"}, Source: `
    uint elem = thread_position_in_grid.x;
    T tmp = inp[elem];
    out[elem] = metal::exp(float(tmp));
`}

func expCall(a *graph.Array) graph.MetalCall {
	return graph.MetalCall{Inputs: []any{a}, Template: []graph.TemplateArg{{Name: "T", Value: a.DType()}}, Grid: [3]int{a.Size()}, Threadgroup: [3]int{256},
		OutputShapes: [][]int{a.Shape()}, OutputDTypes: []metal.DType{a.DType()}}
}

func TestMetalKernel(t *testing.T) {
	for _, dt := range []metal.DType{metal.Float32, metal.Float16, metal.BFloat16} {
		x := graph.AsType(rnd(-2, 2, 4, 16), dt)
		requireNear(t, graph.Exp(x), myexp.Call(expCall(x))[0], 1e-6, dt)
		turned := graph.Transpose(x)
		requireNear(t, graph.Exp(turned), myexp.Call(expCall(turned))[0], 1e-6, "a view is made contiguous")
	}
	require.Contains(t, myexp.Text(expCall(rnd(0, 1, 3))), "device const float* inp [[buffer(0)]]")
}

// TestMetalKernelStrides reads views by their strides, scalars by reference, and
// Metal's attributes.
func TestMetalKernelStrides(t *testing.T) {
	k := graph.MetalKernel{Name: "strided", InputNames: []string{"x", "by", "shift"}, OutputNames: []string{"out", "meta"}, StridedInputs: true,
		Header: "template <typename A> METAL_FUNC A twice(A v) { return v + v; }",
		Source: `
    uint elem = threadgroup_position_in_grid.y * threads_per_grid.x + thread_position_in_grid.x;
    out[elem] = twice(x[elem_to_loc(elem, x_shape, x_strides, x_ndim)]) * by + shift;
    if (elem == 0) {
      meta[0] = x_ndim;
      meta[1] = x_shape[0];
      meta[2] = int(x_strides[1]);
      meta[3] = WIDE ? EXTRA : 0;
    }
`}
	base := graph.FromSlice([]float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 3, 4)
	x := graph.Flip(graph.Transpose(base), 0) // [4,3], strides -1 and 4
	outs := k.Call(graph.MetalCall{Inputs: []any{x, 0.5, graph.FromSlice([]int32{10}, []int{}...)}, Grid: [3]int{3, 4}, Threadgroup: [3]int{8, 1},
		Template:     []graph.TemplateArg{{Name: "EXTRA", Value: 7}, {Name: "WIDE", Value: true}},
		OutputShapes: [][]int{{4, 3}, {4}}, OutputDTypes: []metal.DType{metal.Float32, metal.Int32}})
	require.Equal(t, []float64{13, 17, 21, 12, 16, 20, 11, 15, 19, 10, 14, 18}, read(t, outs[0]))
	require.Equal(t, []float64{2, 4, 4, 7}, read(t, outs[1]))
}

// TestMetalKernelThreads uses atomics, threadgroup memory, barriers and simd
// functions.
func TestMetalKernelThreads(t *testing.T) {
	x := graph.FromSlice([]int32{3, 0, 3, 1, 3, 1, 2, 3}, 8)
	histogram := graph.MetalKernel{Name: "histogram", InputNames: []string{"x"}, OutputNames: []string{"out"}, AtomicOutputs: true,
		Source: "atomic_fetch_add_explicit(&out[x[thread_position_in_grid.x]], 1.0f, memory_order_relaxed);"}
	call := graph.MetalCall{Inputs: []any{x}, Grid: [3]int{8, 1, 1}, Threadgroup: [3]int{2, 1, 1}, OutputShapes: [][]int{{5}}, OutputDTypes: []metal.DType{metal.Float32}, InitValue: 0.5}
	require.Equal(t, []float64{1.5, 2.5, 1.5, 4.5, 0.5}, read(t, histogram.Call(call)[0]))

	sum := graph.MetalKernel{Name: "block_sum", InputNames: []string{"x"}, OutputNames: []string{"out"}, Source: `
    threadgroup float partial[4], first;
    uint tid = thread_index_in_threadgroup;
    float s = simd_sum(x[thread_position_in_grid.x]);
    if (thread_index_in_simdgroup == 0) {
      partial[simdgroup_index_in_threadgroup] = s;
    }
    if (tid == 0) { first = s; }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (tid == 0) {
      out[threadgroup_position_in_grid.x] = partial[0] + partial[1] + partial[2] + partial[3] + 0.0f * first;
    }
`}
	y := rnd(-1, 1, 3, 128)
	got := sum.Call(graph.MetalCall{Inputs: []any{y}, Grid: [3]int{384}, Threadgroup: [3]int{128}, OutputShapes: [][]int{{3}}, OutputDTypes: []metal.DType{metal.Float32}})
	requireNear(t, graph.Sum(y, []int{1}, false), got[0], 1e-6)
}

// TestMetalKernelTransforms gives a kernel a gradient, maps it and compiles it.
func TestMetalKernelTransforms(t *testing.T) {
	exp := graph.CustomFunction(
		func(in arrays) arrays { return myexp.Call(expCall(in[0])) },
		func(p, cot, out arrays) arrays { return arrays{graph.Multiply(cot[0], out[0])} })
	x := rnd(-1, 1, 5)
	grad := graph.Grad(func(in arrays) *graph.Array { return graph.Sum(exp(in)[0], nil, false) })
	requireNear(t, graph.Exp(x), grad(in(x))[0], 1e-6)
	rows := rnd(-1, 1, 3, 4)
	requireNear(t, graph.Exp(rows), graph.VMap(exp, nil, nil)(in(rows))[0], 1e-6)

	compiled := graph.Compile(func(in arrays) arrays { return grad(in) }, graph.CompileOptions{})
	defer compiled.Close()
	outs, err := compiled.Call(context.Background(), x)
	require.NoError(t, err)
	requireNear(t, graph.Exp(x), outs[0], 1e-6)

	err = graph.Catch(func() {
		graph.Grad(func(in arrays) *graph.Array { return graph.Sum(myexp.Call(expCall(in[0]))[0], nil, false) })(in(x))
	})
	require.ErrorContains(t, err, "MetalKernel myexp has no gradient")
}

// TestMetalKernelErrors checks what mistakes say: of the call, and of the source.
func TestMetalKernelErrors(t *testing.T) {
	x := graph.FromSlice([]float32{1})
	for msg, change := range map[string]func(k *graph.MetalKernel, c *graph.MetalCall){
		`name "my exp", want letters`:                                             func(k *graph.MetalKernel, c *graph.MetalCall) { k.Name = "my exp" },
		"no output":                                                               func(k *graph.MetalKernel, c *graph.MetalCall) { k.OutputNames = nil },
		"0 inputs for the names [inp]":                                            func(k *graph.MetalKernel, c *graph.MetalCall) { c.Inputs = nil },
		"1 shapes and 0 dtypes for the outputs [out]":                             func(k *graph.MetalKernel, c *graph.MetalCall) { c.OutputDTypes = nil },
		`the name "inp" is not an identifier, or is there twice`:                  func(k *graph.MetalKernel, c *graph.MetalCall) { k.OutputNames = []string{"inp"} },
		"template argument T is 1.5 (float64), want a metal.DType, an int or a b": func(k *graph.MetalKernel, c *graph.MetalCall) { c.Template[0].Value = 1.5 },
		"template argument T is complex64, which kernels cannot take":             func(k *graph.MetalKernel, c *graph.MetalCall) { c.Template[0].Value = metal.Complex64 },
		"grid [0 1 1] and threadgroup [256 1 1], want positive extents":           func(k *graph.MetalKernel, c *graph.MetalCall) { c.Grid[0] = 0 },
		"threadgroup [64 32 1] has 2048 threads, at most 1024":                    func(k *graph.MetalKernel, c *graph.MetalCall) { c.Grid, c.Threadgroup = [3]int{64, 64}, [3]int{64, 32} },
		"output out is float64, which kernels cannot make":                        func(k *graph.MetalKernel, c *graph.MetalCall) { c.OutputDTypes[0] = metal.Float64 },
		"InitValue is a string":                                                   func(k *graph.MetalKernel, c *graph.MetalCall) { c.InitValue = "1" },
		"output out is float16, atomic outputs have 32 bits": func(k *graph.MetalKernel, c *graph.MetalCall) {
			k.AtomicOutputs, c.OutputDTypes[0] = true, metal.Float16
		},
	} {
		k, c := myexp, expCall(x)
		change(&k, &c)
		require.ErrorContains(t, graph.Catch(func() { k.Call(c) }), msg)
	}
	wrong := myexp
	wrong.Source = "uint elem = thread_position_in_grid.x;\nout[elem] = unheard_of(inp[elem]);"
	err := graph.Eval(context.Background(), wrong.Call(expCall(x))...)
	require.ErrorContains(t, err, "custom_myexp_")
	require.ErrorContains(t, err, "myexp:2:")
	require.ErrorContains(t, err, "unheard_of")

	t.Setenv("CXX", "no-such-compiler")
	other := myexp
	other.Source += "// compiled nowhere else"
	err = graph.Eval(context.Background(), other.Call(expCall(x))...)
	require.ErrorContains(t, err, "kernels from source need a C++ compiler: CXX is \"no-such-compiler\"")
}
