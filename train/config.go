package train

import (
	"fmt"
	"math"
	"strings"
)

// Config is everything that a run depends on. Field values come from defaults,
// then a YAML file, then flags; the names of the options are mlx-lm's.
type Config struct {
	Model, Data, AdapterPath       string
	Device                         string
	FineTuneType, Optimizer        string
	Compat                         string // "" or "mlx-lm"
	BatchSize, Iters, Epochs       int
	MaxSteps                       int // updates; Resolve turns it into Iters
	ValBatches, TestBatches        int
	StepsPerReport, StepsPerEval   int
	SaveEvery, SaveTotalLimit      int
	MaxSeqLength, NumLayers        int
	GradAccumulationSteps          int
	LearningRate, WeightDecay      float64
	MaxGradNorm                    float64
	Beta1, Beta2, Eps, Momentum    float64
	MuonMomentum, MuonDecay        float64
	MuonNesterov                   bool
	MuonSteps                      int
	BiasCorrection                 bool
	MaskPrompt, Packing            bool
	TrainOnAll                     bool
	Truncate                       bool
	GradCheckpoint                 string // auto, on or off
	CacheFrozen                    string // off, memory or the path of a file
	Seed                           int
	Rank                           int
	Scale, Alpha, Dropout          float64
	Keys                           []string
	Schedule                       string
	ScheduleArguments              []float64
	Warmup                         int
	WarmupRatio, WarmupInit        float64
	ValSplit                       float64
	ResumeAdapterFile              string
	Resume                         string // a checkpoint folder, or "auto"
	SaveGradients                  string
	LogJSON                        string
	MemoryLimit                    string
	PromptFeature, TextFeature     string
	CompletionFeature, ChatFeature string
	Init                           string
	DType                          string
	SortByLength                   bool
	EarlyStopping                  int
	Test, Train, Profile, DryRun   bool
}

// Option is one setting: its name in YAML (flags have dashes), the names other
// tools use for it, a pointer to its field, and help.
type Option struct {
	Name    string
	Aliases []string
	Value   any // *string, *int, *float64, *bool, *[]string or *[]float64
	Help    string
}

// DefaultConfig is what a run uses unless told otherwise: LoRA of rank 16 on
// every linear layer, packed rows of 2048 tokens, AdamW with a cosine schedule.
// compat "mlx-lm" gives mlx-lm's defaults instead.
func DefaultConfig(compat string) *Config {
	c := &Config{
		AdapterPath: "adapters", FineTuneType: "lora", Optimizer: "adamw", Compat: compat,
		BatchSize: 1, Iters: 1000, ValBatches: 25, TestBatches: 500, StepsPerReport: 10, StepsPerEval: 200, SaveEvery: 100,
		MaxSeqLength: 2048, NumLayers: -1, GradAccumulationSteps: 1, LearningRate: 2e-4, WeightDecay: 0.01, MaxGradNorm: 1,
		MuonMomentum: 0.95, MuonDecay: 0.01, MuonNesterov: true, MuonSteps: 5, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, BiasCorrection: true, Packing: true, GradCheckpoint: "auto", SaveTotalLimit: 3,
		CacheFrozen: "off", Rank: 16, Scale: 0, Alpha: 32, Schedule: "cosine", WarmupRatio: 0.03, ValSplit: 0.05, SortByLength: true, Train: true,
	}
	if compat == "mlx-lm" {
		c.Optimizer, c.BatchSize, c.NumLayers, c.LearningRate, c.MaxGradNorm = "adam", 4, 16, 1e-5, 0
		c.BiasCorrection, c.Packing, c.GradCheckpoint = false, false, "off"
		c.Rank, c.Scale, c.Alpha, c.Schedule, c.WarmupRatio, c.ValSplit = 8, 20, 0, "constant", 0, 0
		c.Truncate = true
	}
	return c
}

// Options lists every setting with pointers into c.
func (c *Config) Options() []Option {
	return append(c.runOptions(), c.methodOptions()...)
}

