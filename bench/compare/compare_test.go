package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"os/exec"
)

// Every kind of kernel case runs on our side, at a small size.
func TestKernelCasesRun(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases() {
		p := c.params
		if p.Kind == "train" || p.Kind == "generate" || seen[p.Kind] {
			continue
		}
		seen[p.Kind] = true
		shrink := func(n *int, to int) { *n = min(*n, to) }
		for _, n := range []*int{&p.M, &p.N, &p.K, &p.Rows, &p.T, &p.D, &p.Vocab} {
			shrink(n, 64)
		}
		run, err := kernelWorker(p)
		require.NoError(t, err, c.name)
		a, err := run()
		require.NoError(t, err, c.name)
		require.Positive(t, a.Seconds, c.name)
	}
	require.Len(t, seen, 9)
}

func TestResultsAreMedians(t *testing.T) {
	var r result
	for _, s := range []float64{4, 1, 3, 2} {
		r.add(answer{Seconds: s}, s/10)
	}
	r.finish(one{work: 5e9}, &process{side: side{name: "torch", dtype: "f32"}, cmd: self(t)})
	require.Equal(t, 2.5, r.Seconds)
	require.Equal(t, 2.0, r.Rate)
	require.Equal(t, 5.0, r.Best)
	require.Equal(t, 0.4, r.Elsewhere)
	require.Equal(t, "torch f32", r.Side)
	require.Positive(t, r.PeakBytes)
}

// A generation is told as parts of what was measured beside it: 2 GB of weights in
// 0.1 s of 40 GB/s, 300 GFLOP of a prompt in 2 s of 200 GFLOP/s.
func TestGenerationsAreRelated(t *testing.T) {
	a := answer{Seconds: 0.1, Bytes: 2e9, Prefill: 2, FLOPs: 300e9}
	a.relate(40e9, 200e9)
	var r result
	r.add(a, 0)
	r.finish(one{params: params{Kind: "generate", Prompt: 512}}, &process{side: ours, cmd: self(t)})
	require.InDelta(t, 0.5, r.Bandwidth, 1e-9)
	require.InDelta(t, 20, r.ReadGB, 1e-9)
	require.InDelta(t, 0.75, r.MFU, 1e-9)
	require.InDelta(t, 150, r.GFLOPS, 1e-9)
	require.Contains(t, r.String(), "weights at 20.0 GB/s, 0.50 of the bandwidth")
	res := results{Cases: []measured{{Case: "generate/x", Unit: "tokens/s", Sides: []result{r}}}}
	require.Contains(t, string(res.markdown()), "10 (weights at 20.0 GB/s, 0.50 of the bandwidth; prefill 256, MFU 0.75)")
}

// A new run replaces its case and keeps the others, in the order of the list.
func TestResultsAreKept(t *testing.T) {
	dir := t.TempDir()
	all := cases()
	put := func(c one, rate float64) {
		res, err := readResults(dir)
		require.NoError(t, err)
		res.put(measured{Case: c.name, Unit: "GFLOP/s", Sides: []result{{Side: "ftmetal", Rate: rate}, {Side: "torch", Rate: 2}}})
		require.NoError(t, res.write(dir))
	}
	put(all[1], 5)
	put(all[0], 3)
	put(all[1], 7)
	res, err := readResults(dir)
	require.NoError(t, err)
	require.Len(t, res.Cases, 2)
	require.Equal(t, all[0].name, res.Cases[0].Case)
	require.Equal(t, 7.0, res.Cases[1].Sides[0].Rate)
	table, err := os.ReadFile(filepath.Join(dir, "results.md"))
	require.NoError(t, err)
	require.Contains(t, string(table), "torch 2 (×3.50)")
}

// Losses of the same training that differ by more than a thousandth are an error;
// a side that takes other tokens is not compared.
func TestLossesAreCompared(t *testing.T) {
	m := measured{Case: "train/x", Sides: []result{{Side: "ftmetal", Loss: 10}, {Side: "torch", Loss: 10.009}, {Side: "mlx", Loss: 9, Cut: 64}}}
	require.NoError(t, m.check())
	m.Sides[1].Loss = 10.011
	require.ErrorContains(t, m.check(), "torch")
}

func TestRowsHaveTheirLengths(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	require.NoError(t, writeRows(path, rows{total: 6000}, 100))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	n, tokens := 0, 0
	for dec := json.NewDecoder(f); dec.More(); n++ {
		var row struct {
			IDs    []int `json:"input_ids"`
			Prompt int   `json:"prompt_length"`
		}
		require.NoError(t, dec.Decode(&row))
		require.Equal(t, len(row.IDs)/3, row.Prompt)
		tokens += len(row.IDs)
	}
	require.Zero(t, n%4)
	require.InDelta(t, 6000, tokens, 1500)
	require.InDelta(t, 180, float64(tokens)/float64(n), 60)
}

func TestRowsOfOneLength(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	for _, r := range []rows{{length: 7}, {length: 7, total: 21}} {
		require.NoError(t, writeRows(path, r, 100))
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, max(r.total/7, 1), bytes.Count(raw, []byte("\n")))
		require.Equal(t, max(r.total, 7)-max(r.total/7, 1), bytes.Count(raw, []byte(","))-bytes.Count(raw, []byte(`,"prompt`)))
	}
}

// self stands for a worker: this process.
func self(t *testing.T) *exec.Cmd {
	p, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	return &exec.Cmd{Process: p}
}
