package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/internal/atomicfile"
	"github.com/stretchr/testify/require"
)

// bench is a model and data folder that a case may damage.
type bench struct {
	t           *testing.T
	model, data string
}

func newBench(t *testing.T) *bench {
	model, data := tiny(t, "llama_fp32_lora_adam")
	return &bench{t, model, data}
}

func (b *bench) write(path, text string) {
	require.NoError(b.t, os.WriteFile(path, []byte(text), 0o600))
}

// header replaces the JSON header of the model's weights; the data stays.
func (b *bench) header(edit func(h map[string]any)) {
	path := filepath.Join(b.model, "model.safetensors")
	raw, err := os.ReadFile(path)
	require.NoError(b.t, err)
	n := binary.LittleEndian.Uint64(raw)
	var h map[string]any
	require.NoError(b.t, json.Unmarshal(raw[8:8+n], &h))
	edit(h)
	text, err := json.Marshal(h)
	require.NoError(b.t, err)
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	require.NoError(b.t, os.WriteFile(path, append(append(out, text...), raw[8+n:]...), 0o600))
}

// config changes one key of config.json.
func (b *bench) config(key string, value any) {
	path := filepath.Join(b.model, "config.json")
	raw, err := os.ReadFile(path)
	require.NoError(b.t, err)
	var c map[string]any
	require.NoError(b.t, json.Unmarshal(raw, &c))
	c[key] = value
	text, err := json.Marshal(c)
	require.NoError(b.t, err)
	b.write(path, string(text))
}

const someTensor = "model.layers.0.mlp.up_proj.weight"

var badInputs = map[string]struct {
	damage func(b *bench)
	args   string
	want   []string // each is part of the error
}{
	"truncated weights": {func(b *bench) {
		path := filepath.Join(b.model, "model.safetensors")
		info, err := os.Stat(path)
		require.NoError(b.t, err)
		require.NoError(b.t, os.Truncate(path, info.Size()-5))
	}, "", []string{"model.safetensors: truncated: tensor "}},
	"absurd header size": {func(b *bench) {
		b.write(filepath.Join(b.model, "model.safetensors"), "\xff\xff\xff\xff\xff\xff\xff\x7f{}")
	}, "", []string{"model.safetensors: header"}},
	"overlapping tensors": {func(b *bench) {
		b.header(func(h map[string]any) {
			at := h[someTensor].(map[string]any)["data_offsets"].([]any)
			at[0], at[1] = at[0].(float64)-4, at[1].(float64)-4
		})
	}, "", []string{"model.safetensors: tensor ", "inside tensor"}},
	"missing tensor": {func(b *bench) {
		b.header(func(h map[string]any) { h["other"] = h[someTensor]; delete(h, someTensor) })
	}, "", []string{`tensor "` + someTensor + `" is missing`}},
	"wrong shape": {func(b *bench) {
		b.header(func(h map[string]any) { h[someTensor].(map[string]any)["shape"] = []int{64, 96} })
	}, "", []string{`tensor "` + someTensor + `" has shape [64 96], want [96 64] by config.json`}},
	"missing shard": {func(b *bench) {
		where := map[string]string{"lm_head.weight": "model-00002-of-00002.safetensors"}
		b.header(func(h map[string]any) {
			for name := range h {
				where[name] = "model-00001-of-00002.safetensors"
			}
		})
		require.NoError(b.t, os.Rename(filepath.Join(b.model, "model.safetensors"), filepath.Join(b.model, "model-00001-of-00002.safetensors")))
		text, err := json.Marshal(map[string]any{"weight_map": where})
		require.NoError(b.t, err)
		b.write(filepath.Join(b.model, "model.safetensors.index.json"), string(text))
	}, "", []string{"model-00002-of-00002.safetensors"}},
	"no weights":           {func(b *bench) { require.NoError(b.t, os.Remove(filepath.Join(b.model, "model.safetensors"))) }, "", []string{"safetensors"}},
	"NaN weights":          {damageFloat, "", []string{"model.safetensors: tensor ", "is NaN, want a finite number"}},
	"unknown architecture": {func(b *bench) { b.config("model_type", "abacus") }, "", []string{`config.json: model_type "abacus" is not supported (there are: llama,`}},
	"quantized weights": {func(b *bench) { b.config("quantization", map[string]int{"bits": 7, "group_size": 64}) },
		"", []string{"config.json: quantization: bits are 7, affine has [2 3 4 5 6 8]"}},
	"broken config":     {func(b *bench) { b.write(filepath.Join(b.model, "config.json"), `{"model_type": `) }, "", []string{"config.json: unexpected end of JSON input"}},
	"impossible config": {func(b *bench) { b.config("num_attention_heads", 0) }, "", []string{"config.json: num_attention_heads is 0, want a positive number"}},
	"no model folder":   {func(b *bench) { b.model += "-no" }, "", []string{"config.json: no such file or directory"}},
	"no data folder":    {func(b *bench) { b.data += "-no" }, "", []string{"-no"}},
	"empty data":        {func(b *bench) { b.write(filepath.Join(b.data, "train.jsonl"), "\n") }, "", []string{"train.jsonl"}},
	"broken line": {func(b *bench) {
		b.write(filepath.Join(b.data, "train.jsonl"), "{\"input_ids\": [1, 2, 3]}\n{\"input_ids\": [1, 2\n")
	}, "", []string{"train.jsonl:2"}},
	"unknown row": {func(b *bench) { b.write(filepath.Join(b.data, "train.jsonl"), "{\"question\": \"?\"}\n") }, "", []string{"train.jsonl:1", "question"}},
	"token id out of range": {func(b *bench) { b.write(filepath.Join(b.data, "train.jsonl"), "{\"input_ids\": [1, 160, 3]}\n") },
		"", []string{"train.jsonl:1", "160"}},
	"text without a tokenizer": {func(b *bench) { b.write(filepath.Join(b.data, "train.jsonl"), "{\"text\": \"hello\"}\n") }, "", []string{"tokenizer"}},
	"sequence too long":        {func(b *bench) {}, "--max-seq-length 16", []string{"train.jsonl:", "16"}},
	"unsupported tokenizer": {func(b *bench) {
		b.write(filepath.Join(b.model, "tokenizer.json"), `{"model":{"type":"Telepathy"}}`)
	}, "", []string{"tokenizer.json", "Telepathy"}},
	"budget too small":       {func(b *bench) {}, "--memory-limit 100KB", []string{"a step of 512 tokens needs ", "memory_limit is 97.66 KiB"}},
	"a cache of what trains": {func(b *bench) {}, "--cache-frozen memory --num-layers 9", []string{"cache_frozen is memory, but every layer trains: num_layers is 9 and the model has 2 layers"}},
	"a cache over data":      {func(b *bench) {}, "--cache-frozen DATA/train.jsonl --num-layers 1", []string{"train.jsonl: is a file of another kind, and is left as it is"}},
	"a cache too large":      {func(b *bench) {}, "--cache-frozen memory --num-layers 1 --memory-limit 300KB", []string{"are the cache of the frozen layers: name a file as cache_frozen"}},
	"unknown device":         {func(b *bench) {}, "--device abacus", []string{`unknown device "abacus"`}},
	"bad keys":               {func(b *bench) {}, "--lora-parameters.keys self_attn.x_proj", []string{`no layer is called "self_attn.x_proj"`}},
	"no checkpoint":          {func(b *bench) {}, "--resume nowhere", []string{"checkpoint nowhere", "no such file or directory"}},
	"adapter of another model": {func(b *bench) {
		b.write(filepath.Join(b.model, "a.safetensors"), "\x40\x00\x00\x00\x00\x00\x00\x00"+fmt.Sprintf("%-64s", `{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`)+"!")
	}, "--resume-adapter-file MODEL/a.safetensors", []string{`a.safetensors: tensor "x" does not belong to what is trained here`}},
}

