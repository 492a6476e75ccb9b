// Command parity turns a golden trajectory of mlx-lm (a folder with case.json
// and init.safetensors, see docs/parity.md) into what `ftmetal train` reads: a
// model folder, a data folder, an adapter and a settings file.
//
//	go run ./tools/parity CASE OUT
package main

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
	FineTuneType string         `json:"fine_tune_type"`
	LoRA         *struct {
		Rank    int     `json:"rank"`
		Scale   float64 `json:"scale"`
		Dropout float64 `json:"dropout"`
	} `json:"lora"`
	Optimizer     string            `json:"optimizer"`
	OptimizerArgs map[string]any    `json:"optimizer_args"`
	MaskPrompt    bool              `json:"mask_prompt"`
	Dataset       trajectoryData    `json:"dataset"`
	Log           []json.RawMessage `json:"log"`
}

type trajectoryData struct {
	Rows      [][]int32 `json:"rows"`
	Offsets   []int     `json:"offsets"`
	BatchSize int       `json:"batch_size"`
	MaxSeq    int       `json:"max_seq_length"`
	Seed      int       `json:"seed"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: parity CASE OUT")
		os.Exit(2)
	}
	if err := convert(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "parity:", err)
		os.Exit(1)
	}
}

func convert(dir, out string) error {
	raw, err := os.ReadFile(filepath.Join(dir, "case.json"))
	if err != nil {
		return err
	}
	var t trajectory
	if err := json.Unmarshal(raw, &t); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, "case.json"), err)
	}
	for _, sub := range []string{"model", "data"} {
		if err := os.MkdirAll(filepath.Join(out, sub), 0o755); err != nil {
			return err
		}
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
		m["lora_parameters"] = map[string]any{"rank": t.LoRA.Rank, "scale": t.LoRA.Scale, "dropout": t.LoRA.Dropout}
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
