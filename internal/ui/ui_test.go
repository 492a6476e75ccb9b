package ui

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ftmetal/ftmetal/train"
	"github.com/stretchr/testify/require"
)

// events are a short run: a header, steps with two reports, a validation, a
// checkpoint, the test and the end.
func events() []train.Event {
	return []train.Event{
		train.Started{Device: "software Metal (2 threads)", DeviceReason: "metal is not part of this build", Model: "models/tiny",
			Trainable: 1_703_936, Total: 8_030_261_248, Examples: 12_345, ValExamples: 50, Iters: 1000,
			Plan:     train.PlanReport{PeakBytes: 1 << 30, StateBytes: 1 << 29, ArenaBytes: 1 << 29, WeightBytes: 1 << 20, FLOPs: 2e9, Launches: 123, Tokens: 2048},
			Warnings: []string{"3 examples of train.jsonl were cut to 2048 tokens"}, ResumedFrom: "adapters/checkpoint-320", FirstIter: 320},
		train.Validated{Iter: 320, Loss: 2.976, Took: 6097 * time.Millisecond, Batches: 25},
		train.Step{Iter: 321, Iters: 1000, Loss: 3.5, Elapsed: 10 * time.Second},
		train.Progress{Iter: 330, Loss: 2.843, LR: 2e-5, ItersPerSec: 2.627, ProcessedPerSec: 5123, RealPerSec: 5020, SupervisedPerSec: 431, TrainedTokens: 3290, PeakBytes: 9_707_000_000},
		train.Step{Iter: 340, Iters: 1000, Loss: 1.2, Elapsed: 19 * time.Second},
		train.Progress{Iter: 340, Loss: 1.234, LR: 2e-5, ItersPerSec: 3.5, ProcessedPerSec: 5123.4, RealPerSec: 5019.6, SupervisedPerSec: 2110, TrainedTokens: 4290, PeakBytes: 1288490189,
			Frozen: train.FrozenUse{Kept: 12000, Computed: 345, Bytes: 3 << 20, Damaged: 2}},
		train.Saved{Iter: 340, Path: "adapters/checkpoint-340"},
		train.Validated{Iter: 340, Loss: math.Log(10), Took: time.Second, Test: true},
		train.Finished{Iter: 340, Path: "adapters", Interrupted: true, Took: 75 * time.Second},
	}
}

const wantPiped = `Device: software Metal (2 threads) (metal is not part of this build)
Model: models/tiny
Trainable parameters: 0.021% (1.704M/8030.261M)
Data: 12,345 examples, 50 for validation
PLAN
Warning: 3 examples of train.jsonl were cut to 2048 tokens
Resumed from adapters/checkpoint-320 after iteration 320
Starting training..., iters: 1000
Iter 320: Val loss 2.976, Val took 6.097s
Iter 330: Train loss 2.843, Learning Rate 2.000e-05, It/sec 2.627, Tokens/sec 431.000, Trained Tokens 3290, Peak mem 9.707 GB
Iter 340: Train loss 1.234, Learning Rate 2.000e-05, It/sec 3.500, Tokens/sec 2110.000, Trained Tokens 4290, Peak mem 1.288 GB
Iter 340: Frozen layers: 97.2% of 12,345 tokens from the cache, which holds 3.00 MiB; 2 damaged examples were computed again
Iter 340: Saved adapter weights to adapters/checkpoint-340
Test loss 2.303, Test ppl 10.000.
Stopped after iteration 340 (1m15s).
`

func planText(s string) string {
	return strings.Replace(s, "PLAN", events()[0].(train.Started).Plan.String(), 1)
}

func TestPiped(t *testing.T) {
	var out strings.Builder
	d := New(&out, Options{})
	for _, e := range events() {
		d.Report(e)
	}
	require.Equal(t, planText(wantPiped), out.String())
}

