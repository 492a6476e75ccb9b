package train

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/internal/parity"
	_ "github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// nothingKept is a cache of size 0.
type nothingKept struct{}

func (nothingKept) has(stateSlot) bool                  { return false }
func (nothingKept) get(stateSlot, []byte) (bool, error) { return false, nil }
func (nothingKept) put(stateSlot, []byte) error         { return nil }
func (nothingKept) close() error                        { return nil }

// fewKept is a cache that forgets: it has room for every third example only.
type fewKept struct{ *memoryStore }

func (f fewKept) put(s stateSlot, src []byte) error {
	if s.index%3 != 0 {
		return nil
	}
	return f.memoryStore.put(s, src)
}

// fewRows is a folder with the first n rows of the demo's data.
func fewRows(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for name, n := range map[string]int{"train": n, "valid": 12, "test": 5} {
		raw, err := os.ReadFile(filepath.Join("../tools/demo/data", name+".jsonl"))
		require.NoError(t, err)
		lines := strings.SplitAfter(string(raw), "\n")
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".jsonl"), []byte(strings.Join(lines[:n], "")), 0o600))
	}
	return dir
}

// frozenConfig trains the last two of the demo model's four layers.
func frozenConfig(t *testing.T, rows int) *Config {
	cfg := DefaultConfig("")
	cfg.Model, cfg.Data, cfg.AdapterPath = "../tools/demo/model", fewRows(t, rows), t.TempDir()
	cfg.MaxSeqLength, cfg.BatchSize, cfg.NumLayers, cfg.LearningRate, cfg.Rank = 128, 2, 2, 1e-3, 4
	cfg.CacheFrozen = "memory"
	return cfg
}

// frozenRun is what came of some steps.
type frozenRun struct {
	losses []float64 // of every step, then of the validation
	params []float32
	use    FrozenUse
	repeat int // the first step with an example that came before
}

// steps trains for n updates, with what is kept as keep says.
func steps(t *testing.T, cfg Config, n int, keep func(*session, *Stepper)) (r frozenRun) {
	t.Helper()
	ctx := context.Background()
	s, err := open(ctx, &cfg)
	require.NoError(t, err)
	defer s.close()
	opt, plan, err := s.planned()
	require.NoError(t, err)
	start := s.rt.Pool.Usage().Active
	step, err := NewStepper(s.rt, s.folder.Model, s.set, opt)
	require.NoError(t, err)
	require.NoError(t, step.Reserve(plan.ArenaBytes))
	if keep != nil {
		keep(s, step)
	}
	defer func() { require.NoError(t, step.close()) }()
	it, err := s.trainIterator()
	require.NoError(t, err)
	r.repeat = n
	for i := range n {
		var weight float64
		for micro := range cfg.GradAccumulationSteps {
			b, err := it.Next(ctx)
			require.NoError(t, err)
			k := i*cfg.GradAccumulationSteps + micro
			loss, err := step.Accumulate(ctx, b, micro == 0, s.dropoutKey(k))
			require.NoError(t, err)
			weight += float64(b.SupervisedTokens)
			r.losses = append(r.losses, loss/float64(b.SupervisedTokens))
			for _, p := range b.Places {
				if len(s.layouts) > 0 {
					if home, _, _ := s.layouts[0].Home(int(p.Example)); home != k {
						r.repeat = min(r.repeat, i)
					}
				}
			}
		}
		_, err = step.Update(ctx, cfg.LearningRate, i+1, weight)
		require.NoError(t, err)
	}
	for range min(2, s.validLen()) {
		valid, err := s.validIterator()
		require.NoError(t, err)
		loss, _, err := meanLoss(ctx, step, valid, cfg.ValBatches)
		require.NoError(t, err)
		r.losses = append(r.losses, loss)
	}
	peak := s.rt.Pool.Usage().Peak - start
	if plan.Frozen.Layers == 0 || opt.Frozen.Memory > 0 && step.frozen.store != nil {
		if cfg.Packing {
			require.LessOrEqual(t, peak, plan.PeakBytes)
		}
	}
	r.params, err = step.Params()
	require.NoError(t, err)
	r.use = step.frozenUse()
	return r
}

// bits tells two runs apart by every bit.
func bits(r frozenRun) []string {
	var out []string
	for _, l := range r.losses {
		out = append(out, fmt.Sprintf("%x", math.Float64bits(l)))
	}
	for _, p := range r.params {
		out = append(out, fmt.Sprintf("%x", math.Float32bits(p)))
	}
	return out
}

// openKept is the cache that the settings name.
func openKept(t *testing.T) func(*session, *Stepper) {
	return func(s *session, step *Stepper) { require.NoError(t, s.openFrozen(step)) }
}

