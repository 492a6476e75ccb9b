package graph_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/graphtest"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// exported is what ExportFunction writes.
func exported(t testing.TB, fn func(arrays) arrays, args arrays) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, graph.ExportFunction(context.Background(), &b, fn, args...))
	return b.Bytes()
}

// requireSameBits compares arrays bit by bit.
func requireSameBits(t *testing.T, want, got arrays) {
	t.Helper()
	require.Len(t, got, len(want))
	require.NoError(t, graph.Eval(context.Background(), slices.Concat(want, got)...))
	for i := range want {
		require.Equal(t, want[i].String(), got[i].String())
		w, err := graph.Bytes(context.Background(), want[i])
		require.NoError(t, err)
		g, err := graph.Bytes(context.Background(), got[i])
		require.NoError(t, err)
		require.Equal(t, w, g, "output %d", i)
	}
}

// TestExportedFunctions: every op and every gradient gives the same bits after a
// way through a file, and so does the gradient of what was read.
func TestExportedFunctions(t *testing.T) {
	check := func(t *testing.T, fn graphtest.Func, args arrays) {
		f, err := graph.ImportFunction(exported(t, fn, args))
		require.NoError(t, err)
		requireSameBits(t, fn(args), f(args))
	}
	for _, c := range append(gradCases(t), flatCases()...) {
		t.Run(c.name, func(t *testing.T) { check(t, c.fn, c.in) })
	}
	for _, c := range gradCases(t) {
		t.Run("gradient of "+c.name, func(t *testing.T) {
			check(t, graphtest.GradOf(c.fn), c.in)
			f, err := graph.ImportFunction(exported(t, c.fn, c.in))
			require.NoError(t, err)
			requireSameBits(t, graphtest.GradOf(c.fn)(c.in), graphtest.GradOf(f)(c.in))
		})
	}
	key, q := graph.Key(3), graph.Quantization{Bits: 4, GroupSize: 32}
	for _, fn := range []graphtest.Func{
		func(in arrays) arrays { return arrays{graph.Normal([]int{5}, metal.Float32, 0, 1, in[0])} },
		func(in arrays) arrays {
			words, scales, biases := graph.Quantize(graph.Normal([]int{4, 64}, metal.Float16, 0, 1, in[0]), q)
			x := graph.Uniform(-1.0, 1.0, []int{3, 64}, metal.Float16, in[0])
			gathered := graph.GatherQMM(graph.Reshape(x, 3, 1, 64), words, scales, biases, nil, graph.FromSlice([]int32{0, 0, 0}), true, q)
			return arrays{words, scales, graph.Dequantize(words, scales, biases, q, metal.Float32), graph.QuantizedMatmul(x, words, scales, biases, true, q), gathered}
		},
		func(in arrays) arrays {
			return arrays{graph.FromFP8(graph.ToFP8(graph.Uniform(-9.0, 9.0, []int{8}, metal.Float32, in[0])), metal.BFloat16)}
		},
	} {
		check(t, fn, in(key))
	}
}

// TestExporterKeepsConstantsOnce: arrays that the function captures are part of
// the file, once for all traces; the same traces give the same bytes.
func TestExporterKeepsConstantsOnce(t *testing.T) {
	ctx := context.Background()
	w := graph.Normal([]int{64, 32}, metal.Float32, 0, 1, graph.Key(1))
	fn := func(in arrays) arrays {
		h := graph.Relu(graph.Matmul(in[0], w))
		return arrays{graph.Softmax(h, -1), in[0], w}
	}
	write := func() []byte {
		e := graph.NewExporter(fn)
		for _, n := range []int{1, 5} {
			require.NoError(t, e.Trace(ctx, graph.Zeros([]int{n, 64}, metal.Float32)))
		}
		require.ErrorContains(t, e.Trace(ctx, graph.Ones([]int{5, 64}, metal.Float32)), "arguments [float32[5 64]] were traced before")
		var b bytes.Buffer
		require.NoError(t, e.Write(ctx, &b))
		return b.Bytes()
	}
	file := write()
	require.Equal(t, file, write())
	require.Less(t, len(file), 64*32*4+4096)
	require.Equal(t, "ftmgraph\x01\x00\x00\x00", string(file[:12]))
	require.Zero(t, (16+binary.LittleEndian.Uint32(file[12:]))%64)
	f, err := graph.ImportFunction(file)
	require.NoError(t, err)
	for _, n := range []int{5, 1} {
		x := graph.Normal([]int{n, 64}, metal.Float32, 0, 1, graph.Key(2))
		requireSameBits(t, fn(in(x)), f(in(x)))
	}
	// What was read is a function like any other.
	x := graph.Normal([]int{3, 5, 64}, metal.Float32, 0, 1, graph.Key(2))
	requireNear(t, graph.VMap(fn, nil, []int{0, 0, graph.NotMapped})(in(x))[0], graph.VMap(f, nil, []int{0, 0, graph.NotMapped})(in(x))[0], 1e-6)
	outs, err := graph.Compile(f, graph.CompileOptions{}).Call(ctx, graph.Take(x, graph.Scalar(1, metal.Int32), 0))
	require.NoError(t, err)
	requireNear(t, fn(in(graph.Take(x, graph.Scalar(1, metal.Int32), 0)))[0], outs[0], 1e-6)
	err = graph.Catch(func() { f(in(x)) })
	require.ErrorContains(t, err, "ImportFunction: arguments are [float32[3 5 64]], the function was traced for [float32[1 64]], [float32[5 64]] (graph/export_test.go:")
}

