//go:build metalfake

package darwin_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/darwin"
	"github.com/ftmetal/ftmetal/metal/darwin/fake"
	"github.com/stretchr/testify/require"
)

// custom is a dispatch of a kernel with the given body, from x to out.
func custom(body string, x, out kernels.Tensor) list {
	var l list
	n := out.Size()
	kernels.Custom(&l, kernels.CustomOp{Name: "scaled", Inputs: []string{"x"}, Outputs: []string{"out"}, Body: body,
		Grid: metal.Size{X: n, Y: 1, Z: 1}, Group: metal.Size{X: min(n, 256), Y: 1, Z: 1}}, []kernels.Tensor{x}, []kernels.Tensor{out})
	return l
}

const tripled = "uint i = thread_position_in_grid.x;\nout[i] = 3 * x[i] + TENSOR_OPS;"

// A kernel of the calling program runs between built-in ones, is compiled once,
// and is not kept in the archive; the text tells whether the GPU has tensor
// operations, as files do.
func TestCustomKernels(t *testing.T) {
	for _, m5 := range []bool{false, true} {
		cache := filepath.Join(t.TempDir(), "cache")
		d := open(t, darwin.Options{Cache: cache})
		want := float32(6)
		if m5 {
			require.NoError(t, d.Close())
			fake.Set(fake.Machine{OSMajor: 26, OSMinor: 2, Family: 10, Metal: 4, Name: "Apple M5"})
			d, want = openOn(t, darwin.Options{Cache: cache}), 7
		}
		v := vectors(t, d, 4, 300)
		for range 2 {
			l := append(chain(v[:2]), custom(tripled, v[1], v[2])...)
			kernels.Binary(&l, kernels.Add, v[2], v[2], v[3])
			require.NoError(t, metal.Run(context.Background(), d, l))
			require.Equal(t, 2*want, get(v[3], 299))
		}
		require.Equal(t, 2, fake.Count().Compiled)
		require.NoError(t, d.Close())
		text, err := os.ReadFile(only(t, cache))
		require.NoError(t, err)
		require.Contains(t, string(text), "binary_f32")
		require.NotContains(t, string(text), "custom_")
	}
}

// only is the one file of a folder.
func only(t *testing.T, folder string) string {
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	return files[0]
}

// A kernel that does not compile is an error with the compiler's message, in the
// caller's lines; so is one that is launched with what it does not declare.
func TestWrongCustomKernels(t *testing.T) {
	d := open(t, darwin.Options{})
	v := vectors(t, d, 3, 8)
	l := custom("uint i = thread_position_in_grid.x;\nout[i] = oops(x[i]);", v[0], v[1])
	for range 2 {
		_, err := d.Prepare(l)
		require.ErrorContains(t, err, "metal: dispatch 0, "+l[0].Kernel+": compiling it: ")
		require.ErrorContains(t, err, "scaled:2:")
		require.ErrorContains(t, err, "oops")
		require.ErrorContains(t, err, "MTLLibraryErrorDomain 3")
	}
	for want, change := range map[string]func(op *metal.Dispatch){
		"3 buffers are bound, the kernel has 2":                          func(op *metal.Dispatch) { op.In = append(op.In, v[2].View) },
		"buffer 0 is an input, the kernel declares it as device T*":      func(op *metal.Dispatch) { op.Source = written(op.Source) },
		"buffer 1: offset 33 is not a multiple of the element's 4 bytes": func(op *metal.Dispatch) { op.Out[0].Off, op.Out[0].Len = 33, 4 },
		"the dispatch has no args":                                       func(op *metal.Dispatch) { op.Args = nil },
		"the kernel has 40 buffers and its args, at most 31": func(op *metal.Dispatch) {
			*op = crowded(v[0], v[1])
		},
		"the source declares no buffers": func(op *metal.Dispatch) { op.Source = &metal.Source{Name: "none"} },
	} {
		l := custom(tripled, v[0], v[1])
		change(&l[0])
		_, err := d.Prepare(l)
		require.ErrorContains(t, err, want)
	}
	l = custom(tripled, v[0], v[1])
	require.NoError(t, metal.Run(context.Background(), d, l), "after failures")
	require.Equal(t, float32(3), get(v[1], 7))
}

// written is a source whose first buffer is not const.
func written(src *metal.Source) *metal.Source {
	return &metal.Source{Name: src.Name, Text: strings.Replace(src.Text, "device const float* x", "device float* x", 1)}
}

// crowded has more inputs than Metal has places for.
func crowded(x, out kernels.Tensor) metal.Dispatch {
	op := kernels.CustomOp{Name: "crowded", Outputs: []string{"out"}, Body: "out[0] = x0[0];", Grid: metal.Size{X: 1, Y: 1, Z: 1}, Group: metal.Size{X: 1, Y: 1, Z: 1}}
	var in []kernels.Tensor
	for i := range 39 {
		op.Inputs, in = append(op.Inputs, fmt.Sprintf("x%d", i)), append(in, x)
	}
	var l list
	kernels.Custom(&l, op, in, []kernels.Tensor{out})
	return l[0]
}

// TENSOR_OPS is 1 on an M5 or later from macOS 26.2 on, and 0 elsewhere.
func TestTensorOperations(t *testing.T) {
	for _, c := range []struct {
		major, minor, family, metal int
		want                        string
	}{{26, 2, 10, 4, "Metal 4.0, TENSOR_OPS 1"}, {26, 1, 10, 4, "Metal 4.0, TENSOR_OPS 0"}, {26, 2, 9, 4, "Metal 4.0, TENSOR_OPS 0"},
		{27, 0, 11, 4, "Metal 4.0, TENSOR_OPS 1"}, {26, 4, 10, 3, "Metal 4.0, TENSOR_OPS 0"}, {15, 6, 10, 4, "Metal 3.2, TENSOR_OPS 0"}, {14, 0, 7, 3, "Metal 3.1, TENSOR_OPS 0"}} {
		fake.Reset()
		fake.Set(fake.Machine{OSMajor: c.major, OSMinor: c.minor, Family: c.family, Metal: c.metal})
		d := openOn(t, darwin.Options{})
		require.Contains(t, d.Facts(), metal.Fact{Name: "language", Value: c.want})
		require.NoError(t, d.Close())
	}
}
