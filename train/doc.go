// Package train is the trainer: adapters, the compiled step, checkpoints and
// the loop around them.
//
// Everything that trains lives in one flat float32 array, each tensor a range
// of it: clipping, accumulation and the optimizer are one launch each, and a
// checkpoint is that array with a table of names. A step is compiled once and
// replayed; after the second step nothing is allocated on the device.
//
// Start at train.go (the loop) and step.go (the step). With a cache of the frozen
// layers (frozen.go) the step begins behind them.
package train
