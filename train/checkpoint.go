package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/internal/atomicfile"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/ftmetal/ftmetal/train/data"
	"github.com/klauspost/compress/zstd"
)

// State is what a checkpoint holds besides tensors: where the run stands.
type State struct {
	Version     int         `json:"version"`
	Iter        int         `json:"iter"`    // micro-batches done
	Updates     int         `json:"updates"` // optimizer updates done
	Tokens      int64       `json:"trained_tokens"`
	Real        int64       `json:"real_tokens"`
	BestVal     *float64    `json:"best_val_loss,omitempty"`
	BestIter    int         `json:"best_iter,omitempty"`
	BadEvals    int         `json:"evals_without_improvement,omitempty"`
	Seed        int         `json:"seed"`
	Train       data.Cursor `json:"train_cursor"`
	Fingerprint string      `json:"settings"` // of what must not change on resume
	// PendingWeight divides the gradients accumulated so far, when a checkpoint
	// falls between two updates: supervised tokens, or mlx-lm's micro-batches.
	PendingWeight float64 `json:"pending_weight,omitempty"`
	PendingMicro  int     `json:"pending_micro,omitempty"`
	EvalDue       bool    `json:"eval_due,omitempty"` // the validation after Iter was not made
}

// stateVersion is the format of State.
const stateVersion = 1

// checkpoint file names.
const (
	adapterFile   = "adapters.safetensors"
	bestFile      = "best_" + adapterFile
	configFile    = "adapter_config.json"
	stateFile     = "state.json"
	optimizerFile = "optimizer.safetensors.zst"
	checkpointDir = "checkpoints"
)

// Checkpoint is a whole state of training in host memory.
type Checkpoint struct {
	State   State
	Tensors map[string][]float32 // params, m, v, g: flat, in the set's layout
}

// SaveCheckpoint writes dir/checkpoints/NNNNNNN: into a temporary folder that
// is renamed when every file in it is on disk, so that a checkpoint is whole or
// not there.
func SaveCheckpoint(dir string, set *ParamSet, c *Checkpoint, adapterConfig []byte) (string, error) {
	root := filepath.Join(dir, checkpointDir)
	final := filepath.Join(root, fmt.Sprintf("%07d", c.State.Iter))
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("checkpoint %s: %w", final, err)
	}
	tmp, err := os.MkdirTemp(root, ".tmp-")
	if err != nil {
		return "", fmt.Errorf("checkpoint %s: %w", final, err)
	}
	defer os.RemoveAll(tmp)
	if err := writeCheckpoint(tmp, set, c, adapterConfig); err != nil {
		return "", fmt.Errorf("checkpoint %s: %w", final, err)
	}
	if err := replaceDir(tmp, final); err != nil {
		return "", fmt.Errorf("checkpoint %s: %w", final, err)
	}
	return final, syncDir(root)
}

// replaceDir moves tmp to final. A folder that is there already, of the same
// iteration, is moved aside first and removed when the new one is in its place.
func replaceDir(tmp, final string) error {
	old := tmp + "-old"
	err := os.Rename(final, old)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Rename(tmp, final); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

func writeCheckpoint(tmp string, set *ParamSet, c *Checkpoint, adapterConfig []byte) error {
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := weights.WriteFile(filepath.Join(tmp, adapterFile), set.Tensors(c.Tensors["params"], false), nil); err != nil {
		return err
	}
	if err := writeBytes(filepath.Join(tmp, configFile), adapterConfig); err != nil {
		return err
	}
	names := []string{}
	for name := range c.Tensors {
		if name != "params" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var moments []weights.Tensor
	for _, name := range names {
		v := c.Tensors[name]
		moments = append(moments, weights.Tensor{Name: name, DType: metal.Float32, Shape: []int{len(v)}, Data: narrow(v, metal.Float32)})
	}
	plain := filepath.Join(tmp, strings.TrimSuffix(optimizerFile, ".zst"))
	if err := weights.WriteFile(plain, moments, nil); err != nil {
		return err
	}
	if err := compressFile(plain, filepath.Join(tmp, optimizerFile)); err != nil {
		return err
	}
	state, err := json.MarshalIndent(c.State, "", "  ")
	if err != nil {
		return err
	}
	return writeBytes(filepath.Join(tmp, stateFile), append(state, '\n'))
}

// syncDir makes renames in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func writeBytes(path string, b []byte) error {
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// compressFile replaces src by its zstd form dst.
func compressFile(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	err = atomicfile.Write(dst, 0o644, func(w io.Writer) error {
		// One goroutine: the same bytes on every machine.
		enc, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return err
		}
		if _, err := io.Copy(enc, in); err != nil {
			return err
		}
		return enc.Close()
	})
	if err != nil {
		return err
	}
	return os.Remove(src)
}

// LoadCheckpoint reads a checkpoint folder.
func LoadCheckpoint(dir string, set *ParamSet) (*Checkpoint, error) {
	raw, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", dir, err)
	}
	c := &Checkpoint{Tensors: map[string][]float32{}}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c.State); err != nil {
		return nil, fmt.Errorf("checkpoint %s: %s: %w", dir, stateFile, err)
	}
	if c.State.Version != stateVersion {
		return nil, fmt.Errorf("checkpoint %s: %s has version %d, want %d", dir, stateFile, c.State.Version, stateVersion)
	}
	params := make([]float32, set.Size)
	if err := set.LoadTensors(filepath.Join(dir, adapterFile), params, true); err != nil {
		return nil, err
	}
	c.Tensors["params"] = params
	moments, err := readCompressed(filepath.Join(dir, optimizerFile))
	if err != nil {
		return nil, err
	}
	defer moments.Close()
	for _, t := range moments.Tensors() {
		if t.DType != metal.Float32 || len(t.Shape) != 1 || t.Shape[0] != set.Size {
			return nil, fmt.Errorf("checkpoint %s: %s: tensor %q is %s%v, want float32[%d]", dir, optimizerFile, t.Name, t.DType, t.Shape, set.Size)
		}
		v := make([]float32, set.Size)
		widen(v, t.Data, metal.Float32)
		c.Tensors[t.Name] = v
	}
	return c, nil
}

