// Package inits holds the rules that fill new parameters, as mlx.nn.init does:
// each function returns an [Initializer] for arrays of any shape.
//
// Random ones draw their keys from a sequence, in the order in which MLX draws
// them, so the same seed gives MLX's values. [Orthogonal] decomposes a matrix on
// the host, in float64.
package inits
