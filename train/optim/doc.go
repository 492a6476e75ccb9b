// Package optim holds the optimizers and learning-rate schedules of
// mlx.optimizers.
//
// An [Optimizer] keeps state for a tree of parameters (see package tree), by the
// parameters' names, and updates them from a tree of gradients:
//
//	opt := optim.NewAdamW(optim.CosineDecay(1e-3, 1000, 0), &optim.AdamWOptions{WeightDecay: new(0.1)})
//	loss, grads := nn.ValueAndGrad(model, lossFn)(x, y)
//	opt.Update(model, grads)
//	err := tree.Eval(ctx, model, opt)
//
// New functions take a learning rate, a number or a [Schedule], and options: nil
// options and zero or nil fields of them are MLX's defaults.
//
// Invariants:
//   - An optimizer is itself a tree, whose arrays have the names that MLX gives to
//     an optimizer's state: step, learning_rate, layers.0.weight.m, …. tree.Compile
//     takes it as state; Init must come before that.
//   - State has the dtype of the parameter. Nothing here looks at values: an update
//     is a graph like any other.
//   - The arithmetic is package graph's: its fused AdamW and SGD where gradient,
//     parameter and state are float32, else its rules, which round like MLX.
//   - The trainer runs the same rules through [Flat], over one array of all
//     parameters.
package optim
