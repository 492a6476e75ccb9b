package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/ftmetal/ftmetal/internal/half"
	"github.com/ftmetal/ftmetal/internal/parity"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/stretchr/testify/require"
)

const trajectory = "../cmd/ftmetal/testdata/train/llama_fp32_lora_adam"

// trained is a tiny model folder and an adapter that mlx-lm trained for it.
func trained(t *testing.T) (model, adapter string) { return trainedFrom(t, trajectory, 8) }

// trainedFrom is trained for a trajectory of that rank.
func trainedFrom(t *testing.T, trajectory string, rank int) (model, adapter string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, parity.Convert(trajectory, dir))
	adapter = filepath.Join(dir, "adapter")
	require.NoError(t, os.MkdirAll(adapter, 0o755))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "golden"), os.DirFS(trajectory)))
	require.NoError(t, os.Rename(filepath.Join(dir, "golden", "final.safetensors"), filepath.Join(adapter, adapterFile)))
	config := fmt.Sprintf(`{"fine_tune_type": "lora", "num_layers": -1, "lora_parameters": {"rank": %d, "scale": 20.0, "dropout": 0.0}}`, rank)
	require.NoError(t, os.WriteFile(filepath.Join(adapter, configFile), []byte(config), 0o600))
	return filepath.Join(dir, "model"), adapter
}

func tensor(t *testing.T, f interface {
	Lookup(string) (weights.Tensor, bool)
}, name string) ([]float32, []int) {
	t.Helper()
	x, ok := f.Lookup(name)
	require.True(t, ok, name)
	n := 1
	for _, d := range x.Shape {
		n *= d
	}
	v := make([]float32, n)
	widen(v, x.Data, x.DType)
	return v, x.Shape
}

// A merged weight is W + scale·(A@B)ᵀ, rounded once; the others are as they
// were. Shards are cut at the limit, and the folder loads again.
func TestFuse(t *testing.T) {
	model, adapter := trained(t)
	base, err := weights.OpenDir(model)
	require.NoError(t, err)
	defer base.Close()
	low, err := weights.Open(filepath.Join(adapter, adapterFile))
	require.NoError(t, err)
	defer low.Close()
	for _, dt := range []metal.DType{metal.Float32, metal.BFloat16, metal.Float16} {
		eps := map[metal.DType]float64{metal.Float32: 1.0 / (1 << 24), metal.BFloat16: 1.0 / (1 << 8), metal.Float16: 1.0 / (1 << 11)}[dt]
		out := filepath.Join(t.TempDir(), "fused")
		_, err := Fuse(context.Background(), FuseOptions{Model: model, AdapterPath: adapter, SavePath: out, DType: dt.String(), MaxShardBytes: 64 << 10})
		require.NoError(t, err)
		got, err := weights.OpenDir(out)
		require.NoError(t, err)
		require.Greater(t, len(got.Files()), 1, "shards")
		require.Equal(t, base.Names(), got.Names())
		for _, name := range base.Names() {
			g, shape := tensor(t, got, name)
			w, _ := tensor(t, base, name)
			layer := name[:len(name)-len(".weight")]
			a, adapted := low.Lookup(layer + ".lora_a")
			want := make([]float64, len(w))
			mag := make([]float64, len(w))
			for i, v := range w {
				want[i], mag[i] = float64(v), math.Abs(float64(v))
			}
			if adapted {
				av, _ := tensor(t, low, layer+".lora_a")
				bv, _ := tensor(t, low, layer+".lora_b")
				r := a.Shape[1]
				for o := range shape[0] {
					for i := range shape[1] {
						for k := range r {
							term := 20 * float64(av[i*r+k]) * float64(bv[k*shape[0]+o])
							want[o*shape[1]+i] += term
							mag[o*shape[1]+i] += math.Abs(term)
						}
					}
				}
			}
			for i := range want {
				tolerance := eps*math.Abs(want[i]) + 16*mag[i]/(1<<24) + 6e-8 // the last: float16's smallest step
				require.InDelta(t, want[i], g[i], tolerance, "%s[%d] in %s", name, i, dt)
			}
		}
		raw, err := os.ReadFile(filepath.Join(out, "config.json"))
		require.NoError(t, err)
		var c map[string]any
		require.NoError(t, json.Unmarshal(raw, &c))
		require.Equal(t, dt.String(), c["torch_dtype"])
		require.NoError(t, got.Close())
		ev, err := Evaluate(context.Background(), evalConfig(t, out, ""))
		require.NoError(t, err)
		adapted, err := Evaluate(context.Background(), evalConfig(t, model, adapter))
		require.NoError(t, err)
		require.InEpsilon(t, adapted.Loss, ev.Loss, 40*eps, "the merged model is the adapted one, in %s", dt)
	}
}

func evalConfig(t *testing.T, model, adapter string) *Config {
	t.Helper()
	cfg := DefaultConfig("")
	cfg.Model, cfg.AdapterPath, cfg.MaxSeqLength = model, adapter, 64
	cfg.Data = filepath.Join(t.TempDir(), "train.jsonl")
	require.NoError(t, os.WriteFile(cfg.Data, []byte("{\"input_ids\": [5, 9, 120, 33, 7, 60, 61, 62, 90], \"prompt_length\": 2}\n{\"input_ids\": [1, 2, 3, 4], \"prompt_length\": 1}\n"), 0o600))
	return cfg
}

// A model that was trained from random weights becomes a folder.
func TestFuseOfANewModel(t *testing.T) {
	model, _ := trained(t)
	run := t.TempDir()
	cfg := DefaultConfig("")
	cfg.Init, cfg.FineTuneType, cfg.AdapterPath, cfg.Data = filepath.Join(model, "config.json"), "full", run, evalConfig(t, model, "").Data
	cfg.Iters, cfg.MaxSeqLength, cfg.ValSplit = 3, 32, 0
	require.NoError(t, Run(context.Background(), cfg, func(Event) {}))
	out := filepath.Join(t.TempDir(), "new")
	_, err := Fuse(context.Background(), FuseOptions{Init: cfg.Init, AdapterPath: run, SavePath: out, DType: "bfloat16"})
	require.NoError(t, err)
	masters, err := weights.Open(filepath.Join(run, adapterFile))
	require.NoError(t, err)
	defer masters.Close()
	got, err := weights.OpenDir(out)
	require.NoError(t, err)
	defer got.Close()
	require.NotEmpty(t, got.Names())
	for _, name := range got.Names() {
		w, _ := tensor(t, masters, name)
		g, _ := tensor(t, got, name)
		for i := range w {
			require.Equal(t, half.BF16ToF32(half.F32ToBF16(w[i])), g[i], "%s[%d]", name, i)
		}
	}
}
