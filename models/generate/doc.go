// Package generate continues text with a model: prefill, a KV cache, and
// sampling as mlx-lm's generate does it.
package generate
