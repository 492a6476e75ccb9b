package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/kernels/kerneltest"
	"github.com/ftmetal/ftmetal/metal"
	_ "github.com/ftmetal/ftmetal/metal/all"
	"github.com/stretchr/testify/require"
)

// planted is the software device with a kernel that is wrong in its last byte, or
// one that does not run, or a result that changes from the third run on.
type planted struct {
	metal.Device
	wrong, broken, unsteady string
	runs                    int
}

type plantedProgram struct {
	metal.Program
	dev  *planted
	list []metal.Dispatch
}

var plant planted

func init() {
	metal.Register("planted", func() (metal.Device, error) {
		soft, _, err := metal.Open("soft")
		d := plant
		d.Device = soft
		return &d, err
	})
}

func (d *planted) Prepare(list []metal.Dispatch) (metal.Program, error) {
	p, err := d.Device.Prepare(list)
	return &plantedProgram{p, d, list}, err
}

func (p *plantedProgram) Run(ctx context.Context) error {
	if err := p.Program.Run(ctx); err != nil {
		return err
	}
	p.dev.runs++
	for i, op := range p.list {
		out := op.Out[0].Bytes()
		switch {
		case op.Kernel == p.dev.broken:
			return context.DeadlineExceeded
		case len(out) > 0 && (op.Kernel == p.dev.wrong || op.Kernel == p.dev.unsteady && p.dev.runs%3 == 0 && i == len(p.list)-1):
			out[len(out)-1] ^= 1 << 2
		}
	}
	return nil
}

// examined runs the doctor and returns what it wrote.
func examined(t *testing.T, opt Options, only ...string) (r *Report, text string, err error) {
	opt.Cases, err = Select(only, opt.Quick)
	require.NoError(t, err)
	opt.Out = filepath.Join(t.TempDir(), "report.json")
	var out bytes.Buffer
	opt.Text = &out
	_, err = Run(t.Context(), opt)
	data, readErr := os.ReadFile(opt.Out)
	require.NoError(t, readErr)
	r = &Report{}
	require.NoError(t, json.Unmarshal(data, r))
	return r, out.String(), err
}

// The device that the environment asks for passes, and what was found is in the
// file and on the screen.
func TestDeviceIsRight(t *testing.T) {
	r, text, err := examined(t, Options{Device: debug.Device(), Quick: true, Version: "ftmetal v1", Command: []string{"ftmetal", "doctor"}})
	require.NoError(t, err)
	require.True(t, r.Complete)
	require.Empty(t, r.Running)
	require.Empty(t, r.Failures)
	require.Equal(t, "ftmetal v1", r.Version)
	cover, ops := kerneltest.Cover(), map[string]bool{}
	launched := map[string]bool{}
	for _, row := range r.Kernels {
		ops[row.Op] = true
		for _, k := range row.Kernels {
			launched[k] = true
		}
		require.LessOrEqual(t, float64(row.Error), float64(row.Allowed), row)
		require.Zero(t, row.Failed)
	}
	require.Greater(t, len(ops), len(cover.Cases)*9/10)
	require.Len(t, launched, len(cover.Kernels), "quick launches every kernel")
	want := 12
	if debug.Device() == "metal" {
		want++
	}
	require.Len(t, r.Barriers, want)
	require.Len(t, r.Speeds, 5)
	for _, s := range r.Speeds {
		require.Positive(t, s.Value)
		require.Contains(t, text, s.What)
	}
	for _, f := range append(r.Machine, r.Device...) {
		require.NotEmpty(t, f.Value)
		require.Contains(t, text, f.Name)
	}
	require.Contains(t, text, "every kernel is right")
}

// A kernel with a wrong result fails, by name, and the report says that it is
// right on the software device: the device is to blame, not the kernel's text.
func TestWrongKernelIsNamed(t *testing.T) {
	plant = planted{wrong: "rms_norm_bf16"}
	r, text, err := examined(t, Options{Device: "planted", Partial: true}, "rms_norm/", "layer_norm/bf16")
	var failed *Failed
	require.ErrorAs(t, err, &failed)
	require.Contains(t, err.Error(), "device planted: ")
	require.Contains(t, err.Error(), "rms_norm/bf16/1x1/uniform")
	require.Contains(t, text, "FAIL")
	require.True(t, r.Complete)
	require.Equal(t, failed.Count, len(r.Failures))
	require.Empty(t, r.Barriers, "a choice of cases leaves the rest out")
	for _, f := range r.Failures {
		require.True(t, strings.HasPrefix(f.Case, "rms_norm/") && strings.Contains(f.Case, "/bf16/"), f.Case)
		require.Equal(t, []string{"rms_norm_bf16"}, f.Kernels)
		require.Contains(t, f.Error, "times the allowed error")
		require.Equal(t, map[string]string{"soft": "passes", "exact": "passes"}, f.Others)
	}
	require.Contains(t, text, r.Failures[0].Case+": output 0")
	require.Contains(t, text, fmt.Sprintf("and %d more\n", failed.Count-3))
	for _, row := range r.Kernels {
		bad := row.DType == "bf16" && slices.Equal(row.Kernels, []string{"rms_norm_bf16"})
		require.Equal(t, bad, row.Failed > 0, row)
		require.Equal(t, bad, *row.SameBits < row.Cases, row)
		if bad {
			require.Greater(t, float64(row.Error), float64(row.Allowed))
		}
	}
}

