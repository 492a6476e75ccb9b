package optim_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/train/optim"
)

// A perceptron with one hidden layer, its parameters the fields of a struct,
// learns exclusive or.
func Example() {
	type params struct{ W1, B1, W2 *graph.Array }
	p := &params{graph.Normal([]int{2, 8}, metal.Float32, 0.0, 1.0, graph.Key(1)), graph.Zeros([]int{8}, metal.Float32), graph.Ones([]int{8, 1}, metal.Float32)}
	x, y := graph.FromSlice([]float32{0, 0, 0, 1, 1, 0, 1, 1}, 4, 2), graph.FromSlice([]float32{0, 1, 1, 0}, 4, 1)
	logits := func(p *params) *graph.Array {
		return graph.Matmul(graph.Tanh(graph.Add(graph.Matmul(x, p.W1), p.B1)), p.W2)
	}
	loss := tree.ValueAndGrad(func(p *params) *graph.Array { return graph.BinaryCrossEntropyLoss(logits(p), y, nil) })
	opt := optim.NewAdamW(optim.CosineDecay(0.1, 300, 0.01), nil)
	for range 300 {
		value, grads := loss(p)
		opt.Update(p, grads)
		if err := tree.Eval(ctx, value, p, opt); err != nil {
			panic(err)
		}
	}
	learned, err := graph.Floats(ctx, graph.Greater(logits(p), 0))
	fmt.Println(learned, err)
	// Output: [0 1 1 0] <nil>
}

// A module's training step, compiled once: the arrays of the module and of the
// optimizer are its state.
func ExampleOptimizer_Init() {
	model := nn.NewSequential(nn.NewLinear(4, 16, true), nn.ReLU{}, nn.NewLinear(16, 1, true))
	opt := optim.NewAdam(0.01, nil)
	if err := nn.Init(ctx, model, 0); err != nil {
		panic(err)
	}
	opt.Init(nn.TrainableParameters(model))
	loss := nn.ValueAndGrad(model, func(in ...*graph.Array) *graph.Array { return graph.MSELoss(model.Forward(in[0]), in[1], "") })
	step := tree.Compile(func(in ...*graph.Array) []*graph.Array {
		value, grads := loss(in...)
		grads, _ = optim.ClipGradNorm(grads, 1)
		opt.Update(model, grads)
		return []*graph.Array{value}
	}, model, opt)
	x := graph.Normal([]int{32, 4}, metal.Float32, 0.0, 1.0, graph.Key(1))
	for i := range 101 {
		value, err := step.Call(ctx, x, graph.Sum(x, []int{1}, true))
		if v, _ := graph.Item(ctx, value[0]); i == 100 {
			fmt.Println(v < 0.1, err)
		}
	}
	// Output: true <nil>
}

// What is said of matrices goes to Muon, the rest to AdamW.
func ExampleMultiOptimizer() {
	model := nn.NewLinear(3, 2, true)
	if err := nn.Init(ctx, model, 0); err != nil {
		panic(err)
	}
	opt := optim.NewMultiOptimizer([]*optim.Optimizer{optim.NewMuon(0.02, nil), optim.NewAdamW(1e-3, nil)},
		func(_ string, a *graph.Array) bool { return a.NDim() >= 2 })
	opt.Init(nn.TrainableParameters(model))
	fmt.Println(nn.Arrays(opt.State()).Names())
	// Output: [states.0.learning_rate states.0.step states.0.weight.v states.1.bias.m states.1.bias.v states.1.learning_rate states.1.step]
}

// A run goes on where another one stopped.
func ExampleOptimizer_SaveState() {
	dir, _ := os.MkdirTemp("", "optim")
	defer os.RemoveAll(dir)
	p := map[string]*graph.Array{"w": graph.FromSlice([]float32{1, 2})}
	first, second := optim.NewSGD(0.5, &optim.SGDOptions{Momentum: 0.9}), optim.NewSGD(0.1, &optim.SGDOptions{Momentum: 0.9})
	first.Update(p, p)
	file := filepath.Join(dir, "state.safetensors")
	fmt.Println(first.SaveState(ctx, file))
	second.Init(p)
	fmt.Println(second.LoadState(file))
	v, _ := graph.Floats(ctx, second.Slots["w"]["v"])
	rate, _ := graph.Item(ctx, second.LearningRate)
	fmt.Println(v, rate)
	// Output:
	// <nil>
	// <nil>
	// [1 2] 0.5
}

func ExampleJoinSchedules() {
	warm := optim.LinearSchedule(0, 0.1, 4)
	rate := optim.JoinSchedules([]optim.Schedule{warm, optim.StepDecay(0.1, 0.5, 2)}, []int{4})
	for step := range 8 {
		v, _ := graph.Item(ctx, rate(graph.Scalar(float64(step), metal.Uint64)))
		fmt.Printf("%.4g ", v)
	}
	// Output: 0 0.025 0.05 0.075 0.1 0.1 0.05 0.05
}