// damageFloat makes the last weight of the file a NaN.
func damageFloat(b *bench) {
	path := filepath.Join(b.model, "model.safetensors")
	raw, err := os.ReadFile(path)
	require.NoError(b.t, err)
	copy(raw[len(raw)-4:], []byte{0, 0, 0xc0, 0x7f})
	require.NoError(b.t, os.WriteFile(path, raw, 0o600))
}

// Bad input gives one line that names the file and the reason, exit code 1, and
// leaves nothing behind.
func TestBadInput(t *testing.T) {
	for name, c := range badInputs {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			c.damage(b)
			out := filepath.Join(t.TempDir(), "adapters")
			args := strings.Fields("ftmetal train --model " + b.model + " --data " + b.data + " --adapter-path " + out +
				" --iters 2 --max-seq-length 512 " + strings.NewReplacer("MODEL", b.model, "DATA", b.data).Replace(c.args))
			var stdout, stderr strings.Builder
			require.Equal(t, 1, newApp(strings.NewReader(""), &stdout, &stderr).run(args), stdout.String())
			text := stderr.String()
			require.Equal(t, 1, strings.Count(text, "\n"), text)
			for _, w := range c.want {
				require.Contains(t, text, w)
			}
			require.NoDirExists(t, out)
		})
	}
}

// A full disk while saving is reported with the file, and the checkpoints from
// before are as they were.
func TestDiskFullWhileSaving(t *testing.T) {
	b := newBench(t)
	out := filepath.Join(t.TempDir(), "adapters")
	run := func(args ...string) (int, string) {
		var stdout, stderr strings.Builder
		code := newApp(strings.NewReader(""), &stdout, &stderr).run(append(strings.Fields("ftmetal train --model "+b.model+" --data "+b.data+" --adapter-path "+out+
			" --max-seq-length 64 --save-every 2"), args...))
		return code, stderr.String()
	}
	code, text := run("--iters", "2")
	require.Zero(t, code, text)
	before := files(t, out)
	t.Run("full", func(t *testing.T) {
		atomicfile.DiskFullAfter(t, 1000)
		code, text := run("--iters", "4", "--resume", "auto")
		require.Equal(t, 1, code)
		require.Equal(t, 1, strings.Count(text, "\n"), text)
		require.Contains(t, text, "no space left on device")
		require.Contains(t, text, "checkpoints/0000004")
	})
	require.Equal(t, before, files(t, out), "what was saved before is untouched, and no half of a checkpoint is left")
}
