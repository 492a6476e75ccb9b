package train

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// settingsFile writes YAML to run.yaml in a folder of its own.
func settingsFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestSettingsFileOfMLXLM(t *testing.T) {
	cfg, given, err := Resolve("testdata/settings/mlx_lm.yaml", nil)
	require.NoError(t, err)
	want := DefaultConfig("")
	want.Model, want.Data, want.AdapterPath = "models/tiny", "data/sql", "adapters/sql"
	want.Beta1, want.Beta2, want.Eps, want.WeightDecay, want.BiasCorrection = 0.9, 0.98, 1e-6, 0.05, true
	want.Seed, want.NumLayers, want.BatchSize, want.Iters, want.GradAccumulationSteps = 7, 8, 2, 600, 4
	want.LearningRate, want.TestBatches, want.MaxSeqLength, want.GradCheckpoint, want.MaskPrompt = 1e-5, 100, 1024, "off", true
	want.PromptFeature, want.CompletionFeature, want.TextFeature, want.ChatFeature = "question", "answer", "text", "messages"
	want.Keys, want.Rank, want.Scale = []string{"self_attn.q_proj", "self_attn.v_proj"}, 8, 20
	want.Schedule, want.Warmup, want.WarmupInit, want.ScheduleArguments = "cosine_decay", 100, 1e-7, []float64{1e-5, 1000, 1e-7}
	want.WarmupRatio = 0 // warmup is given
	require.Equal(t, want, cfg)
	require.True(t, given["lora_parameters.rank"] && given["adam_beta2"] && given["mask_prompt"])
	require.False(t, given["resume_adapter_file"] || given["packing"])
}

func TestSettingsOfOtherTools(t *testing.T) {
	cfg, _, err := Resolve(settingsFile(t, `
lora_r: 4
lora_alpha: 8
lora_dropout: 0.1
lora_target_modules: all-linear
sequence_len: 512
sample_packing: false
micro_batch_size: 3
gradient_accumulation_steps: 2
lr_scheduler: linear
warmup_ratio: .1
optim: adamw_torch
gradient_checkpointing: true
val_set_size: 0.1
early_stopping_patience: 3
save_total_limit: 2
resume_from_checkpoint: true
assistant_only_loss: false
dtype: bf16
memory_limit: 8589934592
batch-size-of-nothing: ~
`), nil)
	require.ErrorContains(t, err, `unknown key "batch-size-of-nothing"`)
	require.Nil(t, cfg)
	cfg, _, err = Resolve(settingsFile(t, `
lora_r: 4
lora_alpha: 8
lora_dropout: 0.1
lora_target_modules: all-linear
sequence_len: 512
sample_packing: no
micro_batch_size: 3
gradient_accumulation_steps: 2
max_steps: 50
num_epochs: 2
lr_scheduler: constant_with_warmup
warmup_ratio: .1
optim: adamw_torch
gradient_checkpointing: true
val_set_size: 0.1
early_stopping_patience: 3
save_total_limit: 2
resume_from_checkpoint: true
assistant_only_loss: false
dtype: bf16
memory_limit: 8589934592
`), nil)
	require.NoError(t, err)
	want := DefaultConfig("")
	want.Rank, want.Alpha, want.Dropout, want.Keys = 4, 8, 0.1, []string{"all-linear"}
	want.MaxSeqLength, want.Packing, want.BatchSize, want.GradAccumulationSteps, want.Iters = 512, false, 3, 2, 100
	want.Schedule, want.WarmupRatio, want.GradCheckpoint, want.ValSplit, want.EarlyStopping = "constant", 0.1, "on", 0.1, 3
	want.SaveTotalLimit, want.Resume, want.TrainOnAll, want.DType, want.MemoryLimit = 2, "auto", true, "bfloat16", "8589934592"
	require.Equal(t, want, cfg)
}

