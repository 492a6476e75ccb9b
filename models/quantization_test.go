package models_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/stretchr/testify/require"
)

// The loss through a quantised head is that of its logits.
func TestQuantizedLoss(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"quant_affine", "quant_head", "quant_nvfp4"} {
		f, _, io := loadGolden(t, "testdata", name)
		ids, shape := tensorOf[int32](t, io, "input_ids")
		targets := append(append([]int32{}, ids[1:]...), -1)
		h := f.Model.Hidden(nn.Input{Tokens: graph.FromSlice(ids, shape...)})
		want, err := graph.Read[float32](ctx, graph.CrossEntropy(f.Model.Logits(h), graph.FromSlice(targets, len(targets))))
		require.NoError(t, err)
		got, err := graph.Read[float32](ctx, f.Model.CrossEntropy(h, graph.FromSlice(targets, len(targets))))
		require.NoError(t, err)
		requireClose(t, want, got)
		require.NotZero(t, f.Model.HeadSize())
		require.Equal(t, metal.Float32, f.DType)
		require.NoError(t, f.Convert(ctx, metal.BFloat16))
		low := f.Model.CrossEntropy(f.Model.Hidden(nn.Input{Tokens: graph.FromSlice(ids, shape...)}), graph.FromSlice(targets, len(targets)))
		got, err = graph.Read[float32](ctx, low)
		require.NoError(t, err)
		require.InDeltaSlice(t, want, got, 0.1, "in bfloat16")
	}
}

// damaged is a quantised model folder that a case may change before it is loaded.
type damaged struct {
	t       *testing.T
	dir     string
	config  map[string]any
	tensors map[string]weights.Tensor
}

func newDamaged(t *testing.T, name string) *damaged {
	t.Helper()
	d := &damaged{t: t, dir: t.TempDir(), tensors: map[string]weights.Tensor{}}
	raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	require.NoError(t, err)
	var recording struct{ Config map[string]any }
	require.NoError(t, json.Unmarshal(raw, &recording))
	d.config = recording.Config
	f, err := weights.Open(filepath.Join("testdata", name+".safetensors"))
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	for _, x := range f.Tensors() {
		d.tensors[x.Name] = x
	}
	return d
}

// quantization is the group of config.json.
func (d *damaged) quantization() map[string]any { return d.config["quantization"].(map[string]any) }

// shape gives a tensor another shape, and zeros.
func (d *damaged) shape(name string, dt metal.DType, shape ...int) {
	n := dt.Size()
	for _, s := range shape {
		n *= s
	}
	d.tensors[name] = weights.Tensor{Name: name, DType: dt, Shape: shape, Data: make([]byte, n)}
}

func (d *damaged) load() error {
	raw, err := json.Marshal(d.config)
	require.NoError(d.t, err)
	require.NoError(d.t, os.WriteFile(filepath.Join(d.dir, "config.json"), raw, 0o600))
	var all []weights.Tensor
	for _, x := range d.tensors {
		all = append(all, x)
	}
	require.NoError(d.t, weights.WriteFile(filepath.Join(d.dir, "model.safetensors"), all, nil))
	rt, err := graph.Default()
	require.NoError(d.t, err)
	f, err := models.Load(d.dir, rt)
	if err == nil {
		f.Close()
	}
	return err
}

const someLayer = "model.layers.0.self_attn.q_proj"