func (c *Config) runOptions() []Option {
	return []Option{
		{"model", nil, &c.Model, "folder of the model (Hugging Face layout)"},
		{"data", []string{"dataset"}, &c.Data, "folder with train.jsonl, valid.jsonl, test.jsonl (also .gz, .zst), or one file"},
		{"adapter_path", []string{"output_dir"}, &c.AdapterPath, "folder for the adapter and its checkpoints"},
		{"train", nil, &c.Train, "train (false only evaluates, with test)"},
		{"test", nil, &c.Test, "evaluate on the test split afterwards"},
		{"device", nil, &c.Device, "device: metal, soft, exact, check or null (default: the best there is)"},
		{"compat", nil, &c.Compat, "mlx-lm: follow mlx-lm number for number"},
		{"batch_size", []string{"micro_batch_size", "per_device_train_batch_size"}, &c.BatchSize, "rows per micro-batch"},
		{"iters", nil, &c.Iters, "micro-batches to train on"},
		{"num_epochs", []string{"num_train_epochs", "epochs"}, &c.Epochs, "passes over the data; overrides iters"},
		{"max_steps", nil, &c.MaxSteps, "updates to train for: iters = max_steps * grad_accumulation_steps"},
		{"max_seq_length", []string{"sequence_len", "cutoff_len"}, &c.MaxSeqLength, "tokens per row"},
		{"truncate", nil, &c.Truncate, "cut longer examples instead of refusing them"},
		{"grad_accumulation_steps", []string{"gradient_accumulation_steps"}, &c.GradAccumulationSteps, "micro-batches per update"},
		{"packing", []string{"sample_packing"}, &c.Packing, "several examples per row, kept apart by segments"},
		{"mask_prompt", nil, &c.MaskPrompt, "loss on the last message or completion only (mlx-lm)"},
		{"train_on_all", nil, &c.TrainOnAll, "loss on prompts too"},
		{"val_batches", nil, &c.ValBatches, "batches per validation; -1: all"},
		{"test_batches", nil, &c.TestBatches, "batches of the test; -1: all"},
		{"val_split", []string{"val_set_size"}, &c.ValSplit, "part of train.jsonl to validate on when there is no valid.jsonl"},
		{"steps_per_report", []string{"logging_steps"}, &c.StepsPerReport, "micro-batches between reports"},
		{"steps_per_eval", []string{"eval_steps"}, &c.StepsPerEval, "micro-batches between validations"},
		{"save_every", []string{"save_steps"}, &c.SaveEvery, "micro-batches between checkpoints"},
		{"save_total_limit", nil, &c.SaveTotalLimit, "checkpoints to keep; 0: all"},
		{"early_stopping_patience", nil, &c.EarlyStopping, "validations without improvement before stopping; 0: never"},
		{"resume_adapter_file", nil, &c.ResumeAdapterFile, "adapter weights to start from"},
		{"resume", []string{"resume_from_checkpoint"}, &c.Resume, "checkpoint to go on from: a folder, or auto for the last one in adapter_path"},
		{"save_gradients", nil, &c.SaveGradients, "write the gradients of the first update to this safetensors file"},
		{"log_json", nil, &c.LogJSON, "write one JSON object per event to this file"},
		{"memory_limit", nil, &c.MemoryLimit, "most device memory to use, such as 8GiB"},
		{"seed", nil, &c.Seed, "seed of initialisation, order and dropout"},
		{"prompt_feature", nil, &c.PromptFeature, "key of the prompt in the data"},
		{"completion_feature", nil, &c.CompletionFeature, "key of the completion in the data"},
		{"text_feature", nil, &c.TextFeature, "key of the text in the data"},
		{"chat_feature", nil, &c.ChatFeature, "key of the messages in the data"},
		{"sort_by_length", nil, &c.SortByLength, "compat mlx-lm: sort rows by length before batching"},
		{"profile", nil, &c.Profile, "print the time of each kernel at the end"},
		{"dry_run", nil, &c.DryRun, "print the resolved settings and the plan, and stop"},
	}
}

