// Package llama is the Llama architecture and its close relatives: grouped-query
// attention, rotary positions (with Llama 3's scaling), SwiGLU, RMSNorm, and
// optionally tied embeddings or biases on q, k, v (Qwen2). The layers mirror
// mlx-lm's models/llama.py and qwen2.py; field tags are the weights' names.
package llama
