package nn_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn"
)

// perceptron is a module: a struct of layers.
type perceptron struct {
	Layers []*nn.Linear
	Norm   *nn.LayerNorm
}

func newPerceptron() *perceptron {
	m := &perceptron{[]*nn.Linear{nn.NewLinear(64, 32, true), nn.NewLinear(32, 2, false)}, nn.NewLayerNorm(32, 1e-5)}
	if err := nn.Init(ctx, m, 0); err != nil {
		panic(err)
	}
	return m
}

func (m *perceptron) Forward(x *graph.Array) *graph.Array {
	return m.Layers[1].Forward(graph.Relu(m.Norm.Forward(m.Layers[0].Forward(x))))
}

// Gradients are those of the trainable parameters, by name.
func Example() {
	model := newPerceptron()
	loss := nn.ValueAndGrad(model, func(in ...*graph.Array) *graph.Array {
		return graph.CrossEntropyLoss(model.Forward(in[0]), in[1], &graph.CrossEntropyOptions{Reduction: graph.ReduceMean})
	})
	x := graph.Normal([]int{8, 64}, metal.Float32, 0.0, 1.0, graph.Key(1))
	value, grads := loss(x, graph.FromSlice([]int32{0, 1, 0, 1, 0, 1, 0, 1}))
	fmt.Println(tree.Eval(ctx, value, grads), value.NDim(), grads["layers.0.weight"])
	fmt.Println(grads.Names())
	// Output:
	// <nil> 0 float32[32 64]
	// [layers.0.bias layers.0.weight layers.1.weight norm.bias norm.weight]
}

// Everything is frozen but the norms and the last layer.
func ExampleFreeze() {
	model := newPerceptron()
	fmt.Println("frozen:", nn.Freeze(model))
	nn.Unfreeze(model.Norm)
	nn.Unfreeze(model.Layers[1], "weight")
	fmt.Println(nn.TrainableParameters(model).Names())
	// Output:
	// frozen: 5
	// [layers.1.weight norm.bias norm.weight]
}

func ExampleSaveWeights() {
	dir, _ := os.MkdirTemp("", "nn")
	defer os.RemoveAll(dir)
	model, file := newPerceptron(), filepath.Join(dir, "model.safetensors")
	fmt.Println(nn.SaveWeights(ctx, model, file))
	other := nn.NewSequential(nn.NewLinear(64, 32, true))
	fmt.Println(filepath.Base(nn.LoadWeights(other, file, true).Error()))
	fmt.Println(nn.LoadWeights(newPerceptron(), file, true))
	// Output:
	// <nil>
	// model.safetensors: 3 parameters are not in the module: layers.1.weight, norm.bias, norm.weight
	// <nil>
}

// Weights are rounded to 4 bits but for the last layer, whose rows are too short.
func ExampleQuantize() {
	model := newPerceptron()
	nn.Quantize(model, nn.QuantizeOptions{
		Quantization: graph.Quantization{Bits: 4, GroupSize: 64},
		Choose: func(name string, layer nn.Quantizable, opt nn.QuantizeOptions) (nn.QuantizeOptions, bool) {
			return opt, name != "layers.1"
		},
	})
	if err := tree.Eval(ctx, model); err != nil {
		panic(err)
	}
	for _, name := range nn.Parameters(model).Names() {
		fmt.Println(name, nn.Parameters(model)[name])
	}
	// Output:
	// layers.0.bias float32[32]
	// layers.0.biases float32[32 1]
	// layers.0.scales float32[32 1]
	// layers.0.weight uint32[32 8]
	// layers.1.weight float32[2 32]
	// norm.bias float32[32]
	// norm.weight float32[32]
}
