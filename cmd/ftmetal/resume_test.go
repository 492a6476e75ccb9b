package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftmetal/ftmetal/internal/parity"
	"github.com/stretchr/testify/require"
)

// asProgram makes the test binary behave as ftmetal itself, so that tests can
// kill it.
const asProgram = "FTMETAL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(newApp(os.Stdin, os.Stdout, os.Stderr).run(os.Args))
	}
	os.Exit(m.Run())
}

// program is ftmetal as a process of its own.
func program(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	return cmd
}

// tiny is a model folder and packed data of a few hundred tokens.
func tiny(t *testing.T, trajectory string) (model, data string) {
	t.Helper()
	out := t.TempDir()
	require.NoError(t, parity.Convert(filepath.Join("testdata/train", trajectory), out))
	return filepath.Join(out, "model"), filepath.Join(out, "data")
}

// files reads every file under dir but logs.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all[rel] = string(raw)
		return err
	}))
	return all
}

func requireSameFiles(t *testing.T, want, got string) {
	t.Helper()
	w, g := files(t, want), files(t, got)
	require.NotEmpty(t, w)
	for name, content := range w {
		require.Contains(t, g, name)
		require.True(t, content == g[name], "%s differs between %s and %s", name, want, got)
	}
	require.Len(t, g, len(w))
}

// resumeArgs is a run that uses everything a checkpoint has to keep: packing,
// dropout, accumulation, a schedule, validation.
func resumeArgs(model, data, out string) []string {
	return []string{"train", "--model", model, "--data", data, "--adapter-path", out, "--iters", "18", "--max-seq-length", "48", "--batch-size", "2",
		"--lora-parameters.dropout", "0.1", "--grad-accumulation-steps", "2", "--save-every", "3", "--steps-per-eval", "5", "--steps-per-report", "2",
		"--save-total-limit", "0", "--val-split", "0", "--seed", "3"}
}

// A run that goes on from a checkpoint ends with the files of one that was
// never interrupted; one worker gives the bits of two.
func TestResumeIsBitExact(t *testing.T) {
	for _, trajectory := range []string{"llama_fp32_lora_adam", "llama_bf16_lora_adamw"} {
		t.Run(trajectory, func(t *testing.T) {
			model, data := tiny(t, trajectory)
			whole := filepath.Join(t.TempDir(), "a")
			out, err := program(t, nil, resumeArgs(model, data, whole)...).CombinedOutput()
			require.NoError(t, err, string(out))
			for k, env := range map[int][]string{3: {"FTMETAL_WORKERS=1"}, 8: {"FTMETAL_WORKERS=2", "GOMAXPROCS=1"}} {
				part := filepath.Join(t.TempDir(), "a")
				require.NoError(t, os.CopyFS(part, os.DirFS(whole)))
				all, err := os.ReadDir(filepath.Join(part, "checkpoints"))
				require.NoError(t, err)
				for _, c := range all {
					if c.Name() > fmt.Sprintf("%07d", k) {
						require.NoError(t, os.RemoveAll(filepath.Join(part, "checkpoints", c.Name())))
					}
				}
				out, err := program(t, env, append(resumeArgs(model, data, part), "--resume", "auto")...).CombinedOutput()
				require.NoError(t, err, string(out))
				require.Contains(t, string(out), "Resumed from")
				requireSameFiles(t, whole, part)
			}
		})
	}
}

// killed runs the program and kills it at a random moment of the time that it takes.
func killed(t *testing.T, rng *rand.Rand, took time.Duration, args []string) {
	cmd := program(t, nil, args...)
	require.NoError(t, cmd.Start())
	time.Sleep(took/4 + time.Duration(rng.Int64N(int64(took))))
	_ = cmd.Process.Signal(syscall.SIGKILL) // it may have ended by itself
	_ = cmd.Wait()
}

// Killed at a random moment, a run has whole checkpoints only, and goes on to
// the same end.
func TestKilledRunsResume(t *testing.T) {
	model, data := tiny(t, "llama_fp32_lora_adam")
	whole := filepath.Join(t.TempDir(), "a")
	began := time.Now()
	out, err := program(t, nil, resumeArgs(model, data, whole)...).CombinedOutput()
	require.NoError(t, err, string(out))
	took := time.Since(began)
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for range 3 {
		part := filepath.Join(t.TempDir(), "a")
		args := append(resumeArgs(model, data, part), "--resume", "auto")
		for range 3 {
			killed(t, rng, took, args)
			saved, _ := filepath.Glob(filepath.Join(part, "checkpoints", "[0-9]*", "*"))
			require.Zero(t, len(saved)%4, "a checkpoint is not whole: %v", saved)
		}
		out, err := program(t, nil, args...).CombinedOutput()
		require.NoError(t, err, string(out))
		requireSameFiles(t, whole, part)
	}
}

