package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/generate"
	"github.com/ftmetal/ftmetal/train"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// buffer is a bytes.Buffer that the signal handler may write to as well.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// fake is an app whose work is recorded, not done.
type fake struct {
	*app
	out, err buffer
	cfg      *train.Config
	fused    train.FuseOptions
	gen      generation

	device    string
	quantized models.QuantizeOptions
}

func newFake(stdin string) *fake {
	f := &fake{}
	f.app = newApp(strings.NewReader(stdin), &f.out, &f.err)
	f.train = func(_ context.Context, cfg *train.Config, report train.Reporter) error {
		f.cfg = cfg
		report(train.Started{Device: "null", Model: cfg.Model, Iters: cfg.Iters})
		report(train.Progress{Iter: 10, Loss: 2.5})
		report(train.Finished{Iter: cfg.Iters, Path: cfg.AdapterPath})
		return nil
	}
	f.predict = func(_ context.Context, cfg *train.Config) (train.PlanReport, error) {
		f.cfg = cfg
		return train.PlanReport{PeakBytes: 1 << 30, Tokens: 77}, nil
	}
	f.measure = func(_ context.Context, cfg *train.Config, runs int) (train.BenchReport, error) {
		f.cfg = cfg
		return train.BenchReport{Runs: runs, StepsPerRun: 1, Tokens: 455.5}, nil
	}
	f.evaluate = func(_ context.Context, cfg *train.Config) (train.Evaluation, error) {
		f.cfg = cfg
		return train.Evaluation{Loss: 0, Batches: 3, File: "d/test.jsonl"}, nil
	}
	f.fuse = func(_ context.Context, opt train.FuseOptions) (models.SaveReport, error) {
		f.fused = opt
		if opt.Model == "quantized" {
			return models.SaveReport{Quantized: 3, Error: 0.0625, UpdateError: 1.5}, nil
		}
		return models.SaveReport{}, nil
	}
	f.quantize = func(_ context.Context, device string, opt models.QuantizeOptions) (models.SaveReport, error) {
		f.device, f.quantized = device, opt
		return models.SaveReport{Quantized: 7, Error: 0.125, Bytes: 9 << 20, Parameters: 16 << 20}, nil
	}
	f.generate = func(_ context.Context, g generation, w io.Writer) (generationStats, error) {
		f.gen = g
		_, err := io.WriteString(w, "an answer")
		return generationStats{generate.Stats{PromptTokens: 4, Tokens: 2, PromptTime: time.Second, Time: 2 * time.Second}, 1.5e9, 3e9}, err
	}
	return f
}

// line runs a command line, split at spaces.
func (f *fake) line(s string) int { return f.run(strings.Fields("ftmetal " + s)) }