func TestSettingsErrors(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"typo":             {"model: x\n\nlerning_rate: 1e-5", `:3: unknown key "lerning_rate" (did you mean "learning_rate"?)`},
		"nested typo":      {"lora_parameters:\n  rnak: 8", `:2: unknown key "lora_parameters.rnak" (did you mean "lora_parameters.rank"?)`},
		"missing group":    {"rank: 8", `:1: unknown key "rank" (did you mean "lora_parameters.rank"?)`},
		"far from all":     {"colourless_green_ideas: 8", `:1: unknown key "colourless_green_ideas"`},
		"empty unknown":    {"ideas: {}", `:1: unknown key "ideas"`},
		"null unknown":     {"ideas: null", `:1: unknown key "ideas"`},
		"merge key":        {"<<: {seed: 1}", `:1: unknown key "<<"`},
		"fraction":         {"iters: 1.5", `:1: iters is "1.5", want a whole number`},
		"huge":             {"iters: 1e30", `:1: iters is "1e30", want a whole number`},
		"overflow":         {"seed: 99999999999999999999999", `want a whole number`},
		"text for int":     {"batch_size: four", `:1: batch_size is "four", want a whole number`},
		"quoted int":       {"batch_size: '4'", `:1: batch_size is "4", want a whole number`},
		"text for float":   {"learning_rate: fast", `:1: learning_rate is "fast", want a number`},
		"nan":              {"learning_rate: .nan", `:1: learning_rate is ".nan", want a number`},
		"overflowed float": {"learning_rate: 1e999", `:1: learning_rate is "1e999", want a number`},
		"hex float":        {"learning_rate: 0x1p-4", `want a number`},
		"text for bool":    {"packing: 1", `:1: packing is "1", want true or false`},
		"list for scalar":  {"seed: [1, 2]", `:1: seed is [1, 2], want a whole number`},
		"map for scalar":   {"seed: {a: 1}", `:1: seed is a group of keys, want a whole number`},
		"map for list":     {"lora_parameters: {keys: {a: 1}}", `:1: lora_parameters.keys is a group of keys, want a list of names`},
		"list of maps":     {"lora_parameters:\n  keys:\n  - q_proj\n  - {a: 1}", `:4: lora_parameters.keys: an element of the list is not a plain value`},
		"list of text":     {"lr_schedule: {arguments: [1, b]}", `:1: lr_schedule.arguments is [1, b], want a list of numbers`},
		"scalar for map":   {"lr_schedule: cosine", `:1: lr_schedule is "cosine", want keys under it`},
		"betas":            {"optimizer_config: {adamw: {betas: [0.9]}}", `:1: optimizer_config.adamw.betas is [0.9], want a list of 2 numbers`},
		"other optimizer":  {"optimizer_config: {sgd: {momentum: much}}", `:1: optimizer_config.sgd.momentum is "much", want a number`},
		"duplicate":        {"seed: 1\niters: 5\nseed: 2", `:3: duplicate key "seed", first given in line 1`},
		"nested duplicate": {"lora_parameters:\n  rank: 1\n  rank: 2", `:3: duplicate key "lora_parameters.rank", first given in line 2`},
		"dotted duplicate": {"lora_parameters: {rank: 1}\nlora_parameters.rank: 2", `:2: duplicate key "lora_parameters.rank", first given in line 1`},
		"two names":        {"lora_r: 4\nlora_parameters: {rank: 8}", `:2: lora_parameters.rank is given twice, here and as lora_r`},
		"two decays":       {"weight_decay: 1\noptimizer_config: {adamw: {weight_decay: 0}}", `:2: optimizer_config.adamw.weight_decay is given twice, here and as weight_decay`},
		"two lengths":      {"max_steps: 5\niters: 6", `:1: max_steps and iters both say how long to train: remove one`},
		"documents":        {"seed: 1\n---\nseed: 2", `: a second YAML document begins here, want one`},
		"list file":        {"- seed", `:1: want a map of settings`},
		"broken":           {"seed: 1\nmodel: [a", `not YAML: `},
		"alias":            {"model: &m x\ndata: *m", `:2: data: YAML aliases are not read, write the value out`},
		"map key":          {"{a: b}: 1", `:1: a key is not plain text`},
		"hf_dataset":       {"hf_dataset:\n  path: a/b", `:1: hf_dataset: data sets are not downloaded: save the data as train.jsonl`},
		"hf_dataset list":  {"hf_dataset:\n- path: a/b", `:2: hf_dataset: `},
		"report_to":        {"report_to: wandb", `:1: report_to: no reporting service is built in: use log_json`},
		"project_name":     {"project_name: x", `:1: project_name: no reporting service`},
		"remote code":      {"trust_remote_code: true", `:1: trust_remote_code: no code of a model folder is ever run: remove the key`},
		"cache":            {"clear_cache_threshold: 0", `:1: clear_cache_threshold: memory is planned before the run, so there is no cache to clear: remove the key`},
		"config":           {"config: a.yaml", `:1: config: a settings file cannot name another one: give it with -c`},
	} {
		t.Run(name, func(t *testing.T) {
			path := settingsFile(t, c.text)
			err := LoadSettings(path, DefaultConfig(""))
			require.ErrorContains(t, err, c.want)
			require.True(t, strings.HasPrefix(err.Error(), path+":"), err.Error())
			require.NotContains(t, err.Error(), "\n")
		})
	}
	require.ErrorContains(t, LoadSettings(filepath.Join(t.TempDir(), "no.yaml"), DefaultConfig("")), "no.yaml")
}

