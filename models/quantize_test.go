package models_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/stretchr/testify/require"
)

// conversion is what mlx_lm.convert -q made of a recorded model:
// tools/golden/quantized.py.
type conversion struct {
	Model        string
	DType        string
	Bits         int
	GroupSize    int `json:"group_size"`
	Mode, Recipe string
	Quantization json.RawMessage
	Tensors      map[string][3]any // dtype, shape, hash
}

// plainModel is the folder of a recorded model, with another file in it.
func plainModel(t *testing.T, name string) string {
	t.Helper()
	d := newDamaged(t, name)
	require.NoError(t, d.load())
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "tokenizer_config.json"), []byte("{}"), 0o600))
	return d.dir
}

func quantize(t *testing.T, opt models.QuantizeOptions) (models.SaveReport, error) {
	t.Helper()
	rt, err := graph.Default()
	require.NoError(t, err)
	return models.Quantize(context.Background(), rt, opt)
}

// Every word, scale and bias is the one that mlx-lm writes, and so is the entry in
// config.json.
func TestQuantizeAsMLX(t *testing.T) {
	raw, err := os.ReadFile("testdata/quantized.json")
	require.NoError(t, err)
	var all []conversion
	require.NoError(t, json.Unmarshal(raw, &all))
	require.NotEmpty(t, all)
	for i, c := range all {
		if i%2 == 1 { // in slices of a few rows
			defer models.SetSliceElements(700)()
		}
		out := filepath.Join(t.TempDir(), "out")
		r, err := quantize(t, models.QuantizeOptions{Model: plainModel(t, c.Model), SavePath: out, DType: c.DType, Recipe: c.Recipe,
			As: graph.Quantization{Bits: c.Bits, GroupSize: c.GroupSize, Mode: graph.QuantMode(c.Mode)}, MaxShardBytes: 20 << 10})
		require.NoError(t, err)
		got, err := weights.OpenDir(out)
		require.NoError(t, err)
		require.Len(t, got.Names(), len(c.Tensors))
		var bytes int64
		for name, want := range c.Tensors {
			x, ok := got.Lookup(name)
			require.True(t, ok, name)
			hash := sha256.Sum256(x.Data)
			text, err := json.Marshal([3]any{x.DType.String(), x.Shape, hex.EncodeToString(hash[:8])})
			require.NoError(t, err)
			wanted, err := json.Marshal(want)
			require.NoError(t, err)
			require.Equal(t, string(wanted), string(text), "%s of %s, %d bits %s%s", name, c.Model, c.Bits, c.Mode, c.Recipe)
			bytes += int64(len(x.Data))
		}
		require.Equal(t, bytes, r.Bytes)
		require.Positive(t, r.Quantized)
		require.InDelta(t, 0.2, r.Error, 0.199)
		require.NoError(t, got.Close())
		config := configOf(t, out)
		for _, key := range []string{"quantization", "quantization_config"} {
			text, err := json.Marshal(config[key])
			require.NoError(t, err)
			require.JSONEq(t, string(c.Quantization), string(text))
		}
		require.FileExists(t, filepath.Join(out, "tokenizer_config.json"))
		rt, err := graph.Default()
		require.NoError(t, err)
		f, err := models.Load(out, rt)
		require.NoError(t, err)
		require.Equal(t, r.Parameters, f.Parameters())
		f.Close()
	}
}

func configOf(t *testing.T, dir string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, json.Unmarshal(raw, &config))
	return config
}

// Unpacked weights are what the quantised ones stand for: the model says the same.
func TestDequantize(t *testing.T) {
	defer models.SetSliceElements(900)()
	ctx := context.Background()
	for _, name := range []string{"quant_affine", "quant_nvfp4"} {
		out := filepath.Join(t.TempDir(), "deeper", "out")
		_, err := quantize(t, models.QuantizeOptions{Model: plainModel(t, name), SavePath: out, Dequantize: true})
		require.NoError(t, err)
		require.NotContains(t, configOf(t, out), "quantization")
		rt, err := graph.Default()
		require.NoError(t, err)
		dense, err := models.Load(out, rt)
		require.NoError(t, err)
		packed, _, io := loadGolden(t, "testdata", name)
		require.Equal(t, packed.Parameters(), dense.Parameters())
		ids, shape := tensorOf[int32](t, io, "input_ids")
		want, _ := tensorOf[float32](t, io, "logits")
		got, err := graph.Read[float32](ctx, dense.Model.Logits(dense.Model.Hidden(nn.Input{Tokens: graph.FromSlice(ids, shape...)})))
		require.NoError(t, err)
		requireClose(t, want, got)
		dense.Close()
	}
}

// A conversion that fails leaves no folder, and none begins that cannot end well.
func TestQuantizeRefuses(t *testing.T) {
	plain, packed := plainModel(t, "llama"), plainModel(t, "quant_head")
	full := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "x"), nil, 0o600))
	broken := newDamaged(t, "llama")
	require.NoError(t, broken.load())
	path := filepath.Join(broken.dir, "tokenizer.json")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink("nowhere", path))
	for want, opt := range map[string]models.QuantizeOptions{
		"is quantized already":                        {Model: packed},
		"llama is not quantized":                      {Model: plain, Dequantize: true},
		"bits are 7, affine has":                      {Model: plain, As: graph.Quantization{Bits: 7}},
		"no weight of model":                          {Model: plain, As: graph.Quantization{GroupSize: 128}},
		`recipe "mixed"`:                              {Model: plain, Recipe: "mixed"},
		`recipe "mixed_3_6" with bits 4`:              {Model: plain, Recipe: "mixed_3_6", As: graph.Quantization{Bits: 4}},
		`recipe "mixed_3_6" with bits 0 and mode "mx`: {Model: plain, Recipe: "mixed_3_6", As: graph.Quantization{Mode: graph.QuantMXFP4}},
		`dtype is "int8"`:                             {Model: plain, DType: "int8", As: graph.Quantization{GroupSize: 32}},
		"config.json: no such file":                   {Model: filepath.Join(plain, "no")},
		"is there already":                            {Model: plain, SavePath: full, As: graph.Quantization{GroupSize: 32}},
		"tokenizer.json: no such file":                {Model: broken.dir, As: graph.Quantization{GroupSize: 32}},
	} {
		parent := t.TempDir()
		if opt.SavePath == "" {
			opt.SavePath = filepath.Join(parent, "out")
		}
		_, err := quantize(t, opt)
		require.ErrorContains(t, err, strings.Replace(want, "llama", plain, 1))
		left, err := os.ReadDir(parent)
		require.NoError(t, err)
		require.Empty(t, left, want)
	}
	_, err := quantize(t, models.QuantizeOptions{Model: plain, SavePath: t.TempDir(), As: graph.Quantization{GroupSize: 32}})
	require.NoError(t, err, "an empty folder may be there")
	require.Equal(t, []string{"mixed_2_6", "mixed_3_4", "mixed_3_6", "mixed_4_6"}, models.Recipes())
}
