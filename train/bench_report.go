package train

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// BenchReport is what ftmetal bench tells: rates are of the median run.
type BenchReport struct {
	Device       string  `json:"device"`
	Model        string  `json:"model"`
	Runs         int     `json:"runs"`
	StepsPerRun  int     `json:"steps_per_run"`
	StepSeconds  float64 `json:"step_seconds"`
	Tokens       float64 `json:"tokens_per_second"`            // padding included
	Real         float64 `json:"real_tokens_per_second"`       // without padding
	Supervised   float64 `json:"supervised_tokens_per_second"` // with a loss
	GFLOPS       float64 `json:"gflops"`
	GemmGFLOPS   float64 `json:"gemm_gflops"` // of a large product alone, measured before and after; 0: not known
	MFU          float64 `json:"mfu"`         // GFLOPS over GemmGFLOPS
	Bandwidth    float64 `json:"copy_gb_per_second"`
	PeakBytes    int64   `json:"peak_bytes"`      // device memory, as counted
	PlannedBytes int64   `json:"planned_bytes"`   // as predicted
	WeightBytes  int64   `json:"weight_bytes"`    // mapped
	Outside      float64 `json:"outside_kernels"` // part of the time in no kernel
	HeapPerStep  float64 `json:"go_heap_bytes_per_step"`
	Joules       float64 `json:"joules_per_token"` // 0: the machine does not tell
	Loss         float64 `json:"first_loss"`
}

// MeasureTraining runs the training that cfg describes a few times and leaves
// nothing behind. One run comes before to warm up, and one behind whose kernels are
// timed. Each run is a pass over the data, or one step on random tokens where there
// is none.
func MeasureTraining(ctx context.Context, cfg *Config, runs int) (r BenchReport, err error) {
	if runs < 1 {
		return r, fmt.Errorf("runs is %d, want at least 1", runs)
	}
	err = graph.Try(func() (err error) { r, err = measureTraining(ctx, cfg, runs); return err })
	return r, err
}

func measureTraining(ctx context.Context, cfg *Config, runs int) (BenchReport, error) {
	profiled := *cfg
	profiled.Profile = true
	b, err := OpenBench(ctx, &profiled)
	if err != nil {
		return BenchReport{}, err
	}
	defer b.Close()
	profile := b.step.profile
	b.step.profile = nil
	first, err := b.Run(ctx)
	if err != nil {
		return BenchReport{}, err
	}
	peak := b.Peak() // before the measurements of speed, which take memory too
	before, _, _, err := b.Speeds(ctx)
	if err != nil {
		return BenchReport{}, err
	}
	var all []BenchStep
	for range runs {
		st, err := b.Run(ctx)
		if err != nil {
			return BenchReport{}, err
		}
		all = append(all, st)
	}
	b.step.profile = profile // which takes memory of Go's, and some time
	timed, err := b.Run(ctx)
	if err != nil {
		return BenchReport{}, err
	}
	after, bandwidth, _, err := b.Speeds(ctx)
	if err != nil {
		return BenchReport{}, err
	}
	slices.SortFunc(all, func(x, y BenchStep) int { return int(x.Took - y.Took) })
	st := all[len(all)/2]
	per := func(n int64) float64 { return float64(n) / st.Took.Seconds() }
	r := BenchReport{Device: b.Device(), Model: cfg.Model, Runs: runs, StepsPerRun: st.Steps, StepSeconds: st.Took.Seconds() / float64(st.Steps),
		Tokens: per(st.Processed), Real: per(st.Real), Supervised: per(st.Supervised), GFLOPS: per(st.FLOPs) / 1e9,
		GemmGFLOPS: max(before, after) / 1e9, Bandwidth: bandwidth / 1e9, PeakBytes: peak, PlannedBytes: b.Plan.PeakBytes, WeightBytes: b.Plan.WeightBytes,
		Outside: max(0, 1-b.kernelTime().Seconds()/timed.Took.Seconds()), HeapPerStep: float64(st.HeapBytes) / float64(st.Steps), Joules: st.Joules / float64(st.Real), Loss: first.Loss}
	if r.GemmGFLOPS > 0 {
		r.MFU = r.GFLOPS / r.GemmGFLOPS
	}
	return r, nil
}

// kernelTime is the time of all kernels that were timed.
func (b *Bench) kernelTime() time.Duration {
	var sum time.Duration
	for _, k := range b.step.profile.stats {
		sum += k.Time
	}
	return sum
}

// String is the report as lines of text.
func (r BenchReport) String() string {
	unknown := func(v float64, format string) string {
		if v == 0 {
			return "not known on this machine"
		}
		return fmt.Sprintf(format, v)
	}
	var b strings.Builder
	line := func(what, text string) { fmt.Fprintf(&b, "%-18s %s\n", what, text) }
	line("device", r.Device)
	line("model", r.Model)
	line("step", fmt.Sprintf("%.3f s, the median of %d runs of %d", r.StepSeconds, r.Runs, r.StepsPerRun))
	line("tokens/s", fmt.Sprintf("%.1f; %.1f without padding, %.1f with a loss", r.Tokens, r.Real, r.Supervised))
	line("GFLOP/s", fmt.Sprintf("%.1f", r.GFLOPS))
	line("a product alone", unknown(r.GemmGFLOPS, "%.1f GFLOP/s"))
	line("MFU", unknown(r.MFU, "%.3f of that"))
	line("a copy", unknown(r.Bandwidth, "%.1f GB/s"))
	line("peak memory", fmt.Sprintf("%s (predicted %s) and %s of mapped weights", metal.FormatBytes(r.PeakBytes), metal.FormatBytes(r.PlannedBytes), metal.FormatBytes(r.WeightBytes)))
	line("outside kernels", fmt.Sprintf("%.2f %% of the time, %.0f bytes of Go's heap a step", 100*r.Outside, r.HeapPerStep))
	line("energy", unknown(r.Joules, "%.3f J/token"))
	line("first loss", fmt.Sprintf("%.4f", r.Loss))
	return b.String()
}