func TestSettingsPrecedence(t *testing.T) {
	path := settingsFile(t, "compat: mlx-lm\nbatch_size: 2\nseed: 3\n")
	cfg, given, err := Resolve(path, []Setting{{"seed", "9"}})
	require.NoError(t, err)
	want := DefaultConfig("mlx-lm")
	want.BatchSize, want.Seed = 2, 9
	require.Equal(t, want, cfg)
	require.Equal(t, map[string]bool{"compat": true, "batch_size": true, "seed": true}, given)

	cfg, _, err = Resolve(settingsFile(t, "compat: ''"), []Setting{{"compat", "mlx-lm"}})
	require.NoError(t, err)
	require.Equal(t, DefaultConfig("mlx-lm"), cfg, "the flag chooses the defaults")

	cfg, _, err = Resolve("", nil)
	require.NoError(t, err)
	require.Equal(t, DefaultConfig(""), cfg)
}

// Options that stand in for each other: the later layer decides.
func TestSettingsThatReplaceOthers(t *testing.T) {
	resolve := func(yaml string, flags ...Setting) *Config {
		t.Helper()
		cfg, _, err := Resolve(settingsFile(t, yaml), flags)
		require.NoError(t, err)
		return cfg
	}
	c := resolve("lora_parameters: {rank: 8, scale: 20}", Setting{"lora-alpha", "16"})
	require.Equal(t, 2.0, c.LoRAScale())
	c = resolve("compat: mlx-lm\nlora_alpha: 16")
	require.Equal(t, 2.0, c.LoRAScale())
	c = resolve("lora_parameters: {rank: 8, scale: 20, alpha: 16}")
	require.Equal(t, 20.0, c.LoRAScale())
	c = resolve("num_epochs: 3", Setting{"iters", "10"})
	require.Equal(t, []int{0, 10}, []int{c.Epochs, c.Iters})
	c = resolve("max_steps: 5\ngrad_accumulation_steps: 2", Setting{"grad-accumulation-steps", "4"})
	require.Equal(t, 20, c.Iters)
	c = resolve("max_steps: 5", Setting{"iters", "7"})
	require.Equal(t, 7, c.Iters)
	c = resolve("max_steps: 5", Setting{"num-epochs", "2"})
	require.Equal(t, []int{2, 1000}, []int{c.Epochs, c.Iters})
	c = resolve("max_steps: -1\nnum_train_epochs: 2")
	require.Equal(t, []int{2, 1000}, []int{c.Epochs, c.Iters})
	c = resolve("warmup_steps: 0")
	require.Equal(t, 0.0, c.WarmupRatio)
	c = resolve("warmup_steps: 20", Setting{"warmup-ratio", "0.5"})
	require.Equal(t, 0, c.Warmup)

	const opt = "optimizer_config: {adam: {eps: 1e-3}, adamw: {eps: 1e-4, weight_decay: 0.5}}\n"
	require.Equal(t, 1e-4, resolve(opt).Eps)
	c = resolve(opt, Setting{"optimizer", "adam"})
	require.Equal(t, []float64{1e-3, 0.01}, []float64{c.Eps, c.WeightDecay})
	require.Equal(t, 1e-2, resolve(opt, Setting{"adam-epsilon", "0.01"}).Eps)
}

func TestSet(t *testing.T) {
	c := DefaultConfig("")
	for _, s := range []Setting{{"learning-rate", "1e-5"}, {"lora_parameters.keys", "q_proj, v_proj"}, {"grad-checkpoint", "true"},
		{"lr-schedule.arguments", "1e-5,100"}, {"packing", "false"}, {"iters", "1e3"}} {
		require.NoError(t, Set(c, s.Name, s.Value))
	}
	require.Equal(t, 1e-5, c.LearningRate)
	require.Equal(t, []string{"q_proj", "v_proj"}, c.Keys)
	require.Equal(t, []float64{1e-5, 100}, c.ScheduleArguments)
	require.Equal(t, "on", c.GradCheckpoint)
	require.False(t, c.Packing)
	require.EqualError(t, Set(c, "iters", "many"), `iters is "many", want a whole number`)
	require.EqualError(t, Set(c, "itres", "1"), `unknown key "itres" (did you mean "iters"?)`)
	known := []string{"learning_rate", "config"}
	require.EqualError(t, Unknown("lerning-rate", known), `unknown flag --lerning-rate (did you mean --learning-rate?)`)
	require.EqualError(t, Unknown("confg", known), `unknown flag --confg (did you mean --config?)`)
	require.EqualError(t, Unknown("config", nil), `unknown flag --config`)
	require.EqualError(t, Unknown("trust-remote-code", known), `--trust-remote-code: no code of a model folder is ever run: leave the flag out`)
}

