package graph_test

import (
	"context"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// TestScanOfManyChunks checks lines so long that the scan of their chunks is cut
// into chunks itself.
func TestScanOfManyChunks(t *testing.T) {
	const n = 66000 // more than 256·256
	ones := graph.Ones([]int{2, n}, metal.Int32)
	got, err := graph.Floats(context.Background(), graph.CumSum(ones, 1, graph.ScanOptions{}))
	require.NoError(t, err)
	back, err := graph.Floats(context.Background(), graph.CumSum(ones, -1, graph.ScanOptions{Reverse: true, Exclusive: true}))
	require.NoError(t, err)
	for i := range got {
		require.Equal(t, float64(i%n+1), got[i])
		require.Equal(t, float64(n-1-i%n), back[i])
	}
}

// TestSortOfManyBlocks checks lines that take several merging passes.
func TestSortOfManyBlocks(t *testing.T) {
	const n = 40009 // prime: the products below are a permutation
	values := make([]int32, n)
	for i := range values {
		values[i] = int32(i * 7919 % n)
	}
	got, err := graph.Floats(context.Background(), graph.Sort(graph.FromSlice(values), 0))
	require.NoError(t, err)
	for i := range got {
		require.Equal(t, float64(i), got[i])
	}
}

// TestVMapOfScansAndSorts maps over columns: the same as the op on rows.
func TestVMapOfScansAndSorts(t *testing.T) {
	x := graph.FromSlice([]float32{3, 1, 2, -1, 5, 0}, 3, 2)
	fn := func(in arrays) arrays {
		product := func(p arrays) arrays { return arrays{graph.CumProd(p[0], 0, graph.ScanOptions{})} }
		_, grads := graph.VJP(product, in, arrays{graph.FromSlice([]float32{1, 10, 100})})
		return arrays{graph.CumSum(in[0], 0, graph.ScanOptions{}), graph.Sort(in[0], 0), grads[0]}
	}
	out := graph.VMap(fn, []int{1}, nil)(arrays{x})
	require.Equal(t, []float64{3, 5, 10, 1, 0, 0}, read(t, out[0]))
	require.Equal(t, []float64{2, 3, 5, -1, 0, 1}, read(t, out[1]))
	require.Equal(t, []float64{1 + 20 + 1000, 30 + 1500, 600, 1 - 10, 10, -100}, read(t, out[2]))
}
