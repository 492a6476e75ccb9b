package graph_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// Arrays are lazy: operations build a graph, and reading computes it.
func Example() {
	a := graph.FromSlice([]float32{1, 2, 3, 4}, 2, 2)
	b := graph.Add(graph.Matmul(a, graph.Transpose(a)), 1)
	fmt.Println(b, b.Evaluated())
	v, err := graph.Read[float32](context.Background(), b)
	fmt.Println(v, b.Evaluated(), err)
	// Output:
	// float32[2 2] false
	// [6 12 12 26] true <nil>
}

// Indices are terms: integers, slices, new axes and index arrays.
func ExampleGetItem() {
	a := graph.Reshape(graph.Arange(0, 12, 1, metal.Int32), 3, 4)
	one, three := 1, 3
	row := graph.GetItem(a, graph.At(-1))
	window := graph.GetItem(a, graph.Ellipsis(), graph.Span(&one, &three, nil))
	picked := graph.GetItem(a, graph.Pick(graph.FromSlice([]int32{2, 0})), graph.At(1))
	for _, x := range []*graph.Array{row, window, picked} {
		v, _ := graph.Read[int32](context.Background(), x)
		fmt.Println(x.Shape(), v)
	}
	// Output:
	// [4] [8 9 10 11]
	// [3 2] [1 2 5 6 9 10]
	// [2] [9 1]
}

// An update makes a new array. AddAt adds twice where an index is there twice.
func ExampleAddAt() {
	a := graph.Zeros([]int{4}, metal.Float32)
	at := graph.Pick(graph.FromSlice([]int32{0, 2, 2}))
	set, _ := graph.Read[float32](context.Background(), graph.SetItem(a, 5, graph.At(1)))
	sum, _ := graph.Read[float32](context.Background(), graph.AddAt(a, graph.FromSlice([]float32{1, 2, 3}), at))
	fmt.Println(set, sum)
	var wrong *graph.Error
	errors.As(graph.Eval(context.Background(), graph.Take(a, graph.FromSlice([]int32{4}), 0)), &wrong)
	fmt.Println(wrong.Op, wrong.Msg)
	// Output:
	// [0 5 0 0] [1 0 5 0]
	// Take index 4 (element 0 of int32[1]) is outside an axis of 4
}

// Grad makes the function that computes a derivative, also of a derivative.
func ExampleGrad() {
	sin := func(in []*graph.Array) *graph.Array { return graph.Sin(in[0]) }
	second := func(in []*graph.Array) *graph.Array { return graph.Grad(sin)(in)[0] }
	x := []*graph.Array{graph.Scalar(0.5, metal.Float32)}
	d, _ := graph.Item(context.Background(), graph.Grad(sin)(x)[0])
	dd, _ := graph.Item(context.Background(), graph.Grad(second)(x)[0])
	fmt.Printf("%.4f %.4f\n", d, dd)
	// Output: 0.8776 -0.4794
}

// Linear regression by gradient descent.
func ExampleValueAndGrad() {
	ctx := context.Background()
	x := graph.Normal([]int{100, 2}, metal.Float32, 0, 1, graph.Key(1))
	y := graph.Matmul(x, graph.FromSlice([]float32{3, -2}))
	step := graph.ValueAndGrad(func(in []*graph.Array) []*graph.Array {
		return []*graph.Array{graph.MSELoss(graph.Matmul(x, in[0]), y, "")}
	})
	w := graph.Zeros([]int{2}, metal.Float32)
	for range 100 {
		_, grads := step([]*graph.Array{w})
		w = graph.Subtract(w, graph.Multiply(0.1, grads[0]))
		if err := graph.Eval(ctx, w); err != nil {
			panic(err)
		}
	}
	v, _ := graph.Read[float32](ctx, w)
	fmt.Printf("%.3f\n", v)
	// Output: [3.000 -2.000]
}

// VMap applies a function of rows to all rows.
func ExampleVMap() {
	dot := func(in []*graph.Array) []*graph.Array { return []*graph.Array{graph.Inner(in[0], in[1])} }
	a := graph.Reshape(graph.Arange(0, 6, 1, metal.Float32), 3, 2)
	b := graph.FromSlice([]float32{1, 10})
	rows := graph.VMap(dot, []int{0, graph.NotMapped}, nil)
	v, _ := graph.Read[float32](context.Background(), rows([]*graph.Array{a, b})[0])
	fmt.Println(v)
	// Output: [10 32 54]
}

