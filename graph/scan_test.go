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
