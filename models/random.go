package models

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn"
)

// initStd is the standard deviation of new weights, as GPT-2 and Llama start.
const initStd = 0.02

// Random is a new float32 model for a config.json: matrices normal with
// standard deviation 0.02, norms one, biases zero.
func Random(config string, rt *graph.Runtime, seed uint64) (*Folder, error) {
	raw, err := os.ReadFile(config)
	if err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	model, info, err := New(raw)
	if err != nil {
		return nil, fmt.Errorf("init %s: %w", config, err)
	}
	if info.Quantization != nil {
		return nil, fmt.Errorf("init %s: config.json asks for quantized weights, which do not train: remove quantization", config)
	}
	rng := rand.New(rand.NewPCG(seed, 0x1517))
	for _, p := range nn.Params(model) {
		n := 1
		for _, d := range p.Shape {
			n *= d
		}
		v := make([]float32, n)
		for i := range v {
			switch {
			case len(p.Shape) > 1:
				v[i] = float32(rng.NormFloat64() * initStd)
			case strings.HasSuffix(p.Name, ".weight"):
				v[i] = 1
			}
		}
		p.Array = graph.FromSlice(v, p.Shape...)
	}
	return &Folder{Dir: config, Info: info, Config: raw, Model: model, DType: metal.Float32, rt: rt}, nil
}

// Convert changes the dtype of the weights that are floats, which copies them;
// quantised ones keep their words, and compute in that dtype.
func (f *Folder) Convert(ctx context.Context, dt metal.DType) error {
	if dt == f.DType {
		return nil
	}
	if err := f.checkFloat(dt); err != nil {
		return err
	}
	for _, p := range nn.Params(f.Model) {
		if f.whole[p] {
			continue
		}
		a := graph.AsType(p.Array, dt)
		if err := graph.Eval(ctx, a); err != nil {
			return fmt.Errorf("model %s: tensor %q: %w", f.Dir, p.Name, err)
		}
		p.Array = a
	}
	f.converted(dt)
	return nil
}

// checkFloat is an error unless weights can be of dtype dt.
func (f *Folder) checkFloat(dt metal.DType) error {
	if dt != metal.Float32 && dt != metal.Float16 && dt != metal.BFloat16 {
		return fmt.Errorf("model %s: dtype %s, want float32, float16 or bfloat16", f.Dir, dt)
	}
	return nil
}

// converted notes the dtype of the weights that are floats.
func (f *Folder) converted(dt metal.DType) {
	for _, m := range f.Matrices() {
		if m.packed != nil {
			m.packed.DType = dt
		}
	}
	f.DType = dt
}