func TestEnds(t *testing.T) {
	require.Equal(t, []string{"Saved final weights to adapters (2h05m)."}, Classic(train.Finished{Path: "adapters", Took: 2*time.Hour + 5*time.Minute}))
	require.Equal(t, []string{"Stopped early after iteration 7 (3s): the validation loss no longer falls."}, Classic(train.Finished{Iter: 7, EarlyStop: true, Took: 3 * time.Second}))
	require.Empty(t, Classic(train.Step{}))
}

// screen replays terminal output: lines that stay, then every drawing of the bar.
func screen(t *testing.T, width int, color bool) (kept, drawn []string) {
	t.Helper()
	var out strings.Builder
	at := time.Unix(0, 0)
	d := New(&out, Options{Width: func() int { return width }, Color: color, Now: func() time.Time { return at }})
	for _, e := range events() {
		at = at.Add(time.Second)
		d.Report(e)
	}
	d.Close()
	for _, line := range strings.Split(out.String(), "\n") {
		for _, s := range strings.Split(line, "\r") {
			bar, isBar := strings.CutSuffix(s, "\x1b[K")
			switch {
			case isBar && bar != "":
				drawn = append(drawn, bar)
			default:
				kept = append(kept, strings.TrimPrefix(s, "\x1b[K"))
			}
		}
	}
	return kept, drawn
}

func TestTerminal(t *testing.T) {
	kept, drawn := screen(t, 120, false)
	require.Equal(t, []string{
		"▕█████████▋                    ▏ 321/1000 loss 3.500",
		"▕█████████▋                    ▏ 321/1000 loss 2.843 5,123 tok/s (real 5,020, supervised 431) peak 9.04 GiB",
		"▕██████████▏                   ▏ 340/1000 loss 2.843 5,123 tok/s (real 5,020, supervised 431) peak 9.04 GiB ETA 5m13s",
		"▕█████▊           ▏ 340/1000 loss 1.234 ▼ 5,123 tok/s (real 5,020, supervised 2,110) peak 1.20 GiB cached 97% ETA 5m13s",
		"▕█████▊           ▏ 340/1000 loss 1.234 ▼ 5,123 tok/s (real 5,020, supervised 2,110) peak 1.20 GiB cached 97% ETA 5m13s",
		"▕█████▊           ▏ 340/1000 loss 1.234 ▼ 5,123 tok/s (real 5,020, supervised 2,110) peak 1.20 GiB cached 97% ETA 5m13s",
	}, drawn)
	text := strings.Join(kept, "\n")
	require.Contains(t, text, "Trainable parameters: 0.021% (1.704M/8030.261M)\n")
	require.Contains(t, text, "Iter 340: Saved adapter weights to adapters/checkpoint-340\n")
	require.Contains(t, text, "Stopped after iteration 340 (1m15s).\n")
	require.NotContains(t, text, "Train loss")
}

func TestTerminalWidths(t *testing.T) {
	_, drawn := screen(t, 80, false)
	require.Equal(t, "▕██████▍            ▏ 340/1000 loss 1.234 ▼ 5,123 tok/s peak 1.20 GiB ETA 5m13s", drawn[3])
	_, drawn = screen(t, 40, false)
	require.Equal(t, "▕█▋   ▏ 340/1000 loss 1.234 ▼ ETA 5m13s", drawn[3])
	for width := 10; width <= 200; width++ {
		_, drawn := screen(t, width, false)
		for _, line := range drawn {
			require.Less(t, utf8.RuneCountInString(line), width, line)
		}
	}
}

func TestColor(t *testing.T) {
	_, drawn := screen(t, 80, true)
	require.Equal(t, "\x1b[32m▕██████▍            ▏\x1b[0m 340/1000 loss 1.234 \x1b[32m▼\x1b[0m 5,123 tok/s peak 1.20 GiB ETA 5m13s", drawn[3])
	var b Bar
	b.Update(train.Progress{Loss: 1})
	b.Update(train.Progress{Loss: 2})
	b.Update(train.Step{Iter: 5, Iters: 10, Loss: 9})
	require.Contains(t, b.Line(80, true), "loss 2.000 \x1b[31m▲\x1b[0m")
}