// Each option has one flag of train and each flag one option, but for -c and -h.
func TestEveryOptionHasOneFlag(t *testing.T) {
	root := newFake("").rootCommand()
	cmd, _, err := root.Find([]string{"train"})
	require.NoError(t, err)
	var flags, want []string
	add := func(f *pflag.Flag) {
		o, ok := f.Value.(*option)
		if !ok {
			require.Equal(t, "config", f.Name)
			return
		}
		require.Equal(t, flagName(o.Name), f.Name)
		require.NotEmpty(t, f.Usage)
		flags = append(flags, f.Name)
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	for _, o := range new(train.Config).Options() {
		want = append(want, flagName(o.Name))
	}
	slices.Sort(flags)
	slices.Sort(want)
	require.Equal(t, want, flags)
	for _, name := range evalOptions {
		_, ok := new(train.Config).Lookup(name)
		require.True(t, ok, name)
	}
}

// The defaults that help shows are the ones a run has.
func TestFlagsShowDefaults(t *testing.T) {
	f := newFake("")
	require.Zero(t, f.line("train --help"))
	for _, want := range []string{"--learning-rate float", "(default 0.0002)", "--adapter-path text", `(default adapters)`, "--lora-parameters.keys a,b,...", "--grad-checkpoint text[=on]", "--device text"} {
		require.Contains(t, f.out.String(), want)
	}
}

func TestTrainOptions(t *testing.T) {
	yaml := filepath.Join(t.TempDir(), "run.yaml")
	require.NoError(t, os.WriteFile(yaml, []byte("model: m\niters: 5\nlora_parameters: {rank: 8}\n"), 0o600))
	f := newFake("")
	require.Zero(t, f.line("train -c "+yaml+" --data d --train --iters 7 --mask-prompt --grad-checkpoint --lora-alpha 4 --max_seq_length=64 --num-layers -1 --packing=false --device null"), f.err.String())
	want := train.DefaultConfig("")
	want.Model, want.Data, want.Iters, want.Rank, want.Alpha, want.MaxSeqLength = "m", "d", 7, 8, 4, 64
	want.MaskPrompt, want.GradCheckpoint, want.Packing, want.Device = true, "on", false, "null"
	require.Equal(t, want, f.cfg)
	require.Contains(t, f.out.String(), "Iter 10: Train loss 2.500, Learning Rate 0.000e+00")
	require.Contains(t, f.out.String(), "Saved final weights to adapters")
	require.Empty(t, f.err.String())

	f = newFake("")
	require.Zero(t, f.line("train --model m --data d --compat mlx-lm --grad-checkpoint=off"))
	want = train.DefaultConfig("mlx-lm")
	want.Model, want.Data = "m", "d"
	require.Equal(t, want, f.cfg)
}

func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	yaml := filepath.Join(dir, "run.yaml")
	require.NoError(t, os.WriteFile(yaml, []byte("lerning_rate: 1\n"), 0o600))
	for line, want := range map[string]string{
		"trian":                                  `unknown command "trian" (did you mean "train"?)`,
		"train --lerning-rate 1":                 `unknown flag --lerning-rate (did you mean --learning-rate?)`,
		"train --rank 1":                         `unknown flag --rank (did you mean --lora-parameters.rank?)`,
		"train --report-to wandb":                `--report-to: no reporting service is built in: use log_json to write every event to a file`,
		"train --confg x":                        `unknown flag --confg (did you mean --config?)`,
		"train --iters many":                     `invalid argument "many" for "--iters" flag: iters is "many", want a whole number`,
		"train --iters":                          `flag needs an argument: --iters`,
		"train -z":                               `unknown shorthand flag: 'z' in -z`,
		"train --model m --packing false":        `unexpected argument "false": flags that switch something take their value after =, such as --packing=false`,
		"train now":                              `unexpected argument "now"`,
		"train --data d":                         `model is missing: give the folder of a model with --model DIR`,
		"train --model m --data d --optimizer x": `optimizer is "x", want one of: adamw, adam, sgd`,
		"train --model m --data d --cache-frozen memory":             `cache_frozen is memory and num_layers is -1, which trains every layer: there is nothing to keep`,
		"train --model m --data d --num-layers 4 --cache-frozen ram": `cache_frozen is "ram", want off, memory or the path of a file (such as ./ram)`,
		"train --model m --data d --compat mlx-lm --cache-frozen on": `cache_frozen does not go with compat mlx-lm, which runs every layer in every step`,
		"train -c " + yaml:                             yaml + `:1: unknown key "lerning_rate" (did you mean "learning_rate"?)`,
		"train -c " + dir + "/no.yaml":                 `no.yaml: no such file or directory`,
		"eval --data d":                                `model is missing`,
		"eval --model m --iters 5":                     `unknown flag --iters`,
		"plan --data d":                                `model is missing`,
		"plan --dry-run":                               `unknown flag --dry-run`,
		"generate --prompt x":                          `model is missing`,
		"generate --model m":                           `prompt is missing`,
		"generate --model m --prompt x --top-p 2":      `top_p is 2, want 0 to 1`,
		"generate --model m --prompt x --max-tokens 0": `max_tokens is 0, want at least 1`,
		"generate --model m --prompt x --tmp 1":        `unknown flag --tmp (did you mean --temp?)`,
		"fuse":                                         `model is missing`,
		"fuse --model m --max-shard-size big":          `--max-shard-size: memory size "big"`,
		"devices all":                                  `unexpected argument "all"`,
	} {
		t.Run(line, func(t *testing.T) {
			f := newFake("")
			require.Equal(t, 2, f.line(line), f.err.String())
			text := f.err.String()
			require.True(t, strings.HasPrefix(text, "ftmetal: "), text)
			require.Contains(t, text, want)
			require.Equal(t, 1, strings.Count(text, "\n"), text)
			require.Empty(t, f.out.String())
		})
	}
}

