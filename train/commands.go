package train

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/ftmetal/ftmetal/train/data"
)

// Predict is the plan of a run: the memory and time that a step will need,
// without running one. It reads the data only if cfg names some.
func Predict(ctx context.Context, cfg *Config) (r PlanReport, err error) {
	err = graph.Try(func() (err error) { r, err = predict(ctx, cfg); return err })
	return r, err
}

func predict(ctx context.Context, cfg *Config) (PlanReport, error) {
	s, err := openModel(ctx, cfg)
	if err != nil {
		return PlanReport{}, err
	}
	defer s.close()
	if cfg.Data != "" {
		if err := s.loadData(ctx); err != nil {
			return PlanReport{}, err
		}
	}
	_, r, err := s.planned()
	if err != nil {
		return r, err
	}
	speed, ok, err := measure(ctx, s.rt, s.compute)
	if err == nil && ok {
		r.expect(speed)
	}
	return r, err
}

// Evaluation is the loss over a split.
type Evaluation struct {
	Loss    float64 // mean over supervised tokens
	Batches int
	File    string
}

// Evaluate measures a model, with the adapter of cfg.AdapterPath if that is not
// empty, on the test split of cfg.Data, or else its valid split, or else the
// file that cfg.Data is.
func Evaluate(ctx context.Context, cfg *Config) (ev Evaluation, err error) {
	err = graph.Try(func() (err error) { ev, err = evaluate(ctx, cfg); return err })
	return ev, err
}

func evaluate(ctx context.Context, cfg *Config) (Evaluation, error) {
	ev := Evaluation{}
	if cfg.AdapterPath != "" {
		if err := applyAdapterConfig(cfg, cfg.AdapterPath); err != nil {
			return ev, err
		}
		cfg.ResumeAdapterFile = filepath.Join(cfg.AdapterPath, adapterFile)
	}
	if err := cfg.Validate(); err != nil {
		return ev, err
	}
	s, err := openModel(ctx, cfg)
	if err != nil {
		return ev, err
	}
	defer s.close()
	if s.files, err = data.Find(cfg.Data); err != nil {
		return ev, err
	}
	for _, f := range []string{s.files.Test, s.files.Valid, s.files.Train} {
		if ev.File == "" {
			ev.File = f
		}
	}
	if s.enc, err = newEncoder(cfg.Model); err != nil {
		return ev, err
	}
	if s.train, err = s.corpus(ctx, ev.File); err != nil {
		return ev, err
	}
	if err := s.seedCompat(); err != nil {
		return ev, err
	}
	it, err := s.iterator(s.train, false)
	if err != nil {
		return ev, err
	}
	step, err := NewStepper(s.rt, s.folder.Model, s.set, s.stepOptions())
	if err != nil {
		return ev, err
	}
	ev.Loss, ev.Batches, err = meanLoss(ctx, step, it, cfg.TestBatches)
	return ev, err
}

// adapterSettings is what a loader needs of adapter_config.json, in mlx-lm's
// spelling.
type adapterSettings struct {
	FineTuneType   string `json:"fine_tune_type"`
	NumLayers      int    `json:"num_layers"`
	LoRAParameters struct {
		Rank    int      `json:"rank"`
		Scale   float64  `json:"scale"`
		Dropout float64  `json:"dropout"`
		Keys    []string `json:"keys"`
	} `json:"lora_parameters"`
}

// applyAdapterConfig takes the adapter's shape from its folder.
func applyAdapterConfig(cfg *Config, dir string) error {
	path := filepath.Join(dir, configFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("adapter %s: %w", dir, err)
	}
	a := adapterSettings{FineTuneType: "lora", NumLayers: -1}
	if err := json.Unmarshal(raw, &a); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if a.FineTuneType != "full" && (a.LoRAParameters.Rank < 1 || a.LoRAParameters.Scale <= 0) {
		return fmt.Errorf("%s: lora_parameters has rank %d and scale %v, want positive numbers", path, a.LoRAParameters.Rank, a.LoRAParameters.Scale)
	}
	cfg.FineTuneType, cfg.NumLayers, cfg.Keys, cfg.Dropout = a.FineTuneType, a.NumLayers, a.LoRAParameters.Keys, 0
	if a.FineTuneType != "full" {
		cfg.Rank, cfg.Scale = a.LoRAParameters.Rank, a.LoRAParameters.Scale
	}
	return nil
}

// LoadAdapter attaches the adapter of a folder to a model for generation: the
// trained arrays take the places of the parameters.
func LoadAdapter(m models.Model, dir string) error {
	cfg := DefaultConfig("")
	if err := applyAdapterConfig(cfg, dir); err != nil {
		return err
	}
	set, err := trainableOf(cfg, m)
	if err != nil {
		return err
	}
	if err := set.LoadTensors(filepath.Join(dir, adapterFile), set.Values, true); err != nil {
		return err
	}
	for _, p := range set.Params {
		p.Array = graph.FromBytes(narrow(set.Values[p.Offset:p.Offset+p.Count], p.DType), p.DType, p.Shape...)
	}
	return nil
}

