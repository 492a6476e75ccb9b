package main

import (
	"fmt"
	"slices"
	"strings"
)

// params describe a case to a worker; the Python workers read the same names.
type params struct {
	Kind    string `json:"kind"`
	DType   string `json:"dtype"`
	Threads int    `json:"threads"`

	M        int  `json:"m,omitempty"`
	N        int  `json:"n,omitempty"`
	K        int  `json:"k,omitempty"`
	Rows     int  `json:"rows,omitempty"`
	T        int  `json:"t,omitempty"`
	D        int  `json:"d,omitempty"`
	Vocab    int  `json:"vocab,omitempty"`
	Heads    int  `json:"heads,omitempty"`
	KVHeads  int  `json:"kv_heads,omitempty"`
	Dim      int  `json:"dim,omitempty"`
	Bits     int  `json:"bits,omitempty"` // of a quantised weight
	Group    int  `json:"group,omitempty"`
	Backward bool `json:"backward,omitempty"`

	Model   string `json:"model,omitempty"`
	Data    string `json:"data,omitempty"`
	Adapter string `json:"adapter,omitempty"` // what training starts from; our side writes it
	Compile bool   `json:"compile,omitempty"` // PyTorch's graph
	Rank    int    `json:"rank,omitempty"`
	Batch   int    `json:"batch,omitempty"` // rows of a step, 0: one
	Pad     int    `json:"pad,omitempty"`   // rows of the peers' padded batches
	Cut     int    `json:"cut,omitempty"`   // tokens of a row that mlx-lm takes
	Prompt  int    `json:"prompt,omitempty"`
	New     int    `json:"new,omitempty"`
}

// side is who runs a case, with what changes for it.
type side struct {
	name  string // ftmetal, torch, mlx, blas
	dtype string // "": the case's
	cut   int    // tokens of each row that it takes, 0: all
	once  bool   // one run, without the others in memory
	as    string // "compiled": torch.compile; "wheel": MLX over the BLAS that its wheel brings
}

// label names a side in results.
func (s side) label() string {
	words := slices.DeleteFunc([]string{s.name, s.as, s.dtype}, func(w string) bool { return w == "" })
	return strings.Join(words, " ")
}

// one is a case.
type one struct {
	name   string
	params params
	work   float64 // of a run: FLOPs or bytes
	unit   string  // of work a second; "tokens/s" for trainings, whose runs tell their tokens
	sides  []side
	most   int // runs at most; 0: as many as the budget allows
	rows   rows
}

// rows are the data that a case needs.
type rows struct {
	config string // of tools/randmodel
	bits   int    // quantised to that many; 0: as it is
	length int    // tokens of each row; 0: rows of skewed length
	total  int    // tokens of all rows
}

var ours = side{name: "ftmetal"}

// peers are the sides of a kernel case; MLX's CPU build has slow 16-bit products.
func kernelSides(more ...side) []side {
	return append([]side{ours, {name: "torch"}, {name: "mlx"}}, more...)
}

func cases() []one {
	var all []one
	for _, threads := range []int{1, 2} {
		for _, p := range [][3]int{{1024, 1024, 1024}, {2048, 2048, 576}, {512, 4096, 4096}} {
			all = append(all, gemm("f32", p, threads, []side{ours, {name: "blas"}, {name: "torch"}, {name: "mlx"}}))
		}
	}
	for _, dt := range []string{"bf16", "f16"} {
		for _, p := range [][3]int{{1024, 1024, 1024}, {2048, 2048, 576}, {512, 4096, 4096}} {
			all = append(all, gemm(dt, p, 2, []side{ours, {name: "torch"}}))
		}
	}
	for _, p := range [][3]int{{2048, 16, 576}, {2048, 576, 16}, {16, 576, 2048}} {
		all = append(all, gemm("f32", p, 2, kernelSides(side{name: "blas"})), gemm("bf16", p, 2, []side{ours, {name: "torch"}}))
	}
	for _, t := range []int{512, 2048, 8192} {
		for _, backward := range []bool{false, true} {
			all = append(all, attention(t, backward))
		}
	}
	for _, k := range []string{"rms_norm", "layer_norm", "softmax"} {
		all = append(all, one{name: k + "/f32/2048x2048", params: params{Kind: k, DType: "f32", Rows: 2048, N: 2048, Threads: 2}, work: 2 * 4 * 2048 * 2048, unit: "GB/s", sides: kernelSides()})
	}
	for _, v := range []int{32000, 128256} {
		for _, dt := range []string{"f32", "bf16"} {
			sides := kernelSides()
			if dt == "bf16" {
				sides = sides[:2]
			}
			all = append(all, one{name: fmt.Sprintf("cross_entropy/%s/512x1024x%d", dt, v),
				params: params{Kind: "cross_entropy", DType: dt, T: 512, D: 1024, Vocab: v, Threads: 2}, work: 4 * 512 * 1024 * float64(v), unit: "GFLOP/s", sides: sides})
		}
	}
	for _, m := range []int{1, 512} {
		all = append(all, quantMatmul(m, 4096, 4096))
	}
	all = append(all,
		one{name: "adamw/f32/16M", params: params{Kind: "adamw", DType: "f32", N: 16 << 20, Threads: 2}, work: 7 * 4 * (16 << 20), unit: "GB/s", sides: kernelSides()},
		one{name: "read/f32/64M", params: params{Kind: "read", DType: "f32", N: 64 << 20, Threads: 2}, work: 4 * (64 << 20), unit: "GB/s", sides: kernelSides()})
	return append(all, modelCases()...)
}