func (c *Config) methodOptions() []Option {
	return []Option{
		{"fine_tune_type", nil, &c.FineTuneType, "lora or full"},
		{"num_layers", nil, &c.NumLayers, "train the last n layers; -1: all"},
		{"init", nil, &c.Init, "config.json of a new model with random weights, instead of model"},
		{"dtype", nil, &c.DType, "dtype of activations: float32, bfloat16 or float16 (default: the weights')"},
		{"grad_checkpoint", []string{"gradient_checkpointing"}, &c.GradCheckpoint, "recompute blocks in the backward pass: auto, on or off"},
		{"cache_frozen", nil, &c.CacheFrozen, "run the frozen layers below num_layers once for each example and keep what they make: off, memory or a file"},
		{"optimizer", []string{"optim"}, &c.Optimizer, "adamw, adam, sgd or muon"},
		{"learning_rate", []string{"lr"}, &c.LearningRate, "peak learning rate"},
		{"weight_decay", []string{"optimizer_config.adamw.weight_decay"}, &c.WeightDecay, "decoupled weight decay (adamw)"},
		{"max_grad_norm", nil, &c.MaxGradNorm, "clip the gradient's norm; 0: do not"},
		{"bias_correction", []string{"optimizer_config.adam.bias_correction", "optimizer_config.adamw.bias_correction"}, &c.BiasCorrection, "Adam's bias correction"},
		{"adam_beta1", nil, &c.Beta1, "Adam's first decay rate"},
		{"adam_beta2", nil, &c.Beta2, "Adam's second decay rate"},
		{"adam_epsilon", []string{"optimizer_config.adam.eps", "optimizer_config.adamw.eps"}, &c.Eps, "Adam's epsilon"},
		{"momentum", []string{"optimizer_config.sgd.momentum"}, &c.Momentum, "momentum (sgd)"},
		{"muon_momentum", []string{"optimizer_config.muon.momentum"}, &c.MuonMomentum, "momentum (muon)"},
		{"muon_weight_decay", []string{"optimizer_config.muon.weight_decay"}, &c.MuonDecay, "weight decay (muon)"},
		{"muon_nesterov", []string{"optimizer_config.muon.nesterov"}, &c.MuonNesterov, "Nesterov momentum (muon)"},
		{"muon_ns_steps", []string{"optimizer_config.muon.ns_steps"}, &c.MuonSteps, "Newton-Schulz steps (muon)"},
		{"lora_parameters.rank", []string{"lora_r", "lora_rank"}, &c.Rank, "rank of the adapters"},
		{"lora_parameters.scale", []string{"lora_scale"}, &c.Scale, "factor of the update; 0: alpha/rank"},
		{"lora_parameters.alpha", []string{"lora_alpha"}, &c.Alpha, "alpha, when scale is 0"},
		{"lora_parameters.dropout", []string{"lora_dropout"}, &c.Dropout, "dropout before the adapters"},
		{"lora_parameters.keys", []string{"lora_target_modules", "target_modules"}, &c.Keys, "layers with adapters; none or all-linear: every linear layer"},
		{"lr_schedule.name", []string{"lr_scheduler", "lr_scheduler_type"}, &c.Schedule, "constant, linear or cosine, or one of mlx-lm's"},
		{"lr_schedule.arguments", nil, &c.ScheduleArguments, "arguments of mlx-lm's schedules"},
		{"lr_schedule.warmup", []string{"warmup_steps"}, &c.Warmup, "updates of warm-up"},
		{"warmup_ratio", nil, &c.WarmupRatio, "warm-up as a part of the run, when warmup is 0"},
		{"lr_schedule.warmup_init", nil, &c.WarmupInit, "learning rate at the start of the warm-up"},
	}
}

// Lookup finds an option by its name or alias, with dashes or underscores.
func (c *Config) Lookup(name string) (Option, bool) {
	name = strings.ReplaceAll(name, "-", "_")
	for _, o := range c.Options() {
		if o.Name == name {
			return o, true
		}
		for _, a := range o.Aliases {
			if a == name {
				return o, true
			}
		}
	}
	return Option{}, false
}

