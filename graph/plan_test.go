package graph_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite testdata/plans")

// Sizes of the block that the plans and the tests of compiled functions use: a
// Llama layer over one packed row.
const (
	blockTokens, blockDim, blockHeads, blockKV = 6, 64, 4, 2
	blockHead, blockHidden, blockVocab         = 16, 96, 40
	blockRank                                  = 4
)

// blockShapes are the arguments of llamaBlock: x, then the weights, adapters
// last.
var blockShapes = [][]int{
	{blockTokens, blockDim}, // x
	{blockDim},              // norm, q, k, v, o
	{blockHeads * blockHead, blockDim}, {blockKV * blockHead, blockDim}, {blockKV * blockHead, blockDim}, {blockDim, blockHeads * blockHead},
	{blockDim}, // norm, gate, up, down
	{blockHidden, blockDim}, {blockHidden, blockDim}, {blockDim, blockHidden},
	{blockDim, blockRank}, {blockRank, blockHeads * blockHead}, // a and b of q
}

// llamaBlock is one layer with a low-rank adapter on q.
func llamaBlock(in arrays, segments, positions *graph.Array) *graph.Array {
	x := in[0]
	split := func(y *graph.Array, heads int) *graph.Array {
		return graph.Transpose(graph.Reshape(y, 1, blockTokens, heads, blockHead), 0, 2, 1, 3)
	}
	rope := graph.RoPEOptions{Dims: blockHead, Base: 10000, Positions: positions}
	h := graph.RMSNorm(x, in[1], 1e-5)
	q := graph.RoPE(split(graph.LoRALinear(h, in[2], in[10], in[11], h, 2), blockHeads), rope)
	k, v := graph.RoPE(split(graph.Linear(h, in[3], nil), blockKV), rope), split(graph.Linear(h, in[4], nil), blockKV)
	o := graph.ScaledDotProductAttention(q, k, v, graph.SDPAOptions{Scale: 0.25, Causal: true, Segments: segments})
	o = graph.Reshape(graph.Transpose(o, 0, 2, 1, 3), blockTokens, blockHeads*blockHead)
	x = graph.Add(x, graph.Linear(o, in[5], nil))
	h = graph.RMSNorm(x, in[6], 1e-5)
	gate := graph.Multiply(graph.Silu(graph.Linear(h, in[7], nil)), graph.Linear(h, in[8], nil))
	return graph.Add(x, graph.Linear(gate, in[9], nil))
}

// blockStep is the loss of the layer under a vocabulary projection, and the
// gradients of the adapters, in one flat array as training keeps them.
func blockStep(block func(arrays, *graph.Array, *graph.Array) *graph.Array) func(arrays) arrays {
	return func(in arrays) arrays {
		n := len(blockShapes)
		vocab, targets, segments, positions := in[n], in[n+1], in[n+2], in[n+3]
		outs, grads := graph.ValueAndGradFloat32(func(p arrays) arrays {
			full := append(append(arrays{}, in[:10]...), p...)
			loss := graph.LinearCrossEntropy(block(full, segments, positions), vocab, targets)
			return arrays{graph.Sum(loss, nil, false)}
		})(in[10:n])
		flat := graph.Concatenate(arrays{graph.Reshape(grads[0], -1), graph.Reshape(grads[1], -1)}, 0)
		return arrays{outs[0], flat}
	}
}

// placeholders stand for the block's weights and, with labels, for the rest of
// blockStep's arguments.
func placeholders(dt metal.DType, labels bool) arrays {
	var in arrays
	for _, s := range blockShapes {
		in = append(in, graph.Placeholder(dt, s...))
	}
	if labels {
		in = append(in, graph.Placeholder(dt, blockVocab, blockDim), graph.Placeholder(metal.Int32, blockTokens),
			graph.Placeholder(metal.Int32, 1, blockTokens), graph.Placeholder(metal.Int32, 1, blockTokens))
	}
	return in
}

// TestPlans compares the dispatch lists of what training is made of with
// testdata/plans. A refactoring shows no difference, an optimization exactly
// its own; -update rewrites the files.
func TestPlans(t *testing.T) {
	bf := metal.BFloat16
	at := func(shape ...int) *graph.Array { return graph.Placeholder(bf, shape...) }
	flat := func() *graph.Array { return graph.Placeholder(metal.Float32, 1000) }
	for _, c := range []struct {
		name string
		fn   func(arrays) arrays
		in   arrays
		opt  graph.CompileOptions
	}{
		{"rms_norm", func(in arrays) arrays {
			outs, grads := graph.VJP(func(p arrays) arrays { return arrays{graph.RMSNorm(p[0], p[1], 1e-5)} }, in[:2], in[2:])
			return append(outs, grads...)
		}, in(at(8, 64), at(64), at(8, 64)), graph.CompileOptions{}},
		{"attention", func(in arrays) arrays {
			outs, grads := graph.VJP(func(p arrays) arrays {
				return arrays{graph.ScaledDotProductAttention(p[0], p[1], p[2], graph.SDPAOptions{Scale: 0.25, Causal: true, Segments: in[4]})}
			}, in[:3], in[3:4])
			return append(outs, grads...)
		}, in(at(1, 4, 32, 16), at(1, 2, 32, 16), at(1, 2, 32, 16), at(1, 4, 32, 16), graph.Placeholder(metal.Int32, 1, 32)), graph.CompileOptions{}},
		{"llama_block_fwd", func(in arrays) arrays { return arrays{llamaBlock(in, nil, nil)} }, placeholders(bf, false), graph.CompileOptions{}},
		{"llama_block_train", blockStep(llamaBlock), placeholders(bf, true), graph.CompileOptions{}},
		{"adamw", func(in arrays) arrays {
			scale, norm := graph.ClipScale(graph.SumSquares(in[0]), 1)
			opt := kernels.AdamWOptions{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01, DecayCount: 1000}
			r := graph.AdamW(graph.Multiply(in[0], scale), in[1], in[2], in[3], in[4], opt, bf)
			return append(r, norm)
		}, in(flat(), flat(), flat(), flat(), graph.Placeholder(metal.Float32, kernels.HyperSize)), graph.CompileOptions{Donate: map[int]int{0: 1, 1: 2, 2: 3}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, err := graph.Compile(c.fn, c.opt).Plan(c.in)
			require.NoError(t, err)
			path := filepath.Join("testdata", "plans", c.name+".txt")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, []byte(plan.String()), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), plan.String(), "the plan changed; run go test ./graph -run Plans -update if that is meant")
		})
	}
}
