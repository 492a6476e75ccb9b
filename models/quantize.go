package models

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/internal/atomicfile"
	"github.com/ftmetal/ftmetal/metal"
)

// QuantizeOptions says what Quantize makes of a model.
type QuantizeOptions struct {
	Model, SavePath string
	As              graph.Quantization // zero fields: the mode's defaults
	Recipe          string             // one of Recipes instead of As.Bits
	Dequantize      bool               // unpack a quantised model instead
	DType           string             // of what stays floats, scales included; "": torch_dtype of config.json, or as it is
	MaxShardBytes   int64              // 0: weights.DefaultShardBytes
}

// recipe gives most layers low bits, and some that matter more high ones.
type recipe struct{ low, high int }

var recipes = map[string]recipe{"mixed_2_6": {2, 6}, "mixed_3_4": {3, 4}, "mixed_3_6": {3, 6}, "mixed_4_6": {4, 6}}

// Recipes are the names of mixtures of bits, which are mlx-lm's.
func Recipes() []string { return slices.Sorted(maps.Keys(recipes)) }

// Quantize writes a quantised copy of a model folder, or an unpacked copy of a
// quantised one, as mlx_lm.convert does: every embedding and linear layer whose
// rows are a number of groups. A tensor is read, rounded and written before the
// next one. SavePath must not be there, or be empty; it appears when it is
// complete. rt is the default runtime.
func Quantize(ctx context.Context, rt *graph.Runtime, opt QuantizeOptions) (r SaveReport, err error) {
	err = graph.Try(func() (err error) { r, err = quantize(ctx, rt, opt); return err })
	return r, err
}

func quantize(ctx context.Context, rt *graph.Runtime, opt QuantizeOptions) (r SaveReport, err error) {
	if _, ok := recipes[opt.Recipe]; opt.Recipe != "" && (!ok || opt.As.Bits != 0 || opt.As.Mode != "" && opt.As.Mode != graph.QuantAffine) {
		return r, fmt.Errorf("quantize: recipe %q with bits %d and mode %q: want one of %s, without bits and in mode affine",
			opt.Recipe, opt.As.Bits, opt.As.Mode, strings.Join(Recipes(), ", "))
	}
	if opt.As, err = opt.As.Resolved(); err != nil {
		return r, fmt.Errorf("quantize: %w", err)
	}
	f, err := Load(opt.Model, rt)
	if err != nil {
		return r, err
	}
	defer f.Close()
	switch quantized := f.Info.Quantization != nil; {
	case quantized && !opt.Dequantize:
		return r, fmt.Errorf("quantize: model %s is quantized already; rounding it again would only add error: unpack it with --dequantize if you must", opt.Model)
	case !quantized && opt.Dequantize:
		return r, fmt.Errorf("quantize: model %s is not quantized", opt.Model)
	}
	save, entries, err := f.quantizing(opt)
	if err != nil {
		return r, err
	}
	err = intoFolder(opt.SavePath, func(dir string) error {
		if r, err = f.Save(ctx, dir, save); err != nil {
			return err
		}
		if r.Quantized == 0 && !opt.Dequantize {
			return fmt.Errorf("quantize: no weight of model %s has rows of a number of groups of %d", opt.Model, opt.As.GroupSize)
		}
		return CopyFiles(opt.Model, dir, func(config map[string]any) {
			if !save.AsIs {
				SetDType(config, save.DType)
			}
			delete(config, "quantization")
			delete(config, "quantization_config")
			if !opt.Dequantize {
				config["quantization"], config["quantization_config"] = entries, entries
			}
		})
	})
	return r, err
}

