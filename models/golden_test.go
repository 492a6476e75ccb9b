package models_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/internal/debug"
	_ "github.com/ftmetal/ftmetal/metal/all"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/stretchr/testify/require"
)

// golden is a model whose logits mlx-lm computed.
type golden struct {
	Config json.RawMessage `json:"config"`
	Cached struct {
		Prefill int `json:"prefill"`
		Steps   int `json:"steps"`
	} `json:"cached"`
}

func tensorOf[T any](t *testing.T, f *weights.File, name string) ([]T, []int) {
	t.Helper()
	x, ok := f.Lookup(name)
	require.True(t, ok, name)
	out := make([]T, len(x.Data)/int(unsafe.Sizeof(*new(T))))
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&out[0])), len(x.Data)), x.Data)
	return out, x.Shape
}

// loadGolden makes a model folder of a recording and opens it.
func loadGolden(t *testing.T, root, name string) (*models.Folder, golden, *weights.File) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name+".json"))
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.Unmarshal(raw, &g))
	dir := t.TempDir()
	w, err := os.ReadFile(filepath.Join(root, name+".safetensors"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), w, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), g.Config, 0o600))
	rt, err := graph.Default()
	require.NoError(t, err)
	f, err := models.Load(dir, rt)
	require.NoError(t, err)
	t.Cleanup(f.Close)
	io, err := weights.Open(filepath.Join(root, name+".io.safetensors"))
	require.NoError(t, err)
	t.Cleanup(func() { io.Close() })
	return f, g, io
}

// requireClose compares logits: both sides sum in float32 in some order, over a
// few hundred products a layer.
func requireClose(t *testing.T, want, got []float32) {
	t.Helper()
	require.Len(t, got, len(want))
	var scale float64
	for _, w := range want {
		scale = max(scale, math.Abs(float64(w)))
	}
	const tolerance = 256 * 1.1920929e-07 // a few roundings of each of ~100 dependent sums
	for i := range want {
		require.InDelta(t, want[i], got[i], tolerance*scale, "logit %d", i)
	}
}

// TestGoldenLogits compares whole sequences, and a prefill followed by single
// steps with a KV cache, with mlx-lm's logits.
func TestGoldenLogits(t *testing.T) {
	root := "testdata"
	if dir := debug.Golden(); dir != "" {
		root = filepath.Join(dir, "models")
	}
	all, err := filepath.Glob(filepath.Join(root, "*.io.safetensors"))
	require.NoError(t, err)
	passed := 0
	for _, path := range all {
		name := strings.TrimSuffix(filepath.Base(path), ".io.safetensors")
		if name == "gpt2" {
			t.Log("golden logits: gpt2: unsupported architecture")
			continue
		}
		t.Run(name, func(t *testing.T) {
			f, g, io := loadGolden(t, root, name)
			ids, shape := tensorOf[int32](t, io, "input_ids")
			want, _ := tensorOf[float32](t, io, "logits")
			ctx := context.Background()
			got, err := graph.Read[float32](ctx, f.Model.Logits(f.Model.Hidden(nn.Input{Tokens: graph.FromSlice(ids, shape...)})))
			require.NoError(t, err)
			requireClose(t, want, got)
			testCached(t, f, g, ids, shape, io)
		})
		passed++
	}
	require.GreaterOrEqual(t, passed, 1)
}

func testCached(t *testing.T, f *models.Folder, g golden, ids []int32, shape []int, io *weights.File) {
	ctx := context.Background()
	want, wantShape := tensorOf[float32](t, io, "logits_cached")
	rows, cols, vocab := shape[0], shape[1], wantShape[2]
	cache := f.Model.NewCache()
	window := func(from, to int) *graph.Array {
		return graph.SliceAxis(graph.FromSlice(ids, rows, cols), 1, from, to)
	}
	at := 0
	for step := range 1 + g.Cached.Steps {
		n := 1
		if step == 0 {
			n = g.Cached.Prefill
		}
		h := f.Model.Hidden(nn.Input{Tokens: graph.Contiguous(window(at, at+n)), Cache: cache})
		logits := f.Model.Logits(h)
		require.NoError(t, graph.Eval(ctx, append(cache.Arrays(), logits)...))
		got, err := graph.Read[float32](ctx, logits)
		require.NoError(t, err)
		at += n
		for r := range rows {
			last := (r*n + n - 1) * vocab
			requireClose(t, want[(r*wantShape[1]+step)*vocab:][:vocab], got[last:last+vocab])
		}
	}
}