// A thousand steps within a second are not a thousand drawings.
func TestRedrawsAtMostTenTimesASecond(t *testing.T) {
	var out strings.Builder
	at := time.Unix(0, 0)
	d := New(&out, Options{Width: func() int { return 60 }, Now: func() time.Time { return at }})
	for i := range 1000 {
		at = at.Add(time.Millisecond)
		d.Report(train.Step{Iter: i + 1, Iters: 1000, Elapsed: time.Duration(i) * time.Millisecond})
	}
	require.Equal(t, 11, strings.Count(out.String(), "\r"))
	require.Contains(t, out.String(), " 1000/1000 ")
}

func TestGauge(t *testing.T) {
	require.Equal(t, "▕    ▏", gauge(0, 10, 4))
	require.Equal(t, "▕██  ▏", gauge(5, 10, 4))
	require.Equal(t, "▕█▌  ▏", gauge(3, 8, 4))
	require.Equal(t, "▕████▏", gauge(12, 10, 4))
	require.Equal(t, "▕    ▏", gauge(1, 0, 4))
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		require.Equal(t, want, Grouped(n))
	}
	for d, want := range map[time.Duration]string{-1: "0s", 1499 * time.Millisecond: "1s", 59500 * time.Millisecond: "1m00s", 190 * time.Second: "3m10s", 26 * time.Hour: "1d2h"} {
		require.Equal(t, want, Short(d))
	}
}

func TestJSON(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	require.Equal(t, `{"type":"validated","time":"2026-01-02T03:04:05.006Z","iter":7,"loss":null,"took":1.5,"batches":2,"best":true,"test":false}`,
		JSON(train.Validated{Iter: 7, Loss: math.NaN(), Took: 1500 * time.Millisecond, Batches: 2, Best: true}, at))
	for _, e := range events() {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(JSON(e, at)), &m))
		require.Equal(t, "2026-01-02T03:04:05.006Z", m["time"])
	}
	var started map[string]any
	require.NoError(t, json.Unmarshal([]byte(JSON(events()[0], at)), &started))
	require.Equal(t, "started", started["type"])
	require.Equal(t, 2e9, started["plan"].(map[string]any)["flops"])
	require.Equal(t, float64(320), started["first_iter"])
	require.Equal(t, "adapters/checkpoint-320", started["resumed_from"])
	require.Contains(t, JSON(train.Progress{}, at), `"iters_per_sec":0,"processed_per_sec":0,`)
	require.Contains(t, JSON(train.Progress{}, at), `"lr":0,`)
}

// failing fails from its second write on.
type failing struct{ writes int }

func (f *failing) Write(p []byte) (int, error) {
	if f.writes++; f.writes > 1 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestLogKeepsTheFirstFailure(t *testing.T) {
	f := &failing{}
	l := NewLog(f, nil)
	l.Report(train.Step{})
	require.NoError(t, l.Err())
	l.Report(train.Step{})
	l.Report(train.Step{})
	require.EqualError(t, l.Err(), "disk full")
	require.Equal(t, 2, f.writes)
}

func TestProfile(t *testing.T) {
	e := train.Profiled{Wall: 2 * time.Second, Kernels: []train.KernelStat{
		{Kernel: "gemm_f32", Calls: 12, Time: 1500 * time.Millisecond, FLOPs: 3e9, Traffic: 6e8},
		{Kernel: "copy_f32_f32", Calls: 1, Time: 100 * time.Millisecond, Traffic: 1e9},
	}}
	require.Equal(t, []string{
		"kernel                              calls          ms   share    GFLOP/s      GB/s",
		"gemm_f32                               12     1500.00  75.00%       2.00      0.40",
		"copy_f32_f32                            1      100.00   5.00%          -     10.00",
		"(not in a kernel)                              400.00  20.00%          -         -",
		"total                                         2000.00 100.00%       1.50      0.80",
	}, Classic(e))
	require.Contains(t, JSON(e, time.Time{}), `"kernels":[{"kernel":"gemm_f32","calls":12,"time":1.5,"flops":3000000000,"traffic":600000000},{`)
}
