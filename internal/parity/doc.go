// Package parity replays trajectories recorded from mlx-lm: it turns one into
// what `ftmetal train` reads, and compares what that wrote with the recording.
//
// A trajectory is a folder with case.json (configuration, data, losses),
// init.safetensors, grad1.safetensors and final.safetensors; docs/parity.md says
// how to replay one by hand. Start at convert.go.
package parity