// FuseOptions says how to merge an adapter into its model. Init is the
// config.json of a model that was trained from random weights, instead of Model.
type FuseOptions struct {
	Model, AdapterPath, SavePath string
	Init                         string
	DType                        string // of the merged weights; "" keeps the model's
	MaxShardBytes                int64  // 0: 5 GB
	Device                       string
}

// Fuse writes a model folder whose weights are W + scale·(A@B)ᵀ, computed in
// float32 and rounded once, with the other files of the model beside them.
func Fuse(ctx context.Context, opt FuseOptions) error {
	return graph.Try(func() error { return fuse(ctx, opt) })
}

func fuse(ctx context.Context, opt FuseOptions) error {
	rt, err := graph.NewRuntime(opt.Device, 0)
	if err != nil {
		return err
	}
	defer rt.Close()
	graph.SetDefault(rt)
	var f *models.Folder
	from := opt.Model
	if opt.Init != "" {
		from = filepath.Dir(opt.Init)
		f, err = models.Random(opt.Init, rt, 0)
	} else {
		f, err = models.Load(opt.Model, rt)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Info.Quantization != nil {
		return fmt.Errorf("fuse: model %s is quantized, and adapters of such models cannot be merged yet", opt.Model)
	}
	if opt.AdapterPath != "" {
		if err := LoadAdapter(f.Model, opt.AdapterPath); err != nil {
			return err
		}
	}
	dt := f.DType
	if opt.DType != "" {
		if dt, err = metal.ParseDType(opt.DType); err != nil {
			return err
		}
		if !dt.IsFloat() || dt == metal.Float64 {
			return fmt.Errorf("fuse: dtype %s, want float32, float16 or bfloat16", dt)
		}
	}
	if opt.MaxShardBytes == 0 {
		opt.MaxShardBytes = 5_000_000_000
	}
	if err := os.MkdirAll(opt.SavePath, 0o755); err != nil {
		return err
	}
	same, err := sameFolder(from, opt.SavePath)
	if err != nil {
		return err
	}
	if same && opt.Init == "" { // its weights are being read
		return fmt.Errorf("fuse: save_path %s is the model's own folder", opt.SavePath)
	}
	if err := weights.SaveSharded(opt.SavePath, mergedTensors(ctx, f, dt), opt.MaxShardBytes, map[string]string{"format": "pt"}); err != nil {
		return err
	}
	return copyModelFiles(from, opt.SavePath, dt)
}

func sameFolder(a, b string) (bool, error) {
	x, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	y, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(x, y), nil
}

// mergedTensors lists every weight with its adapter merged in, each computed
// when it is written.
func mergedTensors(ctx context.Context, f *models.Folder, dt metal.DType) []weights.Lazy {
	updates := map[*nn.Param]*nn.LoRA{}
	for b := range f.Model.Blocks() {
		_, layers := nn.Linears(f.Model.Block(b))
		for _, l := range layers {
			if l.LoRA != nil {
				updates[l.Weight] = l.LoRA
			}
		}
	}
	var out []weights.Lazy
	for _, p := range nn.Params(f.Model) {
		merged := func() ([]byte, error) {
			w := p.Array
			if r := updates[p]; r != nil {
				delta := graph.Multiply(graph.Transpose(graph.Matmul(asFloat32(r.A.Array), asFloat32(r.B.Array))), r.Scale)
				w = graph.Add(asFloat32(w), delta)
			}
			return graph.Bytes(ctx, graph.AsType(w, dt))
		}
		out = append(out, weights.Lazy{Name: p.Name, DType: dt, Shape: p.Shape, Data: merged})
	}
	return out
}

func asFloat32(a *graph.Array) *graph.Array { return graph.AsType(a, metal.Float32) }

// copyModelFiles copies everything of a model folder but its weights, and notes
// the new dtype in config.json.
func copyModelFiles(from, to string, dt metal.DType) error {
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
		raw, err := fs.ReadFile(os.DirFS(from), name)
		if err != nil {
			return err
		}
		if name == "config.json" {
			if raw, err = withDType(raw, dt); err != nil {
				return fmt.Errorf("%s: %w", filepath.Join(from, name), err)
			}
		}
		if err := writeBytes(filepath.Join(to, name), raw); err != nil {
			return err
		}
	}
	return nil
}

// withDType sets torch_dtype (and dtype where it is there) of a config.json.
func withDType(raw []byte, dt metal.DType) ([]byte, error) {
	var m map[string]any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		return nil, err
	}
	m["torch_dtype"] = dt.String()
	if _, ok := m["dtype"]; ok {
		m["dtype"] = dt.String()
	}
	out, err := json.MarshalIndent(m, "", "  ")
	return append(out, '\n'), err
}
