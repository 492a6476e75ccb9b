// Command randmodel makes model folders with random weights from the
// configurations of well-known models, for measuring without downloading:
//
//	go run ./tools/randmodel -config llama-3.2-1b -out /tmp/1b          # 2.5 GB of bfloat16
//	go run ./tools/randmodel -config llama-3.2-1b -out /tmp/1b -check   # loads it; fails beyond 2 s or 300 MB
//	go run ./tools/randmodel -config smollm2-135m -out /tmp/135m -rows 200   # and a data folder of token ids
package main

import (
	"bufio"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/internal/half"
	"github.com/ftmetal/ftmetal/metal"
	_ "github.com/ftmetal/ftmetal/metal/all"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/weights"
)

// configs are what the models' own config.json say of their shape.
//
//go:embed configs/*.json
var configs embed.FS

func main() {
	name := flag.String("config", "smollm2-135m", "which model: smollm2-135m, qwen2.5-0.5b or llama-3.2-1b")
	out := flag.String("out", "", "folder to write, with the data in its folder data")
	dtype := flag.String("dtype", "bfloat16", "float32, bfloat16 or float16")
	rows := flag.Int("rows", 0, "also write this many rows of random token ids, of skewed length")
	check := flag.Bool("check", false, "load the folder instead, and fail if that takes over 2 s or 300 MB")
	flag.Parse()
	if err := run(*name, *out, *dtype, *rows, *check); err != nil {
		fmt.Fprintln(os.Stderr, "randmodel:", err)
		os.Exit(1)
	}
}

func run(name, out, dtype string, rows int, check bool) error {
	text, err := configs.ReadFile("configs/" + name + ".json")
	if err != nil || out == "" {
		return fmt.Errorf("config %q and out %q: want the name of a model and a folder", name, out)
	}
	if check {
		return load(out)
	}
	dt, err := metal.ParseDType(dtype)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(out, "data"), 0o755); err != nil {
		return err
	}
	config := strings.ReplaceAll(string(text), `"bfloat16"`, fmt.Sprintf("%q", dtype))
	model, info, err := models.New([]byte(config))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "config.json"), []byte(config), 0o644); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var all []weights.Lazy
	for _, p := range nn.Params(model) {
		all = append(all, weights.Lazy{Name: p.Name, DType: dt, Shape: p.Shape, Data: func() ([]byte, error) { return fill(p.Shape, dt, rng), nil }})
	}
	if err := weights.SaveSharded(out, all, 5_000_000_000, nil); err != nil {
		return err
	}
	return writeRows(filepath.Join(out, "data", "train.jsonl"), rows, info.VocabSize, rng)
}

// fill makes a matrix uniform with standard deviation 0.02, a vector of ones.
func fill(shape []int, dt metal.DType, rng *rand.Rand) []byte {
	n := 1
	for _, d := range shape {
		n *= d
	}
	raw := make([]byte, 0, n*dt.Size())
	for range n {
		v := float32(1)
		if len(shape) > 1 {
			v = (rng.Float32() - 0.5) * 0.0693
		}
		switch dt {
		case metal.Float32:
			u := math.Float32bits(v)
			raw = append(raw, byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
		case metal.BFloat16:
			u := half.F32ToBF16(v)
			raw = append(raw, byte(u), byte(u>>8))
		default:
			u := half.F32ToF16(v)
			raw = append(raw, byte(u), byte(u>>8))
		}
	}
	return raw
}

// writeRows writes conversations as token ids: lengths are log-normal with a
// mean of 180, up to 1500; the first third of a row is its prompt.
func writeRows(path string, rows, vocab int, rng *rand.Rand) error {
	if rows == 0 {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	for range rows {
		ids := make([]int, min(max(int(math.Exp(4.85+0.83*rng.NormFloat64())), 8), 1500))
		for i := range ids {
			ids[i] = rng.IntN(vocab)
		}
		if err := enc.Encode(map[string]any{"input_ids": ids, "prompt_length": len(ids) / 3}); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// load opens a folder as a run does, and measures.
func load(dir string) error {
	rt, err := graph.NewRuntime("", 0)
	if err != nil {
		return err
	}
	defer rt.Close()
	began := time.Now()
	f, err := models.Load(dir, rt)
	if err != nil {
		return err
	}
	defer f.Close()
	took := time.Since(began)
	runtime.GC()
	resident, err := status("VmRSS:")
	if err != nil {
		return err
	}
	peak, err := status("VmHWM:")
	if err != nil {
		return err
	}
	fmt.Printf("loaded %s of weights in %.2f s; resident %s, at most %s\n", metal.FormatBytes(f.Files.TotalBytes()), took.Seconds(), metal.FormatBytes(resident), metal.FormatBytes(peak))
	if took > 2*time.Second || peak > 300_000_000 {
		return fmt.Errorf("%s took %v and %s, want at most 2 s and 300 MB", dir, took, metal.FormatBytes(peak))
	}
	return nil
}

// status is a number of kilobytes in /proc/self/status, in bytes.
func status(key string) (int64, error) {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw))
	i := slices.Index(fields, key)
	var kb int64
	if i < 0 || i+1 >= len(fields) {
		return 0, fmt.Errorf("/proc/self/status has no %s", key)
	}
	_, err = fmt.Sscan(fields[i+1], &kb)
	return kb << 10, err
}