// readCompressed opens a compressed safetensors file by way of a temporary one,
// which is gone when the returned file is closed.
func readCompressed(path string) (*weights.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dec, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer dec.Close()
	tmp, err := os.CreateTemp("", "ftmetal-*.safetensors")
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name()) // the mapping outlives the name
	defer tmp.Close()
	if _, err := io.Copy(tmp, dec); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return weights.Open(tmp.Name())
}

// LastCheckpoint is the newest checkpoint folder under dir, "" if there is none.
func LastCheckpoint(dir string) (string, error) {
	all, err := checkpoints(dir)
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[len(all)-1], nil
}

// checkpoints lists the checkpoint folders of a run, oldest first.
func checkpoints(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, checkpointDir))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if e.IsDir() && len(e.Name()) == 7 && strings.Trim(e.Name(), "0123456789") == "" {
			all = append(all, filepath.Join(dir, checkpointDir, e.Name()))
		}
	}
	slices.Sort(all)
	return all, nil
}

// pruneCheckpoints keeps the newest n checkpoints (0: all) and removes what an
// interrupted save left behind.
func pruneCheckpoints(dir string, n int) error {
	var leftovers []string
	for _, name := range []string{filepath.Join(checkpointDir, ".tmp-*"), "." + adapterFile + ".*.tmp", "." + bestFile + ".*.tmp", "." + configFile + ".*.tmp"} {
		found, err := filepath.Glob(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		leftovers = append(leftovers, found...)
	}
	all, err := checkpoints(dir)
	if err != nil {
		return err
	}
	if n > 0 && len(all) > n {
		leftovers = append(leftovers, all[:len(all)-n]...)
	}
	for _, p := range leftovers {
		if err := os.RemoveAll(p); err != nil {
			return err
		}
	}
	return nil
}

// AdapterConfig is adapter_config.json: mlx-lm's keys, and lora_alpha beside
// the scale, which other tools read instead.
func AdapterConfig(c *Config) []byte {
	lora := map[string]any{"rank": c.Rank, "scale": c.LoRAScale(), "dropout": c.Dropout, "alpha": c.LoRAScale() * float64(c.Rank)}
	if len(c.Keys) > 0 {
		lora["keys"] = c.Keys
	}
	m := map[string]any{
		"fine_tune_type": c.FineTuneType, "num_layers": c.NumLayers, "lora_parameters": lora, "lora_alpha": c.LoRAScale() * float64(c.Rank),
		"model": c.Model, "data": c.Data, "batch_size": c.BatchSize, "learning_rate": c.LearningRate,
		"optimizer": c.Optimizer, "mask_prompt": c.MaskPrompt, "max_seq_length": c.MaxSeqLength, "seed": c.Seed,
		"grad_accumulation_steps": c.GradAccumulationSteps,
	}
	b, err := json.MarshalIndent(m, "", "    ")
	if err != nil {
		panic("train: adapter config: " + err.Error())
	}
	return append(b, '\n')
}