func TestRuntimeErrorsAreOneLine(t *testing.T) {
	f := newFake("")
	f.train = func(context.Context, *train.Config, train.Reporter) error {
		return errors.Join(errors.New("disk full"), errors.New("and slow"))
	}
	require.Equal(t, 1, f.line("train --model m --data d"))
	require.Equal(t, "ftmetal: disk full; and slow\n", f.err.String())

	f = newFake("")
	require.Equal(t, 1, f.line("train --model m --data d --log-json "+t.TempDir()))
	require.Contains(t, f.err.String(), "ftmetal: log_json: open ")

	f = newFake("")
	require.Equal(t, 1, f.line("devices --device abacus"))
	require.Contains(t, f.err.String(), `ftmetal: metal: unknown device "abacus" (there are: `)
}

func TestDryRun(t *testing.T) {
	f := newFake("")
	f.train = nil
	require.Zero(t, f.line("train --model m --data d --lora-r 4 --dry-run"), f.err.String())
	require.Equal(t, 4, f.cfg.Rank)
	yaml := filepath.Join(t.TempDir(), "again.yaml")
	require.NoError(t, os.WriteFile(yaml, []byte(f.out.String()), 0o600))
	require.Contains(t, f.out.String(), "\nlora_parameters:\n  rank: 4\n")
	require.Contains(t, f.out.String(), "\n# iters: 1000\n")
	require.Contains(t, f.out.String(), "\n# Predicted peak 1.00 GiB: ")
	first := *f.cfg
	require.Zero(t, f.line("train -c "+yaml), f.err.String())
	require.Equal(t, &first, f.cfg)
}

func TestLogJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("old\n"), 0o600))
	read := func() []string {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		return strings.Split(strings.TrimSpace(string(raw)), "\n")
	}
	require.Zero(t, newFake("").line("train --model m --data d --log-json "+path))
	lines := read()
	require.Len(t, lines, 3)
	require.True(t, strings.HasPrefix(lines[1], `{"type":"progress","time":"`), lines[1])
	require.Zero(t, newFake("").line("train --model m --data d --resume auto --log-json "+path))
	require.Len(t, read(), 6, "a resumed run appends")
}

// A run that is interrupted ends with the command that goes on from it.
func TestInterrupt(t *testing.T) {
	interrupted := func(events ...train.Event) (*fake, int) {
		f := newFake("")
		f.train = func(ctx context.Context, _ *train.Config, report train.Reporter) error {
			require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
			<-ctx.Done()
			for _, e := range events {
				report(e)
			}
			return errors.Join(ctx.Err(), nil)
		}
		return f, f.run([]string{"./ftmetal", "train", "--model", "my model", "--data", "it's", "--resume-from-checkpoint", "adapters/checkpoint-3", "--resume=x", "--iters=9"})
	}
	f, code := interrupted(train.Started{}, train.Saved{Iter: 7, Path: "adapters/checkpoint-7"}, train.Finished{Iter: 7, Interrupted: true})
	require.Equal(t, 1, code)
	require.Contains(t, f.err.String(), `ftmetal: interrupted; a checkpoint of iteration 7 was saved in adapters/checkpoint-7; `+
		`to go on: ./ftmetal train --model 'my model' --data 'it'\''s' --iters=9 --resume auto`+"\n")
	f, code = interrupted()
	require.Equal(t, 1, code)
	require.Contains(t, f.err.String(), "ftmetal: interrupted before training began: nothing was saved\n")
	f, _ = interrupted(train.Started{}, train.Saved{Iter: 5, Path: "old"})
	require.Contains(t, f.err.String(), "ftmetal: interrupted: context canceled\n")
	require.NotContains(t, f.err.String(), "to go on")
}

func TestEval(t *testing.T) {
	f := newFake("")
	require.Zero(t, f.line("eval --model m --data d"))
	require.Empty(t, f.cfg.AdapterPath)
	require.Equal(t, "d/test.jsonl: loss 0.0000, perplexity 1.0000 (3 batches)\n", f.out.String())
	require.Zero(t, f.line("eval --model m --data d --adapter-path adapters --memory-limit 1GiB"))
	require.Equal(t, []string{"adapters", "1GiB"}, []string{f.cfg.AdapterPath, f.cfg.MemoryLimit})
}

func TestPlan(t *testing.T) {
	f := newFake("")
	require.Zero(t, f.line("plan --model m --batch-size 3"))
	require.Equal(t, 3, f.cfg.BatchSize)
	require.Equal(t, train.PlanReport{PeakBytes: 1 << 30, Tokens: 77}.String()+"\n", f.out.String())
}