func gemm(dt string, p [3]int, threads int, sides []side) one {
	return one{name: fmt.Sprintf("gemm/%s/%dx%dx%d/threads=%d", dt, p[0], p[1], p[2], threads),
		params: params{Kind: "gemm", DType: dt, M: p[0], N: p[1], K: p[2], Threads: threads},
		work:   2 * float64(p[0]) * float64(p[1]) * float64(p[2]), unit: "GFLOP/s", sides: sides}
}

// quantMatmul multiplies by a weight of four bits; for one row what counts is
// reading it, scales included.
func quantMatmul(m, n, k int) one {
	c := one{name: fmt.Sprintf("quant_matmul/bf16/%dx%dx%d/4bit", m, n, k), params: params{Kind: "quant_matmul", DType: "bf16", M: m, N: n, K: k, Bits: 4, Group: 64, Threads: 2},
		work: 2 * float64(m) * float64(n) * float64(k), unit: "GFLOP/s", sides: kernelSides()}
	if m > 1 {
		c.sides = c.sides[:2] // MLX's CPU build takes a minute
	} else {
		c.work, c.unit = float64(n)*float64(k)*(4.0/8+2*2.0/64), "GB/s"
	}
	return c
}

// attention is causal, with SmolLM2-135M's heads. The gradient's useful products
// are two and a half times those of the forward pass.
func attention(t int, backward bool) one {
	c := one{name: fmt.Sprintf("attention/f32/T=%d", t), params: params{Kind: "attention", DType: "f32", T: t, Heads: 9, KVHeads: 3, Dim: 64, Backward: backward, Threads: 2},
		work: 2 * 9 * 64 * float64(t) * float64(t), unit: "GFLOP/s", sides: kernelSides()}
	if backward {
		c.name += "/backward"
		c.work *= 3.5
	}
	if t > 2048 { // MLX keeps T×T scores
		c.sides = c.sides[:2]
	}
	return c
}

func modelCases() []one {
	train := func(length, rank int) params {
		return params{Kind: "train", DType: "bf16", T: length, Rank: rank, Threads: 2}
	}
	f32 := func(p params) params {
		p.DType = "f32"
		return p
	}
	all := []one{
		{name: "train/smollm2-135m/bf16/2048", params: train(2048, 16), rows: rows{config: "smollm2-135m", length: 2048}, most: 5,
			sides: []side{ours, {name: "torch"}, {name: "mlx", cut: 64, once: true}}},
		{name: "train/smollm2-135m/bf16/2048/compiled", params: train(2048, 16), rows: rows{config: "smollm2-135m", length: 2048}, most: 3, sides: []side{ours, {name: "torch", as: "compiled"}}},
		{name: "train/smollm2-135m/f32/2048", params: f32(train(2048, 16)), rows: rows{config: "smollm2-135m", length: 2048}, most: 3,
			sides: []side{ours, {name: "torch"}, {name: "mlx", cut: 1024, once: true}, {name: "mlx", as: "wheel", cut: 64, once: true}}},
		{name: "train/qwen2.5-0.5b/bf16/2048", params: train(2048, 16), rows: rows{config: "qwen2.5-0.5b", length: 2048}, most: 3,
			sides: []side{ours, {name: "torch"}, {name: "mlx", dtype: "f32", cut: 512, once: true}}},
		{name: "train/llama-3.2-1b/bf16/2048", params: train(2048, 16), rows: rows{config: "llama-3.2-1b", length: 2048}, most: 3,
			sides: []side{ours, {name: "torch"}, {name: "mlx", dtype: "f32", cut: 256, once: true}}},
		{name: "chat/smollm2-135m", params: params{Kind: "train", DType: "bf16", Rank: 16, Pad: 4, Threads: 2}, rows: rows{config: "smollm2-135m", total: 8 * 2048}, most: 1,
			sides: []side{ours, {name: "torch"}, {name: "mlx", dtype: "f32", once: true}}},
	}
	for _, t := range []int{512, 2048, 8192} { // as many tokens in rows of several lengths
		c := one{name: fmt.Sprintf("length/smollm2-135m/%dx%d", 8192/t, t), params: train(t, 16), rows: rows{config: "smollm2-135m", length: t, total: 8192}, most: 2, sides: []side{ours}}
		c.params.Batch = 8192 / t
		all = append(all, c)
	}
	for _, dt := range []string{"bf16", "f32"} {
		for _, config := range []string{"smollm2-135m", "qwen2.5-0.5b"} {
			all = append(all, one{name: "generate/" + config + "/" + dt, params: params{Kind: "generate", DType: dt, Prompt: 512, New: 32, Threads: 2},
				rows: rows{config: config, length: 2048}, most: 5, unit: "tokens/s", sides: []side{ours, {name: "torch"}, {name: "mlx", once: true}}})
		}
	}
	for _, config := range []string{"smollm2-135m", "llama-3.2-1b"} { // four bits: what is read a token is a quarter
		all = append(all, one{name: "generate/" + config + "/bf16/4bit", params: params{Kind: "generate", DType: "bf16", Prompt: 512, New: 32, Threads: 2},
			rows: rows{config: config, bits: 4, length: 2048}, most: 5, unit: "tokens/s", sides: []side{ours}}) // MLX's CPU build takes minutes for the prompt
	}
	return append(all, one{name: "train/smollm2-135m/bf16/2048/4bit", params: train(2048, 16), rows: rows{config: "smollm2-135m", bits: 4, length: 2048}, most: 4, sides: []side{ours}})
}