// keepNothing computes the states of every example again, whenever it comes.
func keepNothing(s *session, step *Stepper) {
	kept, _, _ := slotsOf(s.layouts, step.frozen.tokenBytes())
	step.frozen.keep(kept, nothingKept{})
}

// What is kept is what would have been computed: losses, validations and parameters
// have the same bits with a cache of any size, in memory or in a file, filled before
// or not. Until an example comes a second time they have those of a run without a
// cache; then they are as near to it as float32 sums in another order are.
func TestFrozenStatesAreExact(t *testing.T) {
	cases := map[string]func(*Config){
		"bfloat16":     func(*Config) {},
		"padded":       func(c *Config) { c.Packing = false },
		"dropout":      func(c *Config) { c.Dropout, c.GradAccumulationSteps, c.GradCheckpoint = 0.1, 2, "on" },
		"all weights":  func(c *Config) { c.FineTuneType, c.LearningRate = "full", 1e-4 },
		"quantized":    func(c *Config) { quantized(t, c) },
		"all but one":  func(c *Config) { c.NumLayers, c.DType = 3, "float32" },
		"one long row": func(c *Config) { c.BatchSize, c.MaxSeqLength, c.Dropout = 1, 512, 0.1 },
	}
	for name, set := range cases {
		t.Run(name, func(t *testing.T) {
			cfg := frozenConfig(t, 20)
			set(cfg)
			longRow := cfg.MaxSeqLength == 512
			n := 14 / cfg.GradAccumulationSteps
			off := *cfg
			off.CacheFrozen = "off"
			plain := steps(t, off, n, nil)
			memory := steps(t, *cfg, n, openKept(t))
			require.Positive(t, memory.use.Kept)
			require.Less(t, memory.repeat, n-2)
			require.Greater(t, memory.repeat, 1)
			require.Equal(t, bits(memory), bits(steps(t, *cfg, n, keepNothing)), "nothing kept")
			if longRow {
				keptOtherwise(t, *cfg, n, memory)
			}
			micro := memory.repeat * cfg.GradAccumulationSteps
			require.Equal(t, bits(plain)[:micro], bits(memory)[:micro], "the first epoch")
			apart := 0.0
			for i, l := range plain.losses {
				apart = max(apart, math.Abs(memory.losses[i]-l)/l)
			}
			t.Logf("%d of %d steps before an example comes again; then losses are within %.2g of those without a cache", memory.repeat, n, apart)
			require.Less(t, apart, map[bool]float64{true: 1e-6, false: 5e-3}[cfg.DType == "float32"])
			if longRow { // so that this test would see states of another place
				require.Positive(t, apart)
			}
		})
	}
}

// keptOtherwise repeats a run with a third of the states kept, with a new file and with
// a file of another run.
func keptOtherwise(t *testing.T, cfg Config, n int, want frozenRun) {
	require.Equal(t, bits(want), bits(steps(t, cfg, n, func(s *session, step *Stepper) {
		openKept(t)(s, step)
		step.frozen.store = fewKept{step.frozen.store.(*memoryStore)}
	})), "a third kept")
	cfg.CacheFrozen = filepath.Join(t.TempDir(), "new", "states")
	first := steps(t, cfg, n, openKept(t))
	require.Equal(t, bits(want), bits(first), "a new file")
	require.Equal(t, want.use, first.use)
	again := steps(t, cfg, n, openKept(t))
	require.Equal(t, bits(want), bits(again), "a file of another run")
	require.Zero(t, again.use.Computed)
	require.Equal(t, first.use.Bytes, again.use.Bytes)
}

// quantized is a four-bit model with two layers and its data.
func quantized(t *testing.T, c *Config) {
	out := t.TempDir()
	require.NoError(t, parity.Convert(quantTrajectory, out))
	c.Model, c.Data = filepath.Join(out, "model"), filepath.Join(out, "data")
	c.NumLayers, c.MaxSeqLength = 1, 48
}

// Against float32 a run that keeps bfloat16 states is as good as one that does not.
func TestFrozenStatesAgainstFloat32(t *testing.T) {
	cfg := frozenConfig(t, 20)
	cfg.BatchSize, cfg.MaxSeqLength = 1, 512
	const n = 14
	exact, plain := *cfg, *cfg
	exact.DType, exact.CacheFrozen, plain.CacheFrozen = "float32", "off", "off"
	want, without, with := steps(t, exact, n, nil), steps(t, plain, n, nil), steps(t, *cfg, n, openKept(t))
	distance := func(r frozenRun) float64 {
		var sum float64
		for i, l := range r.losses {
			sum += (l - want.losses[i]) * (l - want.losses[i])
		}
		return math.Sqrt(sum / float64(len(r.losses)))
	}
	t.Logf("distance from float32: %.3g without a cache, %.3g with one", distance(without), distance(with))
	require.Less(t, distance(with), 1.5*distance(without))
	require.NotEqual(t, without.losses, with.losses)
}