// TestExportRefuses names what cannot be written.
func TestExportRefuses(t *testing.T) {
	ctx, x := context.Background(), graph.Ones([]int{2}, metal.Float32)
	e := graph.NewExporter(func(in arrays) arrays {
		k := graph.MetalKernel{Name: "twice", InputNames: []string{"x"}, OutputNames: []string{"y"}, Source: "y[thread_position_in_grid.x] = 2 * x[thread_position_in_grid.x];"}
		return k.Call(graph.MetalCall{Inputs: []any{in[0]}, Grid: [3]int{2}, Threadgroup: [3]int{2}, OutputShapes: [][]int{{2}}, OutputDTypes: []metal.DType{metal.Float32}})
	})
	require.ErrorContains(t, e.Trace(ctx, x), "MetalKernel twice[] cannot be written to a file")
	require.ErrorContains(t, e.Write(ctx, io.Discard), "nothing was traced")
	require.ErrorContains(t, graph.NewExporter(func(in arrays) arrays { return arrays{nil} }).Trace(ctx, x), "output 0 of the function is nil")
	other := graph.Placeholder(metal.Float32, 2)
	require.ErrorContains(t, graph.NewExporter(func(in arrays) arrays { return arrays{graph.Add(in[0], other)} }).Trace(ctx, x), "a placeholder of another function")
	require.Error(t, graph.ExportFunction(ctx, io.Discard, nil, x))
}

// TestImportRefuses: what is wrong with a file is an error that says what.
func TestImportRefuses(t *testing.T) {
	fn := func(in arrays) arrays {
		picked := graph.Take(in[0], graph.FromSlice([]int32{1, 0}), 0)
		return arrays{graph.Softmax(graph.Matmul(picked, graph.Transpose(in[0])), -1)}
	}
	good := exported(t, fn, in(graph.Ones([]int{2, 3}, metal.Float32)))
	header := func(old, new string) []byte {
		n := 16 + int(binary.LittleEndian.Uint32(good[12:]))
		require.Contains(t, string(good[:n]), old)
		text := bytes.TrimRight(bytes.Replace(good[16:n], []byte(old), []byte(new), 1), " ")
		out := append(slices.Clone(good[:12]), 0, 0, 0, 0)
		binary.LittleEndian.PutUint32(out[12:], uint32(len(text)))
		return slices.Concat(out, text, good[n:])
	}
	_, err := graph.ImportFunction(header(`"Softmax"`, `"Softmax"`))
	require.NoError(t, err)
	version := slices.Clone(good)
	version[8] = 2
	long := slices.Clone(good)
	binary.LittleEndian.PutUint32(long[12:], math.MaxUint32)
	for want, file := range map[string][]byte{
		"not a function file":                []byte("ftmgraf"),
		"version 2 of function files":        version,
		"the header has 4294967295 bytes":    long,
		"header: ":                           header(`"functions"`, `"functions`),
		"unknown op":                         header(`"Softmax"`, `"Hardmax"`),
		"unknown dtype \"float33\"":          header(`"float32"`, `"float33"`),
		"shape [2 -3] has a negative extent": header(`[2,3]`, `[2,-3]`),
		"is too large":                       header(`[2,3]`, `[2,99999999999999]`),
		"output 0 is float32[2 4], recorded is float32[2 3]": header(`"shape":[2,3]`, `"shape":[2,4]`),
		"value 77 of":                            header(`"outputs":[`, `"outputs":[77,`),
		"constant 0: bytes 8 to 16 of":           header(`"offset":0`, `"offset":8`)[:0],
		"attribute axes: strconv.ParseInt":       header(`"axes":"1 0"`, `"axes":"1 O"`),
		"Transpose: axis 1 is repeated in [1 1]": header(`"axes":"1 0"`, `"axes":"1 1"`),
		"unknown attributes among map[axis:1 0]": header(`"axes":"1 0"`, `"axis":"1 0"`),
		"unknown field \"function\"":             header(`"functions"`, `"function"`),
	} {
		if len(file) == 0 { // the data is cut off
			file = good[:len(good)-64]
			want = "constant 0: bytes 0 to 8 of 0"
		}
		_, err := graph.ImportFunction(file)
		require.ErrorContains(t, err, want)
	}
}