// A kernel that does not run is a failure like others; where every case fails,
// the examination ends, and the report is of what was found.
func TestBrokenDevice(t *testing.T) {
	plant = planted{broken: "softmax_f32"}
	r, _, err := examined(t, Options{Device: "planted", Partial: true}, "softmax/f32", "softmax/f16")
	require.ErrorContains(t, err, "softmax/f32/")
	require.Equal(t, context.DeadlineExceeded.Error(), r.Failures[0].Error)
	require.True(t, r.Complete)

	plant = planted{broken: "copy_u8_u8"}
	cases, err := Select([]string{"copy/"}, false)
	require.NoError(t, err)
	i := slices.IndexFunc(cases, func(in kerneltest.Instance) bool {
		kernels, _ := in.Launches()
		return slices.Contains(kernels, "copy_u8_u8")
	})
	_, err = Run(t.Context(), Options{Device: "planted", Cases: slices.Repeat(cases[i:i+1], 2*mostFailures)})
	require.ErrorContains(t, err, "200 cases failed, the last one is copy/")
}

// A result that changes from run to run is found by repeating.
func TestRepetition(t *testing.T) {
	plant = planted{unsteady: "softmax_f32"}
	r, text, err := examined(t, Options{Device: "planted", Quick: true}, "fill/f32")
	require.ErrorContains(t, err, "softmax/f32")
	bad := 0
	for _, b := range r.Barriers {
		if b.Error != "" {
			bad++
			require.Contains(t, b.What, "softmax/f32")
			require.Contains(t, b.Error, "other bits")
		}
	}
	require.Equal(t, 1, bad)
	require.Contains(t, text, "1 of 12 repetitions")

	plant = planted{unsteady: "binary_u32"}
	r, _, err = examined(t, Options{Device: "planted", Quick: true}, "fill/f32")
	require.Error(t, err)
	require.Contains(t, r.Barriers[0].Error, "dispatches ran out of order")
}

// Mistakes and what a device cannot do.
func TestRefusals(t *testing.T) {
	_, err := Select([]string{"gem"}, false)
	require.NoError(t, err)
	_, err = Select([]string{"gemm/nn", "germ"}, false)
	require.ErrorContains(t, err, `no case begins with "germ"; the kernels are fill, chain`)
	_, err = Select([]string{""}, false)
	require.ErrorContains(t, err, `no case begins with ""`)
	_, err = Run(t.Context(), Options{Device: "nowhere"})
	require.ErrorContains(t, err, `unknown device "nowhere" (there are: `)
	_, err = Run(t.Context(), Options{Device: "null"})
	require.EqualError(t, err, "device null holds no memory: there is nothing to examine")
	out := filepath.Join(t.TempDir(), "missing", "report.json")
	began := time.Now()
	_, err = Run(t.Context(), Options{Device: "soft", Out: out})
	require.ErrorContains(t, err, "write "+out+": no such file or directory")
	require.Less(t, time.Since(began), time.Second, "it shows before anything runs")
}

// An examination that is interrupted leaves a report of what it had.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cases, err := Select([]string{"fill"}, false)
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "report.json")
	_, err = Run(ctx, Options{Device: "soft", Cases: cases, Out: out})
	require.ErrorIs(t, err, context.Canceled)
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	var r Report
	require.NoError(t, json.Unmarshal(data, &r))
	require.False(t, r.Complete)
	require.Equal(t, "kernels: fill", r.Running)
	require.NotEmpty(t, r.Machine)
}

// Nothing is wider than the terminal, and a wide one shows the closest cases.
func TestWidths(t *testing.T) {
	plant = planted{wrong: "rms_norm_bf16"}
	for _, width := range []int{80, 140} {
		_, text, _ := examined(t, Options{Device: "planted", Width: width, Partial: true}, "rms_norm/", "gather_scatter_axis", "sort")
		for _, line := range strings.Split(text, "\n") {
			require.LessOrEqual(t, utf8.RuneCountInString(line), width, line)
		}
		require.Equal(t, width == 140, strings.Contains(text, "closest to its bound"))
		require.NotContains(t, text, "\x1b", "no colours unless asked for")
	}
	_, text, _ := examined(t, Options{Device: "planted", Width: 80, Color: true, Partial: true}, "rms_norm/bf16")
	require.Contains(t, text, red)
}

// Numbers that JSON has no form for survive it.
func TestNumbers(t *testing.T) {
	for _, v := range []number{0, 1.5, number(math.Inf(1)), number(math.NaN())} {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		var got number
		require.NoError(t, json.Unmarshal(data, &got), string(data))
		require.True(t, got == v || math.IsNaN(float64(got)) && math.IsNaN(float64(v)))
	}
	require.Equal(t, []string{"1.00 s", "1.00 ms", "12.3 ms", "999 µs", "0 µs"},
		[]string{seconds(0.9999), seconds(0.9999e-3), seconds(0.01234), seconds(0.000999), seconds(0)})
	require.Equal(t, "99 %", percent(0.9999))
	require.Equal(t, "100 %", percent(1))
}
