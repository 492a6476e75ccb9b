package parity

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ftmetal/ftmetal/models/weights"
	"go.yaml.in/yaml/v4"
)

// trajectory is the part of case.json that a run depends on.
type trajectory struct {
	Config       map[string]any `json:"config"`
	DType        string         `json:"dtype"`
	Quantization any            `json:"quantization"`
	FineTuneType string         `json:"fine_tune_type"`
	LoRA         *struct {
		Rank    int      `json:"rank"`
		Scale   float64  `json:"scale"`
		Dropout float64  `json:"dropout"`
		Keys    []string `json:"keys"`
	} `json:"lora"`
	Optimizer     string         `json:"optimizer"`
	OptimizerArgs map[string]any `json:"optimizer_args"`
	MaskPrompt    bool           `json:"mask_prompt"`
	Dataset       trajectoryData `json:"dataset"`
	Log           []struct {
		Loss float64 `json:"loss"`
	} `json:"log"`
}

type trajectoryData struct {
	Rows      [][]int32 `json:"rows"`
	Offsets   []int     `json:"offsets"`
	BatchSize int       `json:"batch_size"`
	MaxSeq    int       `json:"max_seq_length"`
	Seed      int       `json:"seed"`
}

func readTrajectory(dir string) (t trajectory, err error) {
	path := filepath.Join(dir, "case.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(raw, &t); err != nil {
		return t, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Supported reports whether this version can follow the trajectory in dir: a
// Llama model. The reason is for the reader of a report.
func Supported(dir string) (ok bool, why string, err error) {
	t, err := readTrajectory(dir)
	switch {
	case err != nil:
		return false, "", err
	case t.Config["model_type"] != "llama":
		return false, fmt.Sprintf("model_type %v", t.Config["model_type"]), nil
	}
	return true, "", nil
}

// Convert writes OUT/{model,data,adapter.safetensors,run.yaml} for the
// trajectory in dir. It only rearranges.
func Convert(dir, out string) error {
	t, err := readTrajectory(dir)
	if err != nil {
		return err
	}
	for _, sub := range []string{"model", "data"} {
		if err := os.MkdirAll(filepath.Join(out, sub), 0o755); err != nil {
			return err
		}
	}
	if t.Quantization != nil {
		t.Config["quantization"] = t.Quantization
	}
	if err := writeJSON(filepath.Join(out, "model", "config.json"), t.Config); err != nil {
		return err
	}
	if err := splitWeights(filepath.Join(dir, "init.safetensors"), out); err != nil {
		return err
	}
	if err := writeRows(filepath.Join(out, "data", "train.jsonl"), t); err != nil {
		return err
	}
	return writeSettings(filepath.Join(out, "run.yaml"), out, t)
}

// splitWeights puts adapter tensors in adapter.safetensors and the rest, under
// their names without mlx-lm's wrapper, in the model folder.
func splitWeights(path, out string) error {
	f, err := weights.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var base, adapter []weights.Tensor
	for _, t := range f.Tensors() {
		if strings.HasSuffix(t.Name, ".lora_a") || strings.HasSuffix(t.Name, ".lora_b") {
			adapter = append(adapter, t)
			continue
		}
		t.Name = strings.Replace(t.Name, ".linear.", ".", 1)
		base = append(base, t)
	}
	if err := weights.WriteFile(filepath.Join(out, "model", "model.safetensors"), base, nil); err != nil {
		return err
	}
	return weights.WriteFile(filepath.Join(out, "adapter.safetensors"), adapter, nil)
}

// writeRows writes the token rows; prompt_length is mlx-lm's mask offset.
func writeRows(path string, t trajectory) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	for i, row := range t.Dataset.Rows {
		line := map[string]any{"input_ids": row}
		if t.MaskPrompt {
			line["prompt_length"] = t.Dataset.Offsets[i]
		}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// writeSettings writes the settings file, with mlx-lm's keys.
func writeSettings(path, out string, t trajectory) error {
	name := strings.ToLower(t.Optimizer)
	args := map[string]any{}
	for k, v := range t.OptimizerArgs {
		if k != "learning_rate" {
			args[k] = v
		}
	}
	m := map[string]any{
		"compat": "mlx-lm", "model": filepath.Join(out, "model"), "data": filepath.Join(out, "data"),
		"adapter_path": filepath.Join(out, "adapters"), "save_gradients": filepath.Join(out, "grad1.safetensors"),
		"log_json": filepath.Join(out, "log.jsonl"), "fine_tune_type": t.FineTuneType, "optimizer": name,
		"learning_rate": t.OptimizerArgs["learning_rate"], "mask_prompt": t.MaskPrompt, "batch_size": t.Dataset.BatchSize,
		"max_seq_length": t.Dataset.MaxSeq, "seed": t.Dataset.Seed, "iters": len(t.Log), "num_layers": -1, "steps_per_report": 1,
	}
	if len(args) > 0 {
		m["optimizer_config"] = map[string]any{name: args}
	}
	if t.LoRA != nil {
		lora := map[string]any{"rank": t.LoRA.Rank, "scale": t.LoRA.Scale, "dropout": t.LoRA.Dropout}
		if len(t.LoRA.Keys) > 0 {
			lora["keys"] = t.LoRA.Keys
		}
		m["lora_parameters"] = lora
		m["resume_adapter_file"] = filepath.Join(out, "adapter.safetensors")
	}
	b, err := yaml.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
