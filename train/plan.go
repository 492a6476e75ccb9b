package train

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/train/data"
)

// PlanReport predicts the memory and work of a step before it runs.
type PlanReport struct {
	WeightBytes  int64 // mapped from files, not counted as use
	StateBytes   int64 // parameters, moments, gradients, batches, results
	ArenaBytes   int64 // temporaries: what the largest part of the step needs
	PeakBytes    int64 // what the pool will count
	FLOPs        int64 // of one micro-batch, forward and backward, of whole rows with a loss everywhere
	Launches     int
	Recomputed   int // transformer layers whose values are computed again
	Blocks       int
	Tokens       int // of one micro-batch
	RecomputeWhy string
	StepTime     time.Duration // expected, of a micro-batch with its update; 0: not known
	Speed        string        // what StepTime was derived from
	Frozen       FrozenPlan

	micro, update *graph.Plan
}

// FrozenPlan predicts the cache of the frozen layers. FLOPs, launches and time of the
// report are those of a step whose states are all kept.
type FrozenPlan struct {
	Layers     int    // 0: there is no cache
	Where      string // memory, or a file
	TokenBytes int64  // of one token
	Tokens     int64  // of the data; 0: not known
	Bytes      int64  // of all of them
	FLOPs      int64  // of the frozen layers over one micro-batch
	Launches   int
}

// line is the plan in words.
func (p FrozenPlan) line() string {
	size := fmt.Sprintf("%s a token", metal.FormatBytes(p.TokenBytes))
	if p.Tokens > 0 {
		size = fmt.Sprintf("%s, %d tokens of %s", metal.FormatBytes(p.Bytes), p.Tokens, metal.FormatBytes(p.TokenBytes))
	}
	return fmt.Sprintf("The first %d layers are frozen and run once for each example (%.2f GFLOP a micro-batch, in %d launches); what they make is kept in %s: %s",
		p.Layers, float64(p.FLOPs)/1e9, p.Launches, p.Where, size)
}

// useful is the part of FLOPs that batch needs: no logits of rows without a target,
// and no attention between the examples of a row.
func (r *PlanReport) useful(b *data.Batch, headSize int) int64 {
	const products = 2 // logits and their gradient; what trains the projection itself runs over all rows
	logits := products * 2 * int64(headSize) * int64(b.Processed-b.SupervisedTokens)
	return r.FLOPs - logits - int64(float64(r.micro.FLOPsOf(attentionKernels))*(1-visible(b)))
}

// attentionKernels is what the names of attention's kernels begin with; their FLOPs
// count every pair of positions of a row that is causal.
const attentionKernels = "sdpa"

// visible is the part of a batch's causal pairs of positions that lie in one example.
func visible(b *data.Batch) float64 {
	pairs := func(n int) float64 { return float64(n) * float64(n+1) / 2 }
	var seen float64
	for at := 0; at < len(b.Segments); at += b.SeqLen {
		row := b.Segments[at : at+b.SeqLen]
		for first := 0; first < len(row); {
			end := first
			for end < len(row) && row[end] == row[first] {
				end++
			}
			if row[first] != 0 { // 0 is padding
				seen += pairs(end - first)
			}
			first = end
		}
	}
	return seen / (float64(b.Rows) * pairs(b.SeqLen))
}

// expect derives the time of a step from a device's speed.
func (r *PlanReport) expect(s speed) {
	r.StepTime = r.Roofline(s.flops, s.bandwidth)
	r.Speed = s.String()
}

// Roofline is the time of a micro-batch with its update on a device that computes
// flops a second and moves bandwidth bytes a second: each kernel takes the longer
// of the two, and each launch a little.
func (r *PlanReport) Roofline(flops, bandwidth float64) time.Duration {
	return r.micro.Time(flops, bandwidth) + r.update.Time(flops, bandwidth)
}

// String is the report as lines of text.
func (r PlanReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Predicted peak %s: state %s + temporaries %s (weights %s are mapped)\n", metal.FormatBytes(r.PeakBytes),
		metal.FormatBytes(r.StateBytes), metal.FormatBytes(r.ArenaBytes), metal.FormatBytes(r.WeightBytes))
	fmt.Fprintf(&b, "One micro-batch: %d tokens, %.2f GFLOP in %d kernel launches", r.Tokens, float64(r.FLOPs)/1e9, r.Launches)
	if r.Recomputed > 0 {
		fmt.Fprintf(&b, "; %d of %d layers are recomputed in the backward pass (%s)", r.Recomputed, r.Blocks, r.RecomputeWhy)
	}
	if r.Frozen.Layers > 0 {
		b.WriteString("\n" + r.Frozen.line())
	}
	if r.StepTime > 0 {
		fmt.Fprintf(&b, "\nExpected time per step: %.3g s, %.0f tokens/s (from %s)", r.StepTime.Seconds(), float64(r.Tokens)/r.StepTime.Seconds(), r.Speed)
	}
	return b.String()
}

