//go:build metalfake

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metalfake "github.com/ftmetal/ftmetal/metal/darwin/fake"
	"github.com/ftmetal/ftmetal/train"
	"github.com/stretchr/testify/require"
)

// onMetal runs a command line in this process, where the fake GPU can be told
// what shall fail. No object of Metal's may be left at the end.
func onMetal(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	t.Setenv("FTMETAL_CACHE", "off")
	var out, err bytes.Buffer
	code = newApp(strings.NewReader(""), &out, &err).run(append([]string{"ftmetal"}, args...))
	require.Zero(t, metalfake.Count().Live, "objects that were not released")
	return code, err.String()
}

// losses reads the training and validation losses of a log.
func losses(t *testing.T, path string) (all []float64) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range strings.Lines(string(raw)) {
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		if x, ok := e["loss"].(float64); ok {
			all = append(all, x)
		}
	}
	require.NotEmpty(t, all)
	return all
}

// A training run through the Apple driver has the losses of one on the software
// device, and writes the same bytes: checkpoints, moments, adapter.
func TestMetalTrainsLikeSoft(t *testing.T) {
	for _, run := range []struct {
		trajectory string
		args       []string
	}{{"llama_fp32_lora_adam", nil}, {"llama_bf16_lora_adamw", nil}, {"llama_bf16_lora_adamw", []string{"--num-layers", "1", "--cache-frozen", "memory"}}} {
		t.Run(run.trajectory, func(t *testing.T) {
			model, data := tiny(t, run.trajectory)
			args := func(out string) []string { return append(resumeArgs(model, data, out), run.args...) }
			soft, metal, logs := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "a"), t.TempDir()
			run := func(device, out string) {
				log := filepath.Join(logs, device)
				code, stderr := onMetal(t, append(args(out), "--device", device, "--log-json", log)...)
				require.Zero(t, code, stderr)
			}
			run("soft", soft)
			metalfake.Reset()
			run("metal", metal)
			require.Greater(t, metalfake.Count().Commits, 18)
			require.Equal(t, losses(t, filepath.Join(logs, "soft")), losses(t, filepath.Join(logs, "metal")))
			requireSameFiles(t, soft, metal)
		})
	}
}

// However many layers a model has, a run has few buffers of Metal's, of which a
// process may have half a million.
func TestMetalBuffersAreFew(t *testing.T) {
	model, data := tiny(t, "llama_fp32_lora_adam")
	raw, err := os.ReadFile(filepath.Join(model, "config.json"))
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, json.Unmarshal(raw, &config))
	for _, layers := range []int{2, 64} {
		config["num_hidden_layers"] = layers
		raw, err = json.Marshal(config)
		require.NoError(t, err)
		dir := t.TempDir()
		init, full, deep := filepath.Join(dir, "config.json"), filepath.Join(dir, "full"), filepath.Join(dir, "deep")
		require.NoError(t, os.WriteFile(init, raw, 0o644))
		run := func(args ...string) {
			metalfake.Reset()
			code, stderr := onMetal(t, append(args, "--device", "metal")...)
			require.Zero(t, code, stderr)
			t.Logf("%d layers, %s: %d buffers at most", layers, args[0], metalfake.Count().PeakBuffers)
			require.Less(t, metalfake.Count().PeakBuffers, 200)
		}
		train := []string{"train", "--data", data, "--iters", "3", "--max-seq-length", "48", "--batch-size", "2", "--val-split", "0", "--num-layers", "-1"}
		run(append(train, "--init", init, "--fine-tune-type", "full", "--adapter-path", full)...)
		code, stderr := onMetal(t, "fuse", "--init", init, "--adapter-path", full, "--save-path", deep)
		require.Zero(t, code, stderr)
		run(append(train, "--model", deep, "--adapter-path", filepath.Join(dir, "lora"))...)
	}
}