func TestFuse(t *testing.T) {
	f := newFake("")
	require.Zero(t, f.line("fuse --model m --adapter-path a --save-path s --dtype float16 --device null"))
	require.Equal(t, train.FuseOptions{Model: "m", AdapterPath: "a", SavePath: "s", DType: "float16", MaxShardBytes: 5e9, Device: "null"}, f.fused)
	require.Equal(t, "Saved the merged model to s\n", f.out.String())
	f = newFake("")
	require.Zero(t, f.line("fuse --model quantized"))
	require.Equal(t, "Quantized 3 merged weights again: that changed them by 0.062 of their size, which is 1.5 of what the adapter had changed (--dequantize avoids it)\n"+
		"Saved the merged model to fused_model\n", f.out.String())
	f = newFake("")
	require.Zero(t, f.line("fuse --model m --dequantize"))
	require.True(t, f.fused.Dequantize)
}

func TestQuantize(t *testing.T) {
	f := newFake("")
	require.Zero(t, f.line("quantize --model m --save-path s --device null"), f.err.String())
	require.Equal(t, models.QuantizeOptions{Model: "m", SavePath: "s", As: graph.Quantization{Mode: graph.QuantAffine}, MaxShardBytes: 5e9}, f.quantized)
	require.Equal(t, "null", f.device)
	require.Equal(t, "Quantized 7 weights, which changed them by 0.12 of their size\nSaved the model to s: 9.00 MiB, 4.500 bits per weight\n", f.out.String())
	f = newFake("")
	require.Zero(t, f.line("quantize --hf-path m --mlx-path s --q-bits 3 --q-group-size 32 --q_mode affine --dtype float16"), f.err.String())
	require.Equal(t, models.QuantizeOptions{Model: "m", SavePath: "s", As: graph.Quantization{Mode: graph.QuantAffine, Bits: 3, GroupSize: 32}, DType: "float16", MaxShardBytes: 5e9}, f.quantized)
	f = newFake("")
	require.Zero(t, f.line("quantize --model m --save-path s --quant-predicate mixed_3_6"))
	require.Equal(t, "mixed_3_6", f.quantized.Recipe)
	f = newFake("")
	require.Zero(t, f.line("quantize --model m --save-path s -d"))
	require.True(t, f.quantized.Dequantize)
	require.Equal(t, "Saved the unpacked model to s: 9.00 MiB, 4.500 bits per weight\n", f.out.String())
	for line, want := range map[string]string{
		"quantize --model m":                                  "give folders with --model DIR --save-path DIR",
		"quantize --model m --save-path s -d --bits 4":        "dequantize goes with none of bits",
		"quantize --model m --save-path s --bits 7":           "bits are 7, affine has [2 3 4 5 6 8]",
		"quantize --model m --save-path s --mode int4":        `quantization mode is "int4"`,
		"quantize --model m --save-path s --bit 4":            "did you mean --bits?",
		"quantize --model m --save-path s --max-shard-size x": "--max-shard-size",
	} {
		f := newFake("")
		require.Equal(t, 2, f.line(line), line)
		require.Contains(t, f.err.String(), want)
	}
}

func TestGenerate(t *testing.T) {
	f := newFake("a question\n")
	require.Zero(t, f.line("generate --model m --prompt - --temp 0.5 --top-k 3 --seed 9 --memory-limit 2KiB --device null"), f.err.String())
	require.Equal(t, generation{model: "m", device: "null", budget: 2048, prompt: "a question\n", maxTokens: 100,
		sampler: generate.Sampler{Temp: 0.5, TopP: 1, TopK: 3}, seed: 9}, f.gen)
	require.Equal(t, "an answer\n", f.out.String())
	require.Equal(t, "Prompt: 4 tokens, 4.000 tokens-per-sec\nGeneration: 2 tokens, 1.000 tokens-per-sec (weights at 3.0 GB/s)\nPeak memory: 1.500 GB\n", f.err.String())
	require.Equal(t, 1, newFake(" \n").line("generate --model m --prompt -"))
}

func TestDevicesAndVersion(t *testing.T) {
	f := newFake("")
	require.Zero(t, f.line("devices --device null"))
	require.Contains(t, f.out.String(), "null ")
	require.Contains(t, f.out.String(), "Used: null (asked for)\n")
	f = newFake("")
	require.Zero(t, f.line("version"))
	require.Regexp(t, `^ftmetal \S+ \(go1\.\S+, \w+/\w+\)\n$`, f.out.String())
	f = newFake("")
	require.Zero(t, f.line(""))
	require.Contains(t, f.out.String(), "Available Commands:")
}
