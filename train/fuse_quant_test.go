package train

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/stretchr/testify/require"
)

const quantTrajectory = "../cmd/ftmetal/testdata/train/llama_q4g32_qlora_adam"

// unpacked is a 4-bit matrix in groups of 32, from the definition: scale·code+bias
// with the first code in the lowest bits; and the scale of each element.
func unpacked(t *testing.T, f *weights.Set, layer string) (values, scales []float64) {
	t.Helper()
	words, ok := f.Lookup(layer + ".weight")
	require.True(t, ok, layer)
	require.Equal(t, metal.Uint32, words.DType)
	s, _ := tensor(t, f, layer+".scales")
	b, _ := tensor(t, f, layer+".biases")
	for i := range 2 * len(words.Data) {
		code := words.Data[i/2] >> (4 * (i % 2)) & 15
		values = append(values, float64(s[i/32])*float64(code)+float64(b[i/32]))
		scales = append(scales, math.Abs(float64(s[i/32])))
	}
	return values, scales
}

// A merged weight of a quantised model is W + scale·(A@B)ᵀ within half a step of
// its own scale, or exactly when it is unpacked; other weights keep their words.
func TestFuseQuantized(t *testing.T) {
	model, adapter := trainedFrom(t, quantTrajectory, 4)
	base, err := weights.OpenDir(model)
	require.NoError(t, err)
	defer base.Close()
	low, err := weights.Open(filepath.Join(adapter, adapterFile))
	require.NoError(t, err)
	defer low.Close()
	out, plain := filepath.Join(t.TempDir(), "fused"), filepath.Join(t.TempDir(), "plain")
	ctx := context.Background()
	r, err := Fuse(ctx, FuseOptions{Model: model, AdapterPath: adapter, SavePath: out})
	require.NoError(t, err)
	require.Equal(t, 14, r.Quantized)
	_, err = Fuse(ctx, FuseOptions{Model: model, AdapterPath: adapter, SavePath: plain, Dequantize: true})
	require.NoError(t, err)
	got, err := weights.OpenDir(out)
	require.NoError(t, err)
	defer got.Close()
	dense, err := weights.OpenDir(plain)
	require.NoError(t, err)
	defer dense.Close()
	require.Equal(t, base.Names(), got.Names())
	var off, norm, update float64
	for _, name := range dense.Names() {
		layer := name[:len(name)-len(".weight")]
		if _, packed := base.Lookup(layer + ".scales"); !packed {
			want, _ := base.Lookup(name)
			have, _ := got.Lookup(name)
			require.Equal(t, want.Data, have.Data, name)
			continue
		}
		want, _ := unpacked(t, base, layer)
		d, shape := tensor(t, dense, name)
		if a, adapted := low.Lookup(layer + ".lora_a"); adapted {
			av, _ := tensor(t, low, layer+".lora_a")
			bv, _ := tensor(t, low, layer+".lora_b")
			for i := range want {
				delta := 0.0
				for k := range a.Shape[1] {
					delta += 20 * float64(av[i%shape[1]*a.Shape[1]+k]) * float64(bv[k*shape[0]+i/shape[1]])
				}
				want[i] += delta
				update += delta * delta
			}
			again, scales := unpacked(t, got, layer)
			for i := range want {
				// Codes stop at 15: the largest of a group may be off by a step.
				require.InDelta(t, want[i], again[i], scales[i]+1e-6, "%s[%d]", name, i)
				off, norm = off+(again[i]-want[i])*(again[i]-want[i]), norm+want[i]*want[i]
			}
		} else {
			have, _ := got.Lookup(name)
			words, _ := base.Lookup(name)
			require.Equal(t, words.Data, have.Data, name)
		}
		for i := range want {
			require.InDelta(t, want[i], d[i], 1e-6, "%s[%d], unpacked", name, i)
		}
	}
	require.InEpsilon(t, math.Sqrt(off/norm), r.Error, 1e-3)
	require.InEpsilon(t, math.Sqrt(off/update), r.UpdateError, 1e-3)
	require.Less(t, r.Error, 0.1)
	requireQuantization(t, out, true)
	requireQuantization(t, plain, false)

	adapted, err := Evaluate(ctx, evalConfig(t, model, adapter))
	require.NoError(t, err)
	exact, err := Evaluate(ctx, evalConfig(t, plain, ""))
	require.NoError(t, err)
	require.InEpsilon(t, adapted.Loss, exact.Loss, 1e-5, "the unpacked merged model is the adapted one")
	rounded, err := Evaluate(ctx, evalConfig(t, out, ""))
	require.NoError(t, err)
	require.InEpsilon(t, adapted.Loss, rounded.Loss, 0.05)
}

func requireQuantization(t *testing.T, dir string, there bool) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	var c map[string]any
	require.NoError(t, json.Unmarshal(raw, &c))
	require.Equal(t, there, c["quantization"] != nil)
}

// What a quantised model cannot do is refused with the way out.
func TestQuantizedRefusals(t *testing.T) {
	model, adapter := trainedFrom(t, quantTrajectory, 4)
	ctx := context.Background()
	cfg := evalConfig(t, model, "")
	cfg.FineTuneType, cfg.AdapterPath, cfg.ValSplit, cfg.MaxSeqLength = "full", t.TempDir(), 0, 32
	err := Run(ctx, cfg, func(Event) {})
	require.ErrorContains(t, err, `tensor "model.embed_tokens.weight" is quantized, and such weights do not train: set fine_tune_type to lora`)
	plain, _ := trained(t)
	_, err = Fuse(ctx, FuseOptions{Model: plain, AdapterPath: adapter, SavePath: t.TempDir(), Dequantize: true})
	require.ErrorContains(t, err, "is not quantized")
}

// The plan of a step counts packed weights as they lie in the file, and the run
// counts the parameters that they stand for.
func TestQuantizedPlan(t *testing.T) {
	model, _ := trainedFrom(t, quantTrajectory, 4)
	cfg := evalConfig(t, model, "")
	cfg.MaxSeqLength, cfg.Rank = 32, 4
	plan, err := Predict(context.Background(), cfg)
	require.NoError(t, err)
	files, err := weights.OpenDir(model)
	require.NoError(t, err)
	defer files.Close()
	require.Equal(t, files.TotalBytes(), plan.WeightBytes)
	s, err := openModel(context.Background(), cfg)
	require.NoError(t, err)
	defer s.close()
	const d, kv, mlp, vocab = 64, 32, 96, 160
	block := 2*d*d + 2*d*kv + 3*d*mlp + 2*d
	require.Equal(t, int64(2*vocab*d+d+2*block+s.set.Size), s.total())
}