// A thousand steps leave no object behind, of Metal's classes or Foundation's.
func TestMetalStepsLeaveNothing(t *testing.T) {
	t.Setenv("FTMETAL_CACHE", "off")
	model, data := tiny(t, "llama_fp32_lora_adam")
	var out, err bytes.Buffer
	a := newApp(strings.NewReader(""), &out, &err)
	var live, objects int
	a.train = func(ctx context.Context, cfg *train.Config, report train.Reporter) error {
		return train.Run(ctx, cfg, func(e train.Event) {
			report(e)
			if e, ok := e.(train.Step); ok && e.Iter == 100 {
				live, objects = metalfake.Count().Live, metalfake.Objects()
			} else if ok && e.Iter == 1000 {
				require.Equal(t, live, metalfake.Count().Live, "objects of Metal's")
				// Foundation has some for each thread that it meets.
				require.InDelta(t, objects, metalfake.Objects(), 100, "objects of all classes")
			}
		})
	}
	metalfake.Reset()
	metalfake.Objects()
	require.Zero(t, a.run([]string{"ftmetal", "train", "--model", model, "--data", data, "--adapter-path", filepath.Join(t.TempDir(), "a"),
		"--iters", "1000", "--max-seq-length", "48", "--batch-size", "1", "--val-split", "0", "--steps-per-eval", "2000", "--save-every", "2000", "--device", "metal"}), err.String())
	require.NotZero(t, live)
	require.Zero(t, metalfake.Count().Live, "objects that were not released")
}

// Whatever fails on the GPU and whenever: one line tells, every file is whole, and
// the run goes on from its last checkpoint to the end it would have had.
func TestMetalFaultsAreSurvived(t *testing.T) {
	model, data := tiny(t, "llama_fp32_lora_adam")
	whole := filepath.Join(t.TempDir(), "a")
	metalfake.Reset()
	code, stderr := onMetal(t, append(resumeArgs(model, data, whole), "--device", "metal")...)
	require.Zero(t, code, stderr)
	commits, buffers := metalfake.Count().Commits, metalfake.Count().PeakBuffers
	for _, fault := range []struct {
		name   string
		inject func()
		want   string
	}{
		{"failed command buffer", func() { metalfake.FailCommit(commits/5, 1, "Internal Error") }, "Internal Error (MTLCommandBufferErrorDomain 1)"},
		{"watchdog", func() { metalfake.FailCommit(commits/2, 2, "Caused GPU Timeout Error") }, "the system ends GPU work that keeps the display waiting"},
		{"page fault", func() { metalfake.FailCommit(commits*2/3, 3, "Caused GPU Address Fault Error") }, "a kernel read or wrote outside its buffers"},
		{"out of memory", func() { metalfake.FailCommit(commits*4/5, 8, "Insufficient Memory") }, "the GPU ran out of memory"},
		{"device lost", func() { metalfake.FailCommit(commits-1, 11, "Device was removed") }, "the GPU is gone"},
		{"first command buffer", func() { metalfake.FailCommit(1, 1, "Internal Error") }, "Internal Error (MTLCommandBufferErrorDomain 1)"},
		{"compilation", func() { metalfake.FailCompile(true) }, "error: use of undeclared identifier 'oops'"},
		{"pipeline", func() { metalfake.FailPipeline(true) }, "Compiler encountered an internal error"},
		{"no memory at all", func() { metalfake.FailBuffer(1) }, "out of memory: no buffer of"},
		{"no memory for the arena", func() { metalfake.FailBuffer(buffers) }, "out of memory: no buffer of"},
	} {
		t.Run(fault.name, func(t *testing.T) {
			part := filepath.Join(t.TempDir(), "a")
			args := append(resumeArgs(model, data, part), "--device", "metal")
			metalfake.Reset()
			fault.inject()
			code, stderr := onMetal(t, args...)
			require.Equal(t, 1, code)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			require.Contains(t, stderr, fault.want)
			saved, err := filepath.Glob(filepath.Join(part, "checkpoints", "*"))
			require.NoError(t, err)
			for _, dir := range saved {
				require.Len(t, files(t, dir), 4, "%s is not whole", dir)
			}
			require.Equal(t, len(saved) > 0, strings.HasSuffix(stderr, " --resume auto\n"), stderr)
			metalfake.Reset()
			code, stderr = onMetal(t, append(args, "--resume", "auto")...)
			require.Zero(t, code, stderr)
			requireSameFiles(t, whole, part)
		})
	}
}