// Ctrl-C saves a checkpoint, and the command that is printed goes on from it.
func TestInterruptSavesAndTellsHowToGoOn(t *testing.T) {
	model, data := tiny(t, "llama_fp32_lora_adam")
	whole, part := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "a")
	args := append(resumeArgs(model, data, whole), "--iters", "400", "--save-every", "1000")
	out, err := program(t, nil, args...).CombinedOutput()
	require.NoError(t, err, string(out))
	args = append(resumeArgs(model, data, part), "--iters", "400", "--save-every", "1000")
	cmd := program(t, nil, args...)
	var text strings.Builder
	cmd.Stderr = &text
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	buf := make([]byte, 4096)
	for seen := ""; !strings.Contains(seen, "Iter 4:"); {
		n, err := stdout.Read(buf)
		require.NoError(t, err, seen)
		seen += string(buf[:n])
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait())
	require.Contains(t, text.String(), "a checkpoint of iteration ")
	require.Contains(t, text.String(), " --resume auto\n")
	out, err = program(t, nil, append(args, "--resume", "auto")...).CombinedOutput()
	require.NoError(t, err, string(out))
	w, g := files(t, whole), files(t, part)
	for _, name := range []string{"adapters.safetensors", "adapter_config.json", "checkpoints/0000400/optimizer.safetensors.zst", "checkpoints/0000400/state.json"} {
		require.True(t, w[name] != "" && w[name] == g[name], "%s differs", name)
	}
}

// A run that died between its last checkpoint and the adapter's usual place is
// completed by resuming it.
func TestResumeOfAFinishedRunWritesTheAdapter(t *testing.T) {
	model, data := tiny(t, "llama_fp32_lora_adam")
	whole, part := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "a")
	out, err := program(t, nil, resumeArgs(model, data, whole)...).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.CopyFS(part, os.DirFS(whole)))
	require.NoError(t, os.Remove(filepath.Join(part, "adapters.safetensors")))
	require.NoError(t, os.Remove(filepath.Join(part, "adapter_config.json")))
	out, err = program(t, nil, append(resumeArgs(model, data, part), "--resume", "auto")...).CombinedOutput()
	require.NoError(t, err, string(out))
	requireSameFiles(t, whole, part)
}

// frozenArgs is a run that keeps what the frozen layer makes.
func frozenArgs(model, data, out, where string) []string {
	return append(resumeArgs(model, data, out), "--num-layers", "1", "--cache-frozen", where)
}

// Where the frozen layer's outputs are kept, and whether they survived, changes no bit
// of a run that goes on from a checkpoint.
func TestResumeWithFrozenCache(t *testing.T) {
	for _, trajectory := range []string{"llama_bf16_lora_adamw", "llama_q4g32_qlora_adam"} {
		t.Run(trajectory, func(t *testing.T) {
			model, data := tiny(t, trajectory)
			whole, states := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "states")
			out, err := program(t, nil, frozenArgs(model, data, whole, states)...).CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "100.0% of ")
			for where, after := range map[string]string{"memory": "0000003", states: "0000006", states + "-new": "0000009"} {
				part := filepath.Join(t.TempDir(), "a")
				require.NoError(t, os.CopyFS(part, os.DirFS(whole)))
				all, err := os.ReadDir(filepath.Join(part, "checkpoints"))
				require.NoError(t, err)
				for _, c := range all {
					if c.Name() > after {
						require.NoError(t, os.RemoveAll(filepath.Join(part, "checkpoints", c.Name())))
					}
				}
				out, err := program(t, []string{"FTMETAL_WORKERS=1"}, append(frozenArgs(model, data, part, where), "--resume", "auto")...).CombinedOutput()
				require.NoError(t, err, string(out))
				require.Contains(t, string(out), "Resumed from")
				require.NotContains(t, string(out), "Warning: cache_frozen", "it is the same device with fewer threads")
				requireSameFiles(t, whole, part)
			}
			part := filepath.Join(t.TempDir(), "a")
			require.NoError(t, os.CopyFS(part, os.DirFS(whole)))
			out, err = program(t, nil, append(resumeArgs(model, data, part), "--num-layers", "1", "--resume", "auto")...).CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(out), "was made with other settings")
		})
	}
}

// Killed at a random moment while it fills its file of states, a run goes on to the
// same end with what the file has.
func TestKilledRunsKeepFrozenStates(t *testing.T) {
	model, data := tiny(t, "llama_bf16_lora_adamw")
	whole := filepath.Join(t.TempDir(), "a")
	began := time.Now()
	out, err := program(t, nil, frozenArgs(model, data, whole, "memory")...).CombinedOutput()
	require.NoError(t, err, string(out))
	took := time.Since(began)
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	for range 3 {
		part, states := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "states")
		args := append(frozenArgs(model, data, part, states), "--resume", "auto")
		for range 3 {
			killed(t, rng, took, args)
		}
		out, err := program(t, nil, args...).CombinedOutput()
		require.NoError(t, err, string(out))
		require.NotContains(t, string(out), "damaged")
		requireSameFiles(t, whole, part)
	}
}
