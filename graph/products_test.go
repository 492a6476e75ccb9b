package graph_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// The rows of a Hadamard matrix are signs and orthogonal; a long one is its own
// inverse.
func TestHadamardMatrices(t *testing.T) {
	ctx, one := context.Background(), 1.0
	for _, n := range []int{1, 2, 12, 20, 28, 48, 80, 112} {
		h := graph.HadamardTransform(graph.Identity(n, metal.Float32), &one)
		v, err := graph.Floats(ctx, h)
		require.NoError(t, err)
		for _, x := range v {
			require.Equal(t, 1.0, math.Abs(x))
		}
		gram, err := graph.Floats(ctx, graph.Matmul(h, graph.Transpose(h)))
		require.NoError(t, err)
		want, err := graph.Floats(ctx, graph.Multiply(graph.Identity(n, metal.Float32), float64(n)))
		require.NoError(t, err)
		require.Equal(t, want, gram, "size %d", n)
	}
	x := graph.Arange(0, 1<<15, 1, metal.Float32)
	back, err := graph.Floats(ctx, graph.HadamardTransform(graph.HadamardTransform(x, nil), nil))
	require.NoError(t, err)
	for i, v := range back {
		require.InDelta(t, float64(i), v, 0.05)
	}
}

// The values are those of MLX 0.32.2.
func TestEinsumPaths(t *testing.T) {
	for subscripts, c := range map[string]struct {
		shapes [][]int
		path   [][]int
		report []int // scalings, counts
	}{
		"ij,jk->ik":     {[][]int{{2, 3}, {3, 4}}, [][]int{{0, 1}}, []int{3, 3, 48, 48}},
		"ij,jk,kl->il":  {[][]int{{2, 3}, {3, 4}, {4, 5}}, [][]int{{1, 2}, {0, 1}}, []int{4, 3, 360, 180}},
		"ij,jk,kl,lm":   {[][]int{{10, 2}, {2, 30}, {30, 3}, {3, 5}}, [][]int{{1, 2}, {1, 2}, {0, 1}}, []int{5, 3, 36000, 620}},
		"ii->i":         {[][]int{{3, 3}}, [][]int{{0}}, []int{1, 1, 3, 3}},
		"abc,cd,db->a":  {[][]int{{4, 5, 6}, {6, 7}, {7, 5}}, [][]int{{1, 2}, {0, 1}}, []int{4, 3, 2520, 660}},
		"i,j,k->ijk":    {[][]int{{2}, {3}, {4}}, [][]int{{0, 1}, {0, 1}}, []int{3, 3, 48, 30}},
		"...i,ij->...j": {[][]int{{2, 3}, {3, 4}}, [][]int{{0, 1}}, []int{3, 3, 48, 48}},
	} {
		operands := make([]*graph.Array, len(c.shapes))
		for i, shape := range c.shapes {
			operands[i] = graph.Ones(shape, metal.Float32)
		}
		path, report := graph.EinsumPath(subscripts, operands...)
		require.Equal(t, c.path, path, subscripts)
		require.Contains(t, report, subscripts+"\n")
		for i, label := range []string{"Naive scaling:  ", "Optimized scaling:  ", "Naive FLOP count:  ", "Optimized FLOP count:  "} {
			require.Contains(t, report, fmt.Sprintf("%s%d\n", label, c.report[i]), subscripts)
		}
	}
}

func TestSegmentsOutsideTheAxisAreErrors(t *testing.T) {
	a, b := graph.Ones([]int{2, 3}, metal.Float32), graph.Ones([]int{3, 2}, metal.Float32)
	err := graph.Eval(context.Background(), graph.SegmentedMM(a, b, graph.FromSlice([]int32{0, 3, 1, 4}, 2, 2)))
	require.ErrorContains(t, err, "graph: SegmentedMM: index 4 (element 3 of int32[2 2]) is outside the ranges of an axis of 3 (graph/products_test.go:")
	err = graph.Eval(context.Background(), graph.SegmentedMM(a, b, graph.FromSlice([]int64{-1, 3})))
	require.ErrorContains(t, err, "index -1 (element 0 of int64[2]) is outside")
}

func TestProductMistakes(t *testing.T) {
	at := func(shape ...int) *graph.Array { return graph.Ones(shape, metal.Float32) }
	for msg, fn := range map[string]func(){
		"HadamardTransform: last axis of [2 3] has 3 elements, want m·2^k":                               func() { graph.HadamardTransform(at(2, 3), nil) },
		"HadamardTransform: array of shape [0] is empty":                                                 func() { graph.HadamardTransform(at(0), nil) },
		"HadamardTransform: operand is complex64[4], want float32, float16 or bfloat16":                  func() { graph.HadamardTransform(graph.Ones([]int{4}, metal.Complex64), nil) },
		"BlockMaskedMM: block size is 16, want 32 or 64":                                                 func() { graph.BlockMaskedMM(at(4, 4), at(4, 4), 16, nil, nil, nil) },
		"BlockMaskedMM: maskLHS has shape [1 1], want [... 2 1] for matrices of 33 by 4 in blocks of 32": func() { graph.BlockMaskedMM(at(33, 4), at(4, 4), 32, nil, at(1, 1), nil) },
		"BlockMaskedMM: shapes [2 3] and [2 3] do not match":                                             func() { graph.BlockMaskedMM(at(2, 3), at(2, 3), 64, nil, nil, nil) },
		"SegmentedMM: segments are float32[1 2], want integers of shape [... 2]":                         func() { graph.SegmentedMM(at(2, 3), at(3, 2), at(1, 2)) },
		"SegmentedMM: shapes [2 3] and [2 3] do not match [M,K] and [K,N]":                               func() { graph.SegmentedMM(at(2, 3), at(2, 3), at(1, 2)) },
		`Einsum: "ij->k": label "k" of the result is on no operand`:                                      func() { graph.Einsum("ij->k", at(2, 3)) },
		`Einsum: "ij->ii": label "i" occurs twice in the result`:                                         func() { graph.Einsum("ij->ii", at(2, 3)) },
		`Einsum: "ii": label "i" stands for 2 and 3 elements of an operand of shape [2 3]`:               func() { graph.Einsum("ii", at(2, 3)) },
		`Einsum: "ij,jk": label "j" stands for 3 and 4 elements`:                                         func() { graph.Einsum("ij,jk", at(2, 3), at(4, 2)) },
		`Einsum: "i1": label "1" is not a letter`:                                                        func() { graph.Einsum("i1", at(2, 3)) },
		`Einsum: "...ijk": labels "...ijk" for an operand of 2 axes`:                                     func() { graph.Einsum("...ijk", at(2, 3)) },
		`EinsumPath: "ij": labels "ij" for an operand of shape [2]`:                                      func() { graph.EinsumPath("ij", at(2)) },
		`EinsumPath: there are no operands`:                                                              func() { graph.EinsumPath("ij") },
	} {
		err := graph.Catch(fn)
		require.ErrorContains(t, err, msg)
		require.ErrorContains(t, err, "graph/products_test.go:")
	}
}
