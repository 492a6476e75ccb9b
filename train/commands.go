package train

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/models"
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
		if err := s.layOutFrozen(ctx, true); err != nil {
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
	opt, err := s.stepOptions()
	if err != nil {
		return ev, err
	}
	step, err := NewStepper(s.rt, s.folder.Model, s.set, opt)
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
