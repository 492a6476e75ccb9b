package weights_test

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/stretchr/testify/require"
)

// TestSaveGGUF holds the files that mx.save_gguf of MLX 0.32.2 writes.
func TestSaveGGUF(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "x.gguf")
	type arrays = map[string]*graph.Array
	half := graph.Scalar(2, metal.Float16)
	for _, c := range []struct {
		arrays   arrays
		metadata map[string]any
		want     string
	}{
		{arrays{"b.w": graph.FromSlice([]float32{1, 2, 3, 4, 5, 6}, 3, 2)}, map[string]any{"name": "x"},
			"47475546030000000100000000000000010000000000000004000000000000006e616d65080000000100000000000000780300000000000000622e770200000002000000000000000300000000000000000000000000000000000000000000000000803f0000004000004040000080400000a0400000c040"},
		{arrays{"h": graph.FromSlice([]int16{1, 2, -3})}, map[string]any{"list": []string{"p", "qq"}},
			"47475546030000000100000000000000010000000000000004000000000000006c697374090000000800000002000000000000000100000000000000700200000000000000717101000000000000006801000000030000000000000019000000000000000000000000000000000000000000000000000000000000000000000001000200fdff"},
		{arrays{"s": half}, map[string]any{"v": graph.FromSlice([]float32{1.5, 2.5})},
			"474755460300000001000000000000000100000000000000010000000000000076090000000600000002000000000000000000c03f000020400100000000000000730000000001000000000000000000000000000000000000000000000000000040"},
		{arrays{"s": half}, map[string]any{"v": graph.Scalar(1, metal.Bool)},
			"474755460300000001000000000000000100000000000000010000000000000076070000000101000000000000007300000000010000000000000000000000000040"},
		{arrays{"i": graph.FromSlice([]int8{2})}, nil,
			"4747554603000000010000000000000000000000000000000100000000000000690100000001000000000000001800000000000000000000000000000000000002"},
	} {
		require.NoError(t, weights.SaveGGUF(ctx, path, c.arrays, c.metadata))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, c.want, hex.EncodeToString(got))
	}
	for want, call := range map[string]func() error{
		"x.gguf: array a is uint8, which GGUF has not": func() error {
			return weights.SaveGGUF(ctx, path, arrays{"a": graph.FromSlice([]uint8{1})}, nil)
		},
		"metadata m: value is a int, want": func() error { return weights.SaveGGUF(ctx, path, nil, map[string]any{"m": 1}) },
		"metadata m: array is float32[1 1], want one with at most one axis": func() error {
			return weights.SaveGGUF(ctx, path, nil, map[string]any{"m": graph.Ones([]int{1, 1}, metal.Float32)})
		},
		"metadata m: array is complex64[], which": func() error {
			return weights.SaveGGUF(ctx, path, nil, map[string]any{"m": graph.Scalar(1, metal.Complex64)})
		},
	} {
		require.ErrorContains(t, call(), want)
	}
}
