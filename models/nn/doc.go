// Package nn holds neural network layers as small structs whose fields are named
// like the weights they load, and what one does with a module made of them:
// list, freeze, load and save its parameters, differentiate by them.
//
// A module is any Go value: a struct of layers and other modules, in slices,
// maps, pointers and interfaces. Its parameters are the fields of type [*Param];
// their dotted names follow package tree's rules, so that
//
//	type MLP struct{ Layers []*nn.Linear }
//
// has the parameters layers.0.weight, layers.0.bias, …, as MLX and safetensors
// files spell them.
//
//	model := &MLP{[]*nn.Linear{nn.NewLinear(2, 8, true), nn.NewLinear(8, 1, true)}}
//	err := nn.Init(ctx, model, seed)               // or nn.LoadWeights
//	loss, grads := nn.ValueAndGrad(model, lossFn)(x, y)
//	err = tree.Eval(ctx, loss, grads)
//
// Invariants:
//   - New functions make layers without data: shapes and rules only. Init,
//     LoadWeights or a planner that needs no values comes after.
//   - Forward builds the graph from the arrays that the parameters hold at that
//     moment. ValueAndGrad puts traced arrays there while it calls the function,
//     and nothing else about a layer changes.
//   - Mistakes in shapes and sizes panic with a *graph.Error that names the
//     layer and the caller's line; files and devices return errors.
//
// Losses are functions of package graph, optimizers are in train/optim, initial
// values in inits. Quantize packs the weights of a module's layers.
package nn