// Every option, changed on its own and all at once, survives being written as
// YAML and read back.
func TestYAMLRoundTrip(t *testing.T) {
	change := func(o Option) {
		switch p := o.Value.(type) {
		case *string:
			*p = "a folder/of \"things\": #1"
		case *int:
			*p += 3
		case *float64:
			*p += 0.125
		case *bool:
			*p = !*p
		case *[]string:
			*p = []string{"q_proj", "a, b"}
		case *[]float64:
			*p = []float64{1e-5, 2}
		}
	}
	for _, compat := range []string{"", "mlx-lm"} {
		all := DefaultConfig(compat)
		for i, o := range all.Options() {
			if o.Name == "compat" || o.Name == "max_steps" {
				continue
			}
			one := DefaultConfig(compat)
			change(one.Options()[i])
			change(o)
			got, _, err := Resolve(settingsFile(t, one.YAML()), nil)
			require.NoError(t, err, o.Name)
			require.Equal(t, one, got, o.Name)
		}
		got, _, err := Resolve(settingsFile(t, all.YAML()), nil)
		require.NoError(t, err)
		require.Equal(t, all, got)
	}
	text := DefaultConfig("").YAML()
	require.Contains(t, text, "# learning_rate: 0.0002\n")
	require.Contains(t, text, "# lora_parameters:\n#   rank: 16\n")
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		require.True(t, strings.HasPrefix(line, "# "), line)
	}
}

func FuzzSettings(f *testing.F) {
	example, err := os.ReadFile("testdata/settings/mlx_lm.yaml")
	require.NoError(f, err)
	for _, s := range []string{string(example), "", "~", "a: &a [*a]", "seed: 1\n---\n", "lora_parameters: {keys: [a, 'b']}", "? [a]\n: b", "max_steps: 9999999999999\niters: 1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := parseSettings("fuzz.yaml", raw)
		if err == nil {
			_, err = merge(DefaultConfig(""), entries, nil)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), "fuzz.yaml:") || strings.Contains(err.Error(), "\n")) {
			t.Fatalf("not a one-line error with its place: %q", err)
		}
	})
}

// A setting that the optimizer does not take is an error, as is each of its own.
func TestOptimizerSettings(t *testing.T) {
	for want, c := range map[string]Config{
		"train: optimizer adamw: betas are [0.9 1.5], want numbers in [0, 1)": {Optimizer: "adamw", Beta1: 0.9, Beta2: 1.5},
		"train: optimizer adam: eps is -1, want at least 0":                   {Optimizer: "adam", Eps: -1},
	} {
		_, err := c.optimizer()
		require.EqualError(t, err, want)
	}
	muon := DefaultConfig("")
	muon.Optimizer, muon.MuonSteps = "muon", -1
	_, err := muon.optimizer()
	require.EqualError(t, err, "train: optimizer muon: -1 Newton-Schulz steps, want 0 to 100")
	for name, slots := range map[string]int{"sgd": 1, "muon": 1, "adam": 2, "adamw": 2} {
		c := DefaultConfig("")
		c.Optimizer = name
		rule, err := c.optimizer()
		require.NoError(t, err)
		require.Equal(t, slots, rule.FlatSlots(), name)
	}
	cfg, _, err := Resolve(settingsFile(t, "optimizer: muon\noptimizer_config: {adam: {eps: 1}, muon: {momentum: 0.9, nesterov: false, ns_steps: 3, weight_decay: 0.1}}"), nil)
	require.NoError(t, err)
	require.Equal(t, []any{"muon", 0.9, false, 3, 0.1, 1e-8}, []any{cfg.Optimizer, cfg.MuonMomentum, cfg.MuonNesterov, cfg.MuonSteps, cfg.MuonDecay, cfg.Eps})
}