// Configuration and tensors that contradict each other are refused by name.
func TestQuantizationMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(d *damaged)
		want   string
	}{
		"whole": {func(d *damaged) {}, ""},
		"copy of config": {func(d *damaged) {
			d.config["quantization_config"] = d.config["quantization"]
			delete(d.config, "quantization")
		}, ""},
		"other entries": {func(d *damaged) { d.quantization()["linear_class"] = "x"; d.quantization()["mode"] = nil }, ""},
		"no entry": {func(d *damaged) { delete(d.quantization(), "model.layers.0.self_attn.k_proj") },
			""}, // its tensors say how
		"general way of other bits": {func(d *damaged) { d.quantization()["bits"] = 8 }, ""},
		"no config": {func(d *damaged) { delete(d.config, "quantization") },
			`model.safetensors: tensor "model.embed_tokens.scales" belongs to a quantized weight, and config.json has no quantization`},
		"no scales": {func(d *damaged) { delete(d.tensors, someLayer+".scales") },
			`model.safetensors: tensor "` + someLayer + `.weight" has shape [64 8], want [64 64] by config.json`},
		"no scales of a named layer": {func(d *damaged) { delete(d.tensors, "model.layers.0.self_attn.k_proj.scales") },
			`tensor "model.layers.0.self_attn.k_proj.scales" is missing, which belongs to a weight quantized by config.json`},
		"no biases": {func(d *damaged) { delete(d.tensors, someLayer+".biases") }, `tensor "` + someLayer + `.biases" is missing`},
		"no words":  {func(d *damaged) { delete(d.tensors, someLayer+".weight") }, `tensor "` + someLayer + `.weight" is missing`},
		"floats":    {func(d *damaged) { d.shape(someLayer+".weight", metal.Float32, 64, 64) }, `model.safetensors: tensor "` + someLayer + `.weight" is float32, want uint32`},
		"wrong words": {func(d *damaged) { d.shape(someLayer+".weight", metal.Uint32, 64, 9) },
			`model.safetensors: tensor "` + someLayer + `.weight" has shape [64 9], want [64 8] for a weight [64 64] of 4 bits in groups of 32 by config.json`},
		"wrong rows": {func(d *damaged) { d.shape(someLayer+".scales", metal.Float32, 32, 2) },
			`tensor "` + someLayer + `.scales" has shape [32 2], want [64 2]`},
		"wrong biases":  {func(d *damaged) { d.shape(someLayer+".biases", metal.Float32, 64, 1) }, `tensor "` + someLayer + `.biases" has shape [64 1], want [64 2]`},
		"named bits":    {func(d *damaged) { d.quantization()[someLayer] = map[string]any{"group_size": 32, "bits": 8} }, `has shape [64 8], want [64 16] for a weight [64 64] of 8 bits`},
		"integer scale": {func(d *damaged) { d.shape(someLayer+".scales", metal.Int32, 64, 2) }, `tensor "` + someLayer + `.scales" is int32, want float32, float16 or bfloat16`},
		"scales of another mode": {func(d *damaged) { d.shape("model.layers.1.mlp.down_proj.scales", metal.Float32, 64, 3) },
			`model.safetensors: tensor "model.layers.1.mlp.down_proj.scales" is float32, want uint8 in mode mxfp8`},
		"unsupported bits":  {func(d *damaged) { d.quantization()["bits"] = 7 }, "config.json: quantization: bits are 7, affine has [2 3 4 5 6 8]"},
		"unsupported group": {func(d *damaged) { d.quantization()["group_size"] = 16 }, "config.json: quantization: the group size is 16, affine has [32 64 128]"},
		"unsupported mode":  {func(d *damaged) { d.quantization()["mode"] = "int4" }, `config.json: quantization: quantization mode is "int4"`},
		"bits of a layer": {func(d *damaged) { d.quantization()[someLayer] = map[string]any{"bits": 1} },
			"config.json: quantization: " + someLayer + ": bits are 1, affine has [2 3 4 5 6 8]"},
		"bits missing":   {func(d *damaged) { delete(d.quantization(), "bits") }, "config.json: quantization: bits is missing"},
		"bits are words": {func(d *damaged) { d.quantization()["bits"] = "four" }, `config.json: quantization: bits is "four", want a whole number`},
		"negative bits":  {func(d *damaged) { d.quantization()["bits"] = -4 }, "config.json: quantization: bits are -4 and group_size is 32, want positive numbers"},
		"a list":         {func(d *damaged) { d.config["quantization"] = []int{4} }, "config.json: quantization: "},
		"another tool": {func(d *damaged) {
			d.config["quantization_config"] = map[string]any{"quant_method": "awq", "bits": 4, "group_size": 128}
			delete(d.config, "quantization")
		}, `config.json: quantization_config.quant_method is "awq", which is not supported`},
		"activations": {func(d *damaged) { d.config["quantize_activations"] = true }, "config.json: quantize_activations is true"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDamaged(t, "quant_affine")
			c.damage(d)
			err := d.load()
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.True(t, strings.HasPrefix(err.Error(), "model "+d.dir+": "), err)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// A model of random weights is one of floats.
func TestRandomRefusesQuantization(t *testing.T) {
	d := newDamaged(t, "quant_head")
	raw, err := json.Marshal(d.config)
	require.NoError(t, err)
	path := filepath.Join(d.dir, "config.json")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	_, err = models.Random(path, nil, 0)
	require.ErrorContains(t, err, "config.json asks for quantized weights")
}

// A token reads every weight, and of an embedding that makes no logits one row.
func TestTokenBytes(t *testing.T) {
	for name, tied := range map[string]bool{"llama": true, "mistral": false, "quant_affine": true, "quant_head": false} {
		f, _, _ := loadGolden(t, "testdata", name)
		require.Equal(t, tied, f.Model.Tied(), name)
		want := int64(0)
		for _, file := range f.Files.Files() {
			for _, x := range file.Tensors() {
				n := int64(len(x.Data))
				if !tied && strings.HasPrefix(x.Name, "model.embed_tokens.") {
					n /= int64(x.Shape[0])
				}
				want += n
			}
		}
		require.Equal(t, want, f.TokenBytes(), name)
		require.Positive(t, want)
	}
}

// Weights in a block are those of the files, or converted ones; where the budget has
// no room for a block they stay mapped.
func TestHold(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"llama", "quant_affine"} {
		for _, dt := range []metal.DType{metal.Float32, metal.BFloat16} {
			plain, _, _ := loadGolden(t, "testdata", name)
			require.NoError(t, plain.Convert(ctx, dt))
			held, _, _ := loadGolden(t, "testdata", name)
			require.NoError(t, held.Hold(ctx, dt))
			require.Equal(t, dt, held.DType)
			for i, p := range nn.Params(plain.Model) {
				q := nn.Params(held.Model)[i]
				require.Equal(t, p.Name, q.Name)
				require.Equal(t, p.Array.DType(), q.Array.DType(), p.Name)
				want, err := graph.Bytes(ctx, p.Array)
				require.NoError(t, err)
				got, err := graph.Bytes(ctx, q.Array)
				require.NoError(t, err)
				require.Equal(t, want, got, p.Name)
			}
			require.Equal(t, plain.TokenBytes(), held.TokenBytes())
		}
	}
	f, _, _ := loadGolden(t, "testdata", "llama")
	require.ErrorContains(t, f.Hold(ctx, metal.Int32), "dtype int32, want float32")
}

func TestHoldWithoutRoom(t *testing.T) {
	dir := t.TempDir()
	raw, err := os.ReadFile(filepath.Join("testdata", "llama.safetensors"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), raw, 0o600))
	_, g, _ := loadGolden(t, "testdata", "llama")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), g.Config, 0o600))
	rt, err := graph.NewRuntime("soft", 1<<14)
	require.NoError(t, err)
	defer rt.Close()
	f, err := models.Load(dir, rt)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Hold(context.Background(), f.DType))
	require.Zero(t, rt.Pool.Usage().Active)
}
