package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// results is bench/results/results.json.
type results struct {
	Machine string     `json:"machine"`
	Cases   []measured `json:"cases"`
}

// measured is a case with its results, ours first.
type measured struct {
	Case  string   `json:"case"`
	Unit  string   `json:"unit"`
	Date  string   `json:"date"`
	Sides []result `json:"sides"`
}

// result is the median of the runs of one side.
type result struct {
	Side      string  `json:"side"`
	Version   string  `json:"version"`
	Runs      int     `json:"runs"`
	Seconds   float64 `json:"seconds"`
	Rate      float64 `json:"rate"` // in the case's unit
	Best      float64 `json:"best"` // rate of the fastest run
	Elsewhere float64 `json:"elsewhere"`
	PeakBytes float64 `json:"peak_bytes"`
	Loss      float64 `json:"loss,omitempty"`
	Prefill   float64 `json:"prefill,omitempty"` // tokens/s
	GFLOPS    float64 `json:"gflops,omitempty"`  // of our trainings, useful arithmetic only
	MFU       float64 `json:"mfu,omitempty"`     // of a training, or of a prompt
	// Of our generations: the rate of reading weights, and its part of the memory
	// bandwidth that was measured before and after each run.
	ReadGB    float64 `json:"read_gb_per_second,omitempty"`
	Bandwidth float64 `json:"of_bandwidth,omitempty"`
	Heap      float64 `json:"go_heap_per_step,omitempty"`
	Cut       int     `json:"cut,omitempty"` // tokens of the row that it took, where not all

	seconds, prefill, gflops, mfu, heap, read, bandwidth []float64
	tokens                                               float64
}

// add counts a run.
func (r *result) add(a answer, elsewhere float64) {
	if r.Runs == 0 {
		r.Loss = a.Loss
	}
	r.Runs++
	r.seconds = append(r.seconds, a.Seconds)
	r.prefill = append(r.prefill, a.Prefill)
	r.gflops, r.mfu, r.heap = append(r.gflops, a.GFLOPS), append(r.mfu, a.MFU), append(r.heap, a.Heap)
	r.read, r.bandwidth = append(r.read, a.Bytes/a.Seconds/1e9), append(r.bandwidth, a.bandwidth)
	r.tokens = a.Tokens
	r.Elsewhere = max(r.Elsewhere, elsewhere)
}

// finish takes the medians.
func (r *result) finish(c one, w *process) {
	r.Side, r.Version, r.PeakBytes, r.Cut = w.side.label(), w.version, w.peak(), w.side.cut
	r.Seconds, r.GFLOPS, r.MFU, r.Heap = median(r.seconds), median(r.gflops), median(r.mfu), slices.Min(r.heap) // the first run of a training compiles its step
	r.ReadGB, r.Bandwidth = median(r.read), median(r.bandwidth)
	work := c.work / 1e9
	switch c.params.Kind {
	case "train":
		work = r.tokens
	case "generate":
		work = 1
		r.Prefill = float64(c.params.Prompt) / median(r.prefill)
	}
	r.Rate, r.Best = work/r.Seconds, work/slices.Min(r.seconds)
}

func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	if len(s)%2 == 1 {
		return s[len(s)/2]
	}
	return (s[len(s)/2-1] + s[len(s)/2]) / 2
}

// String is the result as a line.
func (r result) String() string {
	s := fmt.Sprintf("%-12s %10.4g (best %.4g of %d)", r.Side, r.Rate, r.Best, r.Runs)
	if r.Loss != 0 {
		s += fmt.Sprintf("  loss %.5f", r.Loss)
	}
	if r.Prefill != 0 {
		s += fmt.Sprintf("  prefill %.4g tokens/s", r.Prefill)
	}
	if r.Bandwidth != 0 {
		s += fmt.Sprintf(", %.0f GFLOP/s, MFU %.2f  weights at %.1f GB/s, %.2f of the bandwidth", r.GFLOPS, r.MFU, r.ReadGB, r.Bandwidth)
	} else if r.MFU != 0 {
		s += fmt.Sprintf("  %.0f GFLOP/s, MFU %.2f  Go heap %.0f B/step", r.GFLOPS, r.MFU, r.Heap)
	}
	return s + fmt.Sprintf("  peak %.2f GB  others %.0f %%", r.PeakBytes/1e9, 100*r.Elsewhere)
}