// choices are the options with a fixed set of values.
var choices = map[string][]string{
	"fine_tune_type":  {"lora", "full"},
	"optimizer":       {"adamw", "adam", "sgd", "muon"},
	"compat":          {"", "mlx-lm"},
	"grad_checkpoint": {"auto", "on", "off"},
	"dtype":           {"", "float32", "bfloat16", "float16"},
}

// Validate checks values against each other.
func (c *Config) Validate() error {
	if err := c.ValidateModel(); err != nil {
		return err
	}
	if c.Data == "" {
		return fmt.Errorf("data is missing: give a folder or file with --data")
	}
	return nil
}

// ValidateModel is Validate for what needs no data.
func (c *Config) ValidateModel() error {
	for _, o := range c.Options() {
		if allowed, ok := choices[o.Name]; ok {
			v := *o.Value.(*string)
			found := false
			for _, a := range allowed {
				found = found || a == v
			}
			if !found {
				return fmt.Errorf("%s is %q, want one of: %s", o.Name, v, strings.Trim(strings.Join(allowed, ", "), ", "))
			}
		}
		if f, ok := o.Value.(*float64); ok && (math.IsNaN(*f) || math.IsInf(*f, 0) || *f < 0) {
			return fmt.Errorf("%s is %v, want a number that is not negative", o.Name, *f)
		}
	}
	for _, p := range []struct {
		name  string
		value int
	}{{"batch_size", c.BatchSize}, {"iters", c.Iters}, {"grad_accumulation_steps", c.GradAccumulationSteps}, {"max_seq_length", c.MaxSeqLength},
		{"steps_per_report", c.StepsPerReport}, {"steps_per_eval", c.StepsPerEval}, {"save_every", c.SaveEvery}} {
		if p.value < 1 {
			return fmt.Errorf("%s is %d, want at least 1", p.name, p.value)
		}
	}
	switch {
	case c.Model == "" && c.Init == "":
		return fmt.Errorf("model is missing: give the folder of a model with --model DIR")
	case c.Init != "" && c.FineTuneType != "full":
		return fmt.Errorf("init makes a model with random weights: it needs fine_tune_type full, got %q", c.FineTuneType)
	case c.Rank < 1 || c.Rank > 1024:
		return fmt.Errorf("lora_parameters.rank is %d, want 1 to 1024", c.Rank)
	case c.Dropout >= 1:
		return fmt.Errorf("lora_parameters.dropout is %v, want less than 1", c.Dropout)
	case c.Compat == "mlx-lm" && c.Packing:
		return fmt.Errorf("packing does not go with compat mlx-lm, which pads")
	case c.Compat == "mlx-lm" && c.MaxGradNorm > 0:
		return fmt.Errorf("max_grad_norm does not go with compat mlx-lm, which does not clip")
	case c.Compat == "mlx-lm" && c.keepsStates():
		return fmt.Errorf("cache_frozen does not go with compat mlx-lm, which runs every layer in every step")
	case c.keepsStates() && c.NumLayers < 1:
		return fmt.Errorf("cache_frozen is %s and num_layers is %d, which trains every layer: there is nothing to keep; train fewer layers, or set cache_frozen off", c.CacheFrozen, c.NumLayers)
	case c.keepsStates() && c.CacheFrozen != "memory" && !strings.ContainsAny(c.CacheFrozen, "./"):
		return fmt.Errorf("cache_frozen is %q, want off, memory or the path of a file (such as ./%[1]s)", c.CacheFrozen)
	}
	return nil
}

// keepsStates reports whether what the frozen layers make is kept.
func (c *Config) keepsStates() bool { return c.CacheFrozen != "" && c.CacheFrozen != "off" }

// LoRAScale is the factor of the low-rank update.
func (c *Config) LoRAScale() float64 {
	if c.Scale > 0 {
		return c.Scale
	}
	return c.Alpha / float64(c.Rank)
}
