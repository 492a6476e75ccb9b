package weights_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	_ "github.com/ftmetal/ftmetal/metal/soft"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/stretchr/testify/require"
)

// TestFunctionFiles: a function comes back from its file; one that cannot be
// written leaves the old file.
func TestFunctionFiles(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "f.ftm")
	fn := func(in []*graph.Array) []*graph.Array { return []*graph.Array{graph.Add(graph.Square(in[0]), 1.0)} }
	x := graph.FromSlice([]float32{1, 2, 3})
	require.NoError(t, weights.ExportFunction(ctx, path, fn, x))
	back, err := weights.ImportFunction(path)
	require.NoError(t, err)
	v, err := graph.Read[float32](ctx, back([]*graph.Array{x})[0])
	require.NoError(t, err)
	require.Equal(t, []float32{2, 5, 10}, v)

	old, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Error(t, weights.ExportFunction(ctx, path, func(in []*graph.Array) []*graph.Array { return []*graph.Array{nil} }, x))
	require.ErrorContains(t, weights.SaveFunction(ctx, path, graph.NewExporter(fn)), "nothing was traced")
	now, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, old, now)
	require.NoError(t, os.WriteFile(path, old[:40], 0o644))
	_, err = weights.ImportFunction(path)
	require.ErrorContains(t, err, path+": graph: ImportFunction: the header has")
	_, err = weights.ImportFunction(path + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
}