// Compile traces a function once for arguments of each shape; elementwise
// functions become one kernel.
func ExampleCompile() {
	gelu := graph.Compile(func(in []*graph.Array) []*graph.Array {
		x := in[0]
		return []*graph.Array{graph.Multiply(graph.Multiply(0.5, x), graph.Add(1, graph.Erf(graph.Divide(x, 1.4142135))))}
	}, graph.CompileOptions{})
	x := graph.FromSlice([]float32{-1, 0, 1, 2})
	plan, _ := gelu.Plan([]*graph.Array{x})
	outs, err := gelu.Call(context.Background(), x)
	if err != nil {
		panic(err)
	}
	v, _ := graph.Read[float32](context.Background(), outs[0])
	fmt.Printf("%d launch: %.4f\n", plan.Launches(), v)
	// Output: 1 launch: [-0.1587 0.0000 0.8413 1.9545]
}

// A function with a gradient of its own: rounding that passes gradients through.
func ExampleCustomFunction() {
	round := graph.CustomFunction(
		func(in []*graph.Array) []*graph.Array { return []*graph.Array{graph.Round(in[0])} },
		func(primals, cotangents, outputs []*graph.Array) []*graph.Array { return cotangents })
	loss := func(in []*graph.Array) *graph.Array { return graph.Sum(graph.Square(round(in)[0]), nil, false) }
	x := graph.FromSlice([]float32{0.6, 1.7})
	v, _ := graph.Read[float32](context.Background(), graph.Grad(loss)([]*graph.Array{x})[0])
	fmt.Println(v)
	// Output: [2 4]
}

// A kernel of the calling program, in the Metal shading language.
func ExampleMetalKernel() {
	square := graph.MetalKernel{
		Name: "square", InputNames: []string{"x"}, OutputNames: []string{"y"},
		Source: "uint i = thread_position_in_grid.x; y[i] = x[i] * x[i];",
	}
	y := square.Call(graph.MetalCall{
		Inputs: []any{graph.FromSlice([]float32{1, 2, 3})}, Grid: [3]int{3}, Threadgroup: [3]int{3},
		OutputShapes: [][]int{{3}}, OutputDTypes: []metal.DType{metal.Float32},
	})
	v, err := graph.Read[float32](context.Background(), y[0])
	fmt.Println(v, err)
	// Output: [1 4 9] <nil>
}

// A function goes into a file with the arrays that it captures, and comes back
// as one that can be differentiated.
func ExampleExportFunction() {
	ctx, w := context.Background(), graph.FromSlice([]float32{1, 2, 3})
	fn := func(in []*graph.Array) []*graph.Array {
		return []*graph.Array{graph.Sum(graph.Multiply(in[0], w), nil, false)}
	}
	x := graph.Ones([]int{3}, metal.Float32)
	var file bytes.Buffer
	if err := graph.ExportFunction(ctx, &file, fn, x); err != nil {
		panic(err)
	}
	back, err := graph.ImportFunction(file.Bytes())
	if err != nil {
		panic(err)
	}
	y, _ := graph.Item(ctx, back([]*graph.Array{x})[0])
	g, _ := graph.Read[float32](ctx, graph.Grad(func(in []*graph.Array) *graph.Array { return back(in)[0] })([]*graph.Array{x})[0])
	fmt.Println(y, g)
	// Output: 6 [1 2 3]
}

// AsyncEval computes in the background, on streams that do not wait for each
// other.
func ExampleAsyncEval() {
	ctx, s := context.Background(), graph.NewStream()
	a := graph.Sum(graph.Ones([]int{100, 100}, metal.Float32), nil, false)
	if err := graph.AsyncEval(ctx, s, a); err != nil {
		panic(err)
	}
	b := graph.Multiply(a, 2) // may be used at once
	v, err := graph.Item(ctx, b)
	fmt.Println(v, err, graph.Synchronize(ctx, s))
	// Output: 20000 <nil> <nil>
}