// readResults reads what earlier runs on this machine measured; results of
// another machine are dropped.
func readResults(dir string) (*results, error) {
	now := &results{Machine: machine()}
	raw, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return now, nil
	}
	if err != nil {
		return nil, err
	}
	before := new(results)
	if err := json.Unmarshal(raw, before); err != nil {
		return nil, fmt.Errorf("results.json: %w", err)
	}
	if before.Machine != now.Machine {
		return now, nil
	}
	return before, nil
}

// put replaces a case, or adds it; cases keep the order in which they are listed.
func (r *results) put(m measured) {
	r.Cases = slices.DeleteFunc(r.Cases, func(c measured) bool { return c.Case == m.Case })
	r.Cases = append(r.Cases, m)
	order := map[string]int{}
	for i, c := range cases() {
		order[c.name] = i
	}
	slices.SortStableFunc(r.Cases, func(a, b measured) int { return cmp.Compare(order[a.Case], order[b.Case]) })
}

// machine describes the processor and the memory.
func machine() string {
	name, memory := runtime.GOARCH, ""
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.SplitSeq(string(raw), "\n") {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
			}
		}
	}
	if raw, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kb float64
		fmt.Sscanf(string(raw), "MemTotal: %f kB", &kb)
		memory = fmt.Sprintf(", %.0f GiB", kb/(1<<20))
	}
	return fmt.Sprintf("%s, %d processors%s, %s", name, runtime.NumCPU(), memory, runtime.GOOS)
}

// write stores the results, the table and the chart.
func (r *results) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"results.json": append(raw, '\n'), "results.md": r.markdown(), "chart.svg": r.chart()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// markdown is the table: a line per case, ours and each peer's rate, and how many
// times the peer's ours is.
func (r *results) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Measured\n\nMachine: %s. Written by `make bench-peers`; a rate is the median of the runs, ×n is our rate over the peer's.\n"+
		"*Others* is the most of the processors' time that other processes had during a run, in processors: figures with\n"+
		"more than 0.1 were taken on a busy machine.\n\n", r.Machine)
	fmt.Fprintf(&b, "| case | unit | ftmetal | peers | peak memory | others | date |\n|---|---|---|---|---|---|---|\n")
	for _, c := range r.Cases {
		ours, others := c.Sides[0], c.Sides[0].Elsewhere
		own := rate(ours.Rate)
		switch {
		case ours.Bandwidth != 0:
			own += fmt.Sprintf(" (weights at %.1f GB/s, %.2f of the bandwidth; prefill %s, MFU %.2f)", ours.ReadGB, ours.Bandwidth, rate(ours.Prefill), ours.MFU)
		case ours.Prefill != 0:
			own += fmt.Sprintf(" (prefill %s)", rate(ours.Prefill))
		case ours.MFU != 0:
			own += fmt.Sprintf(" (%.0f GFLOP/s, MFU %.2f)", ours.GFLOPS, ours.MFU)
		}
		var peers, memory []string
		memory = append(memory, fmt.Sprintf("%.2f", ours.PeakBytes/1e9))
		for _, s := range c.Sides[1:] {
			line := fmt.Sprintf("%s %s (×%s)", s.Side, rate(s.Rate), times(c.against(s).Rate/s.Rate))
			if s.Prefill != 0 {
				line += fmt.Sprintf(", prefill %s (×%s)", rate(s.Prefill), times(ours.Prefill/s.Prefill))
			}
			if s.Cut != 0 {
				line += fmt.Sprintf(" on %d tokens", s.Cut)
			}
			peers, memory = append(peers, line), append(memory, fmt.Sprintf("%.2f", s.PeakBytes/1e9))
			others = max(others, s.Elsewhere)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s GB | %.2f | %s |\n", c.Case, c.Unit, own, strings.Join(peers, "; "), strings.Join(memory, " / "), others, c.Date)
	}
	b.WriteString("\nVersions: " + strings.Join(r.versions(), ", ") + ".\n")
	return b.Bytes()
}

// against is our result that a peer is measured against: of its dtype, if there
// is one of its own.
func (c *measured) against(s result) result {
	_, dtype, _ := strings.Cut(s.Side, " ")
	for _, o := range c.Sides {
		if o.Side == "ftmetal "+dtype {
			return o
		}
	}
	return c.Sides[0]
}

func rate(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

func times(x float64) string {
	if x >= 10 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// versions lists what was measured, each once.
func (r *results) versions() []string {
	var all []string
	for _, c := range r.Cases {
		for _, s := range c.Sides {
			name, _, _ := strings.Cut(s.Side, " ")
			if v := name + " " + s.Version; !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	return all
}
