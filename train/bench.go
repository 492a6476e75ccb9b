package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/ftmetal/ftmetal/train/data"
)

// Bench is a training that is measured and leaves nothing behind.
type Bench struct {
	Plan PlanReport

	s       *session
	step    *Stepper
	updates int
}

// BenchStep is what one or more steps took.
type BenchStep struct {
	Took                        time.Duration
	Loss                        float64 // mean over the supervised tokens of the first batch
	Processed, Real, Supervised int64   // tokens
	FLOPs                       int64   // useful arithmetic
	Steps                       int
	HeapBytes                   uint64  // allocated on Go's heap
	Joules                      float64 // of the processor's package; 0: the machine does not tell
}

// OpenBench opens the model of cfg and plans its step. Without data, batches are
// full rows of random tokens. The caller closes it.
func OpenBench(ctx context.Context, cfg *Config) (*Bench, error) {
	s, err := openModel(ctx, cfg)
	if err != nil {
		return nil, err
	}
	b := &Bench{s: s}
	if err := b.prepare(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bench) prepare(ctx context.Context) error {
	if b.s.cfg.Data != "" {
		if err := b.s.loadData(ctx); err != nil {
			return err
		}
		if err := b.s.layOutFrozen(ctx, false); err != nil {
			return err
		}
	} else if b.s.frozen > 0 {
		return fmt.Errorf("train: cache_frozen keeps what the frozen layers make of examples: give data")
	}
	opt, plan, err := b.s.planned()
	if err != nil {
		return err
	}
	b.Plan = plan
	if b.step, err = NewStepper(b.s.rt, b.s.folder.Model, b.s.set, opt); err != nil {
		return err
	}
	if err := b.step.Reserve(plan.ArenaBytes); err != nil {
		return err
	}
	return b.s.openFrozen(b.step)
}

// Close frees the device.
func (b *Bench) Close() {
	_ = b.step.close() // nothing is lost with it
	b.s.close()
}

// Device names the device.
func (b *Bench) Device() string { return b.s.rt.Device.Info().Name }

// Peak is the most device memory used so far, mapped weights apart.
func (b *Bench) Peak() int64 { return b.s.rt.Pool.Usage().Peak }

// SaveAdapter writes what trains, as it is now.
func (b *Bench) SaveAdapter(path string) error {
	values, err := b.step.Params()
	if err != nil {
		return err
	}
	return weights.WriteFile(path, b.s.set.Tensors(values, false), map[string]string{"format": "mlx"})
}

// Run makes one pass over the data, or one step on random tokens.
func (b *Bench) Run(ctx context.Context) (BenchStep, error) {
	var it data.Iterator = &randomRows{rows: b.s.cfg.BatchSize, cols: b.s.cfg.MaxSeqLength, vocab: b.s.folder.Info.VocabSize}
	if b.s.train != nil {
		var err error
		if it, err = b.s.iterator(b.s.train, false); err != nil {
			return BenchStep{}, err
		}
	}
	var sum BenchStep
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	energy, began := joules(), time.Now()
	for {
		batch, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sum, err
		}
		if err := b.one(ctx, batch, &sum); err != nil {
			return sum, err
		}
	}
	sum.Took, sum.Joules = time.Since(began), joules()-energy
	runtime.ReadMemStats(&after)
	sum.HeapBytes = after.TotalAlloc - before.TotalAlloc
	return sum, nil
}

// one trains on a batch.
func (b *Bench) one(ctx context.Context, batch *data.Batch, sum *BenchStep) error {
	loss, err := b.step.Accumulate(ctx, batch, true, b.s.dropoutKey(b.updates))
	if err != nil {
		return err
	}
	n := float64(max(batch.SupervisedTokens, 1))
	b.updates++
	if _, err := b.step.Update(ctx, b.s.cfg.LearningRate, b.updates, n); err != nil {
		return err
	}
	if sum.Steps == 0 {
		sum.Loss = loss / n
	}
	sum.Steps++
	sum.Processed += int64(batch.Processed)
	sum.Real += int64(batch.RealTokens)
	sum.Supervised += int64(batch.SupervisedTokens)
	sum.FLOPs += b.Plan.useful(batch, b.s.folder.Model.HeadSize())
	return nil
}

// Speeds measures a matrix product, in FLOP/s, and a copy, in bytes/s, of this
// device; ok is false where it has no memory.
func (b *Bench) Speeds(ctx context.Context) (flops, bandwidth float64, ok bool, err error) {
	sp, ok, err := measure(ctx, b.s.rt, b.s.compute)
	return sp.flops, sp.bandwidth, ok, err
}

// randomRows is one batch of whole rows of random tokens, all with a loss.
type randomRows struct {
	rows, cols, vocab int
	done              bool
}

// Next implements data.Iterator.
func (r *randomRows) Next(context.Context) (*data.Batch, error) {
	if r.done {
		return nil, io.EOF
	}
	r.done = true
	n := r.rows * r.cols
	rng := rand.New(rand.NewPCG(0, 0xbe9c))
	b := &data.Batch{Rows: r.rows, SeqLen: r.cols, Tokens: make([]int32, n), Targets: make([]int32, n), Positions: make([]int32, n), Segments: make([]int32, n),
		RealTokens: n, SupervisedTokens: n - r.rows, Processed: n, Examples: r.rows}
	for i := range n {
		b.Tokens[i], b.Positions[i], b.Segments[i] = int32(rng.IntN(r.vocab)), int32(i%r.cols), 1
	}
	for i := range n {
		b.Targets[i] = -1
		if i%r.cols < r.cols-1 {
			b.Targets[i] = b.Tokens[i+1]
		}
	}
	return b, nil
}

// Cursor implements data.Iterator.
func (r *randomRows) Cursor() data.Cursor { return data.Cursor{} }

// Restore implements data.Iterator.
func (r *randomRows) Restore(data.Cursor) error {
	return fmt.Errorf("train: random rows have no cursor")
}

// StepsPerEpoch implements data.Iterator.
func (r *randomRows) StepsPerEpoch() int { return 1 }

// joules is the energy that the processor's packages have used, as Linux tells
// (Intel's and AMD's RAPL); 0 where it does not, or only root may know.
func joules() float64 {
	files, _ := filepath.Glob("/sys/class/powercap/*-rapl:[0-9]/energy_uj")
	var sum float64
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return 0
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(string(raw)), 64)
		if err != nil {
			return 0
		}
		sum += v / 1e6
	}
	return sum
}
