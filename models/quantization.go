package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/weights"
)

// Quantization is what config.json says of quantised weights, in MLX's form: how
// layers are quantised in general, and those by name that differ.
type Quantization struct {
	graph.Quantization
	Layers map[string]LayerQuantization
}

// LayerQuantization is the entry of a layer.
type LayerQuantization struct {
	Off bool                // not quantised
	As  *graph.Quantization // nil with Off unset: in the general way
}

// quantizationOf reads the quantisation of a config.json; nil: none.
func quantizationOf(raw []byte) (*Quantization, error) {
	var c struct {
		Quantization       map[string]json.RawMessage `json:"quantization"`
		QuantizationConfig map[string]json.RawMessage `json:"quantization_config"`
		Activations        bool                       `json:"quantize_activations"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("config.json: quantization: %w", err)
	}
	if c.Activations {
		return nil, errors.New("config.json: quantize_activations is true, which is not supported")
	}
	key, keys := "quantization", c.Quantization
	if keys == nil { // files for Hugging Face have a copy under this name
		key, keys = "quantization_config", c.QuantizationConfig
	}
	if keys == nil {
		return nil, nil
	}
	if method, ok := keys["quant_method"]; ok {
		return nil, fmt.Errorf("config.json: %s.quant_method is %s, which is not supported (there is MLX's form: group_size, bits, mode)", key, method)
	}
	q, err := parseQuantization(keys)
	if err != nil {
		return nil, fmt.Errorf("config.json: %s: %w", key, err)
	}
	return q, nil
}

func parseQuantization(keys map[string]json.RawMessage) (*Quantization, error) {
	q := &Quantization{Layers: map[string]LayerQuantization{}}
	for _, name := range []string{"group_size", "bits"} {
		if keys[name] == nil {
			return nil, fmt.Errorf("%s is missing", name)
		}
	}
	var err error
	if q.Quantization, err = formatOf(keys); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		l, ok, err := layerOf(keys[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if ok {
			q.Layers[name] = l
		}
	}
	return q, nil
}

// layerOf reads the entry of a layer; ok is false for an entry that is none: a
// number, a word.
func layerOf(raw json.RawMessage) (l LayerQuantization, ok bool, err error) {
	switch raw[0] {
	case 't', 'f':
		return LayerQuantization{Off: raw[0] == 'f'}, true, nil
	case '{':
		var keys map[string]json.RawMessage
		if err := json.Unmarshal(raw, &keys); err != nil {
			return l, false, err
		}
		as, err := formatOf(keys)
		return LayerQuantization{As: &as}, true, err
	}
	return l, false, nil
}

// formatOf reads group_size, bits and mode.
func formatOf(keys map[string]json.RawMessage) (q graph.Quantization, err error) {
	for name, to := range map[string]any{"group_size": &q.GroupSize, "bits": &q.Bits, "mode": &q.Mode} {
		if raw := keys[name]; raw != nil {
			if err := json.Unmarshal(raw, to); err != nil {
				return q, fmt.Errorf("%s is %s, want %s", name, raw, map[bool]string{true: "a name", false: "a whole number"}[name == "mode"])
			}
		}
	}
	if q.GroupSize < 0 || q.Bits < 0 || keys["bits"] != nil && q.Bits == 0 || keys["group_size"] != nil && q.GroupSize == 0 {
		return q, fmt.Errorf("bits are %d and group_size is %d, want positive numbers", q.Bits, q.GroupSize)
	}
	return q.Resolved()
}

// pack gives the layers whose weights the files hold quantised the parameters of
// such weights.
func (f *Folder) pack() error {
	q := f.Info.Quantization
	for _, part := range f.Matrices() {
		t, scaled := f.Files.Lookup(part.Name + ".scales")
		if q == nil {
			if scaled {
				return fmt.Errorf("%s: tensor %q belongs to a quantized weight, and config.json has no quantization", f.fileOf(t), t.Name)
			}
			continue
		}
		l, named := q.Layers[part.Name]
		switch {
		case named && l.Off || !named && !scaled:
			continue
		case !scaled:
			return fmt.Errorf("tensor %q is missing, which belongs to a weight quantized by config.json", part.Name+".scales")
		}
		if err := f.packLayer(part, t, l); err != nil {
			return err
		}
	}
	return nil
}

// packLayer packs a layer as its entry in config.json says. Without one, shapes
// and dtype of its tensors say how, as for mlx-lm.
func (f *Folder) packLayer(part Matrix, scales weights.Tensor, l LayerQuantization) error {
	out, in := part.Dims()
	as := f.Info.Quantization.Quantization
	if l.As != nil {
		as = *l.As
	}
	weight, ok := f.Files.Lookup(part.Name + ".weight")
	if !ok {
		return fmt.Errorf("tensor %q is missing", part.Name+".weight")
	}
	if weight.DType != metal.Uint32 {
		return fmt.Errorf("%s: tensor %q is %s, want uint32: it has scales, so that it is quantized", f.fileOf(weight), weight.Name, weight.DType)
	}
	if l.As == nil {
		as = formatOfTensors(as, weight, scales, in)
	}
	for _, t := range []struct {
		weights.Tensor
		per int // elements of a row that one of the tensor's stands for, times bits
		fit bool
	}{{weight, in * as.Bits / 32, in*as.Bits%32 == 0}, {scales, in / as.GroupSize, in%as.GroupSize == 0}} {
		if want := []int{out, t.per}; !t.fit || !slices.Equal(t.Shape, want) {
			return fmt.Errorf("%s: tensor %q has shape %v, want %v for a weight [%d %d] of %d bits in groups of %d by config.json",
				f.fileOf(t.Tensor), t.Name, t.Shape, want, out, in, as.Bits, as.GroupSize)
		}
	}
	dt := scales.DType
	if as.Mode != graph.QuantAffine {
		if dt != metal.Uint8 {
			return fmt.Errorf("%s: tensor %q is %s, want uint8 in mode %s", f.fileOf(scales), scales.Name, dt, as.Mode)
		}
		dt = f.floats()
	}
	words, packed := nn.NewPacked(out, in, as, dt)
	f.whole[words], f.whole[packed.Scales] = true, as.Mode != graph.QuantAffine
	part.pack(words, packed)
	return nil
}

// formatOfTensors is how the tensors of a weight with rows of n elements are
// quantised, or general where they fit no format.
func formatOfTensors(general graph.Quantization, words, scales weights.Tensor, n int) graph.Quantization {
	if len(words.Shape) != 2 || len(scales.Shape) != 2 || scales.Shape[1] <= 0 {
		return general
	}
	as := graph.Quantization{Bits: words.Shape[1] * 32 / n, GroupSize: n / scales.Shape[1]}
	if scales.DType == metal.Uint8 {
		as.Mode = map[[2]int]graph.QuantMode{{4, 16}: graph.QuantNVFP4, {4, 32}: graph.QuantMXFP4, {8, 32}: graph.QuantMXFP8}[[2]int{as.Bits, as.GroupSize}]
		if as.Mode == "" {
			return general
		}
	}
	if as, err := as.Resolved(); err == nil && as.Bits > 0 {
		return as
	}
	return general
}

// floats is the dtype of the first tensor of floating point that the model has.
func (f *Folder) floats() metal.DType {
	for _, p := range nn.Params(f.Model) {
		if t, ok := f.Files.Lookup(p.Name); ok && t.DType.IsFloat() {
			return t.DType
		}
	}
	return metal.BFloat16
}

// fileOf is the name of the file that t lies in.
func (f *Folder) fileOf(t weights.Tensor) string {
	for _, file := range f.Files.Files() {
		if _, ok := file.Lookup(t.Name); ok {
			return filepath.Base(file.Path())
		}
	}
	return f.Dir
}
