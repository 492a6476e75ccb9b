package ui

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/train"
)

// Header is what a run is about to do, as lines of text.
func Header(e train.Started) []string {
	device := "Device: " + e.Device
	if e.DeviceReason != "" {
		device += " (" + e.DeviceReason + ")"
	}
	lines := []string{device, "Model: " + e.Model,
		fmt.Sprintf("Trainable parameters: %.3f%% (%.3fM/%.3fM)", 100*float64(e.Trainable)/math.Max(float64(e.Total), 1), float64(e.Trainable)/1e6, float64(e.Total)/1e6),
		fmt.Sprintf("Data: %s examples, %s for validation", Grouped(int64(e.Examples)), Grouped(int64(e.ValExamples)))}
	lines = append(lines, strings.Split(e.Plan.String(), "\n")...)
	for _, w := range e.Warnings {
		lines = append(lines, "Warning: "+w)
	}
	if e.ResumedFrom != "" {
		lines = append(lines, fmt.Sprintf("Resumed from %s after iteration %d", e.ResumedFrom, e.FirstIter))
	}
	return append(lines, fmt.Sprintf("Starting training..., iters: %d", e.Iters))
}

// Classic is an event as the lines that mlx-lm printed up to version 0.31,
// which log parsers know. Tokens/sec counts supervised tokens, as there. Steps
// have no line.
func Classic(e train.Event) []string {
	switch e := e.(type) {
	case train.Started:
		return Header(e)
	case train.Progress:
		lines := []string{fmt.Sprintf("Iter %d: Train loss %.3f, Learning Rate %.3e, It/sec %.3f, Tokens/sec %.3f, Trained Tokens %d, Peak mem %.3f GB",
			e.Iter, e.Loss, e.LR, e.ItersPerSec, e.SupervisedPerSec, e.TrainedTokens, float64(e.PeakBytes)/1e9)}
		if f := e.Frozen; f.Kept+f.Computed > 0 {
			lines = append(lines, fmt.Sprintf("Iter %d: Frozen layers: %.1f%% of %s tokens from the cache, which holds %s%s",
				e.Iter, 100*float64(f.Kept)/float64(f.Kept+f.Computed), Grouped(f.Kept+f.Computed), metal.FormatBytes(f.Bytes), damaged(f.Damaged)))
		}
		return lines
	case train.Validated:
		if e.Test {
			return []string{fmt.Sprintf("Test loss %.3f, Test ppl %.3f.", e.Loss, math.Exp(e.Loss))}
		}
		return []string{fmt.Sprintf("Iter %d: Val loss %.3f, Val took %.3fs", e.Iter, e.Loss, e.Took.Seconds())}
	case train.Saved:
		return []string{fmt.Sprintf("Iter %d: Saved adapter weights to %s", e.Iter, e.Path)}
	case train.Profiled:
		return profileTable(e)
	case train.Finished:
		return []string{finished(e)}
	}
	return nil
}

// damaged is the end of a line on examples that the cache had not kept well.
func damaged(examples int) string {
	if examples == 0 {
		return ""
	}
	return fmt.Sprintf("; %d damaged examples were computed again", examples)
}

func finished(e train.Finished) string {
	took := Short(e.Took)
	switch {
	case e.Interrupted:
		return fmt.Sprintf("Stopped after iteration %d (%s).", e.Iter, took)
	case e.EarlyStop:
		return fmt.Sprintf("Stopped early after iteration %d (%s): the validation loss no longer falls.", e.Iter, took)
	}
	return fmt.Sprintf("Saved final weights to %s (%s).", e.Path, took)
}

// Grouped writes n with a comma between thousands.
func Grouped(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Short writes a duration with its two largest units: 2d4h, 1h02m, 3m10s, 12s.
func Short(d time.Duration) string {
	s := int64(max(d, 0).Round(time.Second) / time.Second)
	switch {
	case s >= 86400:
		return fmt.Sprintf("%dd%dh", s/86400, s%86400/3600)
	case s >= 3600:
		return fmt.Sprintf("%dh%02dm", s/3600, s%3600/60)
	case s >= 60:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%ds", s)
}

// profileTable lists kernels with what they reached; the last line is what no
// kernel accounts for.
func profileTable(e train.Profiled) []string {
	lines := []string{fmt.Sprintf("%-32s %8s %11s %7s %10s %9s", "kernel", "calls", "ms", "share", "GFLOP/s", "GB/s")}
	row := func(name, calls string, d time.Duration, flops, traffic int64) {
		rate := func(n int64) string {
			if n == 0 || d <= 0 {
				return "-"
			}
			return fmt.Sprintf("%.2f", float64(n)/d.Seconds()/1e9)
		}
		lines = append(lines, fmt.Sprintf("%-32s %8s %11.2f %6.2f%% %10s %9s", name, calls, d.Seconds()*1e3, 100*d.Seconds()/math.Max(e.Wall.Seconds(), 1e-9), rate(flops), rate(traffic)))
	}
	rest := e.Wall
	var flops, traffic int64
	for _, k := range e.Kernels {
		row(k.Kernel, fmt.Sprint(k.Calls), k.Time, k.FLOPs, k.Traffic)
		rest, flops, traffic = rest-k.Time, flops+k.FLOPs, traffic+k.Traffic
	}
	row("(not in a kernel)", "", max(rest, 0), 0, 0)
	row("total", "", e.Wall, flops, traffic)
	return lines
}