// ParseBytes reads a size such as 8GiB, 500MB or 1073741824; "" is 0.
func ParseBytes(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	digits := strings.TrimRight(s, "KMGTiB ")
	factor, ok := map[string]float64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
		"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[strings.TrimSpace(s[len(digits):])]
	v, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(v >= 0 && v*factor < 1<<60) {
		return 0, fmt.Errorf("memory size %q is not a number with a unit such as 8GiB", s)
	}
	return int64(v * factor), nil
}

// planStep predicts a step with the given blocks recomputed. It traces and lays
// out the step and allocates nothing.
func planStep(rt *graph.Runtime, m models.Model, set *ParamSet, opt StepOptions, rows, cols int) (PlanReport, error) {
	r := PlanReport{Blocks: m.Blocks() - opt.Frozen.Layers, Tokens: rows * cols}
	s := newStepper(rt, m, set, opt)
	micro, more, update, err := s.plans(rows, cols)
	if err != nil {
		return r, err
	}
	loss, err := s.lossPlan(rows, cols)
	if err != nil {
		return r, err
	}
	for _, n := range s.stateSizes() {
		r.StateBytes += metal.BlockSize(n)
	}
	batches := 2
	if !opt.Padded {
		batches = 4
	}
	r.StateBytes += int64(batches) * metal.BlockSize(int64(4*rows*cols))
	parts := []*graph.Plan{micro, update, loss}
	if more != nil {
		parts = append(parts, more)
	}
	if s.frozen != nil {
		prefix, err := s.prefixPlan(rows, cols)
		if err != nil {
			return r, err
		}
		parts = append(parts, prefix)
		r.Frozen = FrozenPlan{Layers: s.frozen.layers, TokenBytes: s.frozen.tokenBytes(), FLOPs: prefix.FLOPs(), Launches: prefix.Launches()}
		r.StateBytes += 2 * metal.BlockSize(int64(opt.Frozen.Tokens)*s.frozen.tokenBytes())
		for _, n := range slabSizes(opt.Frozen.Memory) {
			r.StateBytes += metal.BlockSize(n)
		}
	}
	for _, p := range parts {
		r.StateBytes += p.KeptBytes()
		r.ArenaBytes = max(r.ArenaBytes, metal.BlockSize(p.ArenaBytes))
	}
	r.PeakBytes = r.StateBytes + r.ArenaBytes
	r.FLOPs, r.Launches = micro.FLOPs(), micro.Launches()+update.Launches()
	r.micro, r.update = micro, update
	for _, p := range nn.Params(m) {
		if p.Array != nil {
			r.WeightBytes += p.Array.NBytes()
		}
	}
	for _, on := range opt.Recompute {
		if on {
			r.Recomputed++
		}
	}
	return r, nil
}

// chooseRecompute finds which blocks to recompute: none or all when asked,
// otherwise the fewest that make the step fit the budget (0: no budget).
func chooseRecompute(rt *graph.Runtime, m models.Model, set *ParamSet, opt StepOptions, rows, cols int, mode string, budget int64) (StepOptions, PlanReport, error) {
	skip := opt.Frozen.Layers
	flags := func(n int) []bool {
		f := make([]bool, m.Blocks())
		for i := range n { // the first blocks hold their values longest
			f[skip+i] = true
		}
		return f
	}
	try := func(n int) (StepOptions, PlanReport, error) {
		o := opt
		o.Recompute = flags(n)
		r, err := planStep(rt, m, set, o, rows, cols)
		return o, r, err
	}
	why := "grad_checkpoint is on"
	start := 0
	if mode == "on" {
		start = m.Blocks() - skip
	}
	o, r, err := try(start)
	if err != nil {
		return o, r, err
	}
	if budget > 0 && r.PeakBytes > budget && mode == "auto" {
		why = "to fit " + metal.FormatBytes(budget)
		lo, hi := 0, m.Blocks()-skip // lo does not fit
		if o, r, err = try(hi); err != nil {
			return o, r, err
		}
		for r.PeakBytes <= budget && hi-lo > 1 {
			mid := (lo + hi) / 2
			_, rm, err := try(mid)
			if err != nil {
				return o, r, err
			}
			if rm.PeakBytes <= budget {
				hi = mid
			} else {
				lo = mid
			}
		}
		if o, r, err = try(hi); err != nil {
			return o, r, err
		}
	}
	r.RecomputeWhy = why
	if budget > 0 && r.PeakBytes > budget {
		advice := "lower max_seq_length, batch_size or the rank, or set grad_checkpoint on"
		if n := opt.Frozen.Memory; n > 0 {
			advice = fmt.Sprintf("%s are the cache of the frozen layers: name a file as cache_frozen; or %s", metal.FormatBytes(n), advice)
		}
		return o, r, fmt.Errorf("train: a step of %d tokens needs %s, and memory_limit is %s: %s",
			r.Tokens, metal.FormatBytes(r.PeakBytes), metal.FormatBytes(budget), advice)
	}
	return o, r, nil
}