// quantizing is how to save the folder, and what config.json will say, which is
// complete after that.
func (f *Folder) quantizing(opt QuantizeOptions) (save SaveOptions, entries map[string]any, err error) {
	save = SaveOptions{AsIs: true, Unpack: true, MaxShardBytes: opt.MaxShardBytes}
	name := opt.DType
	if name == "" {
		name = f.Info.TorchDType
	}
	if dt, err := metal.ParseDType(name); err == nil && (dt == metal.Float32 || dt == metal.Float16 || dt == metal.BFloat16) {
		save.DType, save.AsIs = dt, false
	} else if opt.DType != "" {
		return save, nil, fmt.Errorf("quantize: dtype is %q, want float32, float16 or bfloat16", opt.DType)
	}
	if opt.Dequantize {
		return save, nil, nil
	}
	entries = entryOf(opt.As)
	bits := func(string) int { return opt.As.Bits }
	if opt.Recipe != "" {
		if bits, err = f.recipeBits(recipes[opt.Recipe]); err != nil {
			return save, nil, err
		}
	}
	save.Format = func(layer string, _, in int) *graph.Quantization {
		if in%opt.As.GroupSize != 0 {
			return nil
		}
		as := opt.As
		as.Bits = bits(layer)
		if opt.Recipe != "" {
			entries[layer] = entryOf(as)
		}
		return &as
	}
	return save, entries, nil
}

// entryOf is a quantisation in config.json.
func entryOf(as graph.Quantization) map[string]any {
	return map[string]any{"group_size": as.GroupSize, "bits": as.Bits, "mode": string(as.Mode)}
}

// recipeBits chooses as mlx_lm.convert does (and llama.cpp's Q4_K_M before it):
// high bits for the values and the last product of the first and last eighths of
// the blocks and of every third block between, and for the head.
func (f *Folder) recipeBits(r recipe) (func(layer string) int, error) {
	at := -1 // where a layer's name has the number of its block
	for _, m := range f.Matrices() {
		if strings.Contains(m.Name, "down_proj") {
			at = slices.IndexFunc(strings.Split(m.Name, "."), func(s string) bool { _, err := strconv.Atoi(s); return err == nil })
			break
		}
	}
	if at < 0 {
		return nil, errors.New("quantize: recipes are for models with layers called down_proj")
	}
	n := f.Model.Blocks()
	return func(layer string) int {
		block := 0
		if parts := strings.Split(layer, "."); len(parts) > at {
			block, _ = strconv.Atoi(parts[at]) // no number: as block 0
		}
		more := block < n/8 || block >= 7*n/8 || (block-n/8)%3 == 2
		if more && (strings.Contains(layer, "v_proj") || strings.Contains(layer, "down_proj")) || strings.Contains(layer, "lm_head") {
			return r.high
		}
		return r.low
	}, nil
}

// intoFolder makes a folder by fill, which gets one of another name beside it:
// path appears when it is complete, and not at all on an error.
func intoFolder(path string, fill func(dir string) error) error {
	path = filepath.Clean(path)
	if all, err := os.ReadDir(path); err == nil && len(all) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("save_path %s is there already; give another one, or remove it", path)
	}
	parent, base := filepath.Split(path)
	if parent == "" {
		parent = "."
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, "."+base+".*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := fill(tmp); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // an empty folder
		return err
	}
	return os.Rename(tmp, path)
}

// CopyFiles copies everything of a model folder but its weights; edit changes
// config.json on the way.
func CopyFiles(from, to string, edit func(config map[string]any)) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || strings.HasSuffix(name, ".safetensors") || strings.HasSuffix(name, ".safetensors.index.json") ||
			strings.HasSuffix(name, ".bin") || strings.HasSuffix(name, ".gguf") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if name == "config.json" {
			if raw, err = edited(raw, edit); err != nil {
				return fmt.Errorf("%s: %w", filepath.Join(from, name), err)
			}
		}
		if err := atomicfile.Write(filepath.Join(to, name), 0o644, func(w io.Writer) error { _, err := w.Write(raw); return err }); err != nil {
			return err
		}
	}
	return nil
}

// edited is a JSON object with changes; numbers keep their digits.
func edited(raw []byte, edit func(map[string]any)) ([]byte, error) {
	var m map[string]any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		return nil, err
	}
	edit(m)
	out, err := json.MarshalIndent(m, "", "  ")
	return append(out, '\n'), err
}

// SetDType notes the dtype of weights in a config.json: as torch_dtype, and as
// dtype where that is there.
func SetDType(config map[string]any, dt metal.DType) {
	config["torch_dtype"] = dt.String()
	if _, ok := config["dtype"]; ok {
		config["dtype"] = dt.String()
	}
}
