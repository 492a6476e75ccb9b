package graph_test

import (
	"context"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/graphtest"
	"github.com/ftmetal/ftmetal/metal"
	_ "github.com/ftmetal/ftmetal/metal/null"
	"github.com/stretchr/testify/require"
)

// blockData are arguments of blockStep: packed segments, masked targets.
func blockData(dt metal.DType) arrays {
	var in arrays
	for i, s := range append(blockShapes, []int{blockVocab, blockDim}) {
		in = append(in, graph.AsType(graphtest.Rand(uint64(i), -0.4, 0.4, s...), dt))
	}
	return append(in, graph.FromSlice([]int32{3, -1, 17, 0, 39, 5}), graph.FromSlice([]int32{1, 1, 1, 2, 2, 0}, 1, blockTokens),
		graph.FromSlice([]int32{0, 1, 2, 0, 1, 0}, 1, blockTokens))
}

// raw is the bytes of arrays.
func raw(t *testing.T, list arrays) [][]byte {
	t.Helper()
	out := make([][]byte, len(list))
	for i, a := range list {
		b, err := graph.Bytes(context.Background(), a)
		require.NoError(t, err)
		out[i] = b
	}
	return out
}

func compiled(t *testing.T, fn func(arrays) arrays, in arrays) [][]byte {
	t.Helper()
	f := graph.Compile(fn, graph.CompileOptions{})
	defer f.Close()
	outs, err := f.Call(context.Background(), in...)
	require.NoError(t, err)
	return raw(t, outs)
}

// TestSwitchesChangeNoBit runs a training step eagerly, compiled, without fusion
// and without reuse of memory.
func TestSwitchesChangeNoBit(t *testing.T) {
	for _, dt := range []metal.DType{metal.Float32, metal.BFloat16, metal.Float16} {
		step, in := blockStep(llamaBlock), blockData(dt)
		want := raw(t, step(in))
		require.Equal(t, want, compiled(t, step, in), "compiled, %s", dt)
		for _, name := range []string{"FTMETAL_FUSE", "FTMETAL_REUSE"} {
			t.Run(name, func(t *testing.T) {
				t.Setenv(name, "0")
				require.Equal(t, want, compiled(t, step, in), "%s=0, %s", name, dt)
			})
		}
	}
}

// TestCheckpointChangesNoBit recomputes the layer in the backward pass.
func TestCheckpointChangesNoBit(t *testing.T) {
	calls := 0
	recomputed := func(in arrays, segments, positions *graph.Array) *graph.Array {
		f := graph.Checkpoint(func(in arrays) arrays {
			calls++
			return arrays{llamaBlock(in, segments, positions)}
		})
		return f(in)[0]
	}
	in := blockData(metal.BFloat16)
	want := compiled(t, blockStep(llamaBlock), in)
	require.Equal(t, want, compiled(t, blockStep(recomputed), in))
	require.Equal(t, 2, calls, "the layer is traced once forward and once backward")
}

// TestCheckpointSavesMemory plans a stack of layers: what is kept between the
// passes is one array per layer instead of all of them.
func TestCheckpointSavesMemory(t *testing.T) {
	const layers = 6
	wide := func(recompute bool) int64 {
		f := func(in arrays) arrays { // three products of 512 columns per layer
			h := in[0]
			for range 3 {
				h = graph.Tanh(graph.Matmul(graph.Sigmoid(graph.Matmul(h, in[1])), graph.Transpose(in[1])))
			}
			return arrays{h}
		}
		if recompute {
			f = graph.Checkpoint(f)
		}
		plan, err := graph.Compile(func(in arrays) arrays {
			_, grads := graph.ValueAndGrad(func(p arrays) arrays {
				x := in[0]
				for range layers {
					x = f(arrays{x, p[0]})[0]
				}
				return arrays{graph.Sum(graph.Square(x), nil, false)}
			})(in[1:])
			return grads
		}, graph.CompileOptions{}).Plan(in(graph.Placeholder(metal.Float32, 64, 32), graph.Placeholder(metal.Float32, 32, 512)))
		require.NoError(t, err)
		return plan.ArenaBytes
	}
	require.Less(t, wide(true), wide(false)/2)
}

// TestDonate checks that donated arguments are overwritten in place, in the
// cases where that is free and where a copy at the end is needed.
func TestDonate(t *testing.T) {
	ctx := context.Background()
	rt, err := graph.Default()
	require.NoError(t, err)
	state := func(v ...float32) *graph.Array {
		a, err := graph.NewState(rt, "state", metal.Float32, len(v))
		require.NoError(t, err)
		require.NoError(t, graph.WriteState(a, v))
		return a
	}
	for _, c := range []struct {
		name string
		fn   func(arrays) arrays
		want [][]float32
	}{
		{"in place", func(in arrays) arrays { return arrays{graph.Add(in[0], in[1]), graph.Multiply(in[1], 2.0)} }, [][]float32{{11, 22, 33}, {20, 40, 60}}},
		{"read later", func(in arrays) arrays {
			return arrays{graph.Multiply(in[0], 3.0), graph.Add(in[1], graph.Flip(in[0]))}
		}, [][]float32{{3, 6, 9}, {13, 22, 31}}},
		{"swapped", func(in arrays) arrays { return arrays{graph.Add(in[1], 0.0), graph.Add(in[0], 0.0)} }, [][]float32{{10, 20, 30}, {1, 2, 3}}},
		{"crossed views", func(in arrays) arrays { return arrays{graph.Flip(in[1]), graph.Flip(in[0])} }, [][]float32{{30, 20, 10}, {3, 2, 1}}},
		{"unchanged", func(in arrays) arrays { return arrays{in[0], graph.Add(in[1], in[0])} }, [][]float32{{1, 2, 3}, {11, 22, 33}}},
		{"used twice", func(in arrays) arrays {
			x := graph.Add(in[0], 1.0)
			return arrays{graph.Multiply(x, in[0]), graph.Subtract(in[1], x)}
		}, [][]float32{{2, 6, 12}, {8, 17, 26}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := graph.Compile(c.fn, graph.CompileOptions{Donate: map[int]int{0: 0, 1: 1}})
			defer f.Close()
			a, b := state(1, 2, 3), state(10, 20, 30)
			outs, err := f.Call(ctx, a, b)
			require.NoError(t, err)
			for i, held := range in(a, b) {
				got, err := graph.ReadState(held)
				require.NoError(t, err)
				require.Equal(t, c.want[i], got, "argument %d holds the output", i)
				v, err := graph.Read[float32](ctx, outs[i])
				require.NoError(t, err)
				require.Equal(t, c.want[i], v)
			}
		})
	}
	mismatch := graph.Compile(func(in arrays) arrays { return arrays{graph.Sum(in[0], nil, false)} }, graph.CompileOptions{Donate: map[int]int{0: 0}})
	_, err = mismatch.Call(ctx, state(1, 2))
	require.ErrorContains(t, err, "output 0 is float32[] and cannot replace argument 0, float32[2]")
}

// TestRepeatedCallsAllocateNothing replays a step with ReuseOutputs.
func TestRepeatedCallsAllocateNothing(t *testing.T) {
	ctx := context.Background()
	rt, err := graph.Default()
	require.NoError(t, err)
	f := graph.Compile(blockStep(llamaBlock), graph.CompileOptions{ReuseOutputs: true})
	defer f.Close()
	in := blockData(metal.BFloat16)
	outs, err := f.Call(ctx, in...)
	require.NoError(t, err)
	want := raw(t, outs)
	rt.Pool.ResetPeak()
	before := rt.Pool.Usage()
	for range 5 {
		outs, err = f.Call(ctx, in...)
		require.NoError(t, err)
	}
	after := rt.Pool.Usage()
	require.Equal(t, before.Allocs, after.Allocs)
	require.Equal(t, before.Peak, after.Peak, "no block was taken from the pool, not even for a moment")
	require.Equal(t, want, raw(t, outs))
}

// TestCompiledFunctionsFollowTheirArguments calls one function with arrays of
// changing shapes, dtypes and places.
func TestCompiledFunctionsFollowTheirArguments(t *testing.T) {
	traced := 0
	f := graph.Compile(func(in arrays) arrays {
		traced++
		return arrays{graph.Add(graph.Multiply(in[0], 2.0), in[1])}
	}, graph.CompileOptions{ReuseOutputs: true})
	defer f.Close()
	call := func(a, b *graph.Array) []float64 {
		outs, err := f.Call(context.Background(), a, b)
		require.NoError(t, err)
		return read(t, outs[0])
	}
	for i := range 3 { // the same shapes in other places
		base := float32(10 * i)
		require.Equal(t, []float64{float64(base) + 2, float64(base) + 4}, call(graph.FromSlice([]float32{1, 2}), graph.FromSlice([]float32{base})))
	}
	require.Equal(t, 1, traced)
	require.Equal(t, []float64{12, 14, 16}, call(graph.FromSlice([]float32{1, 2, 3}), graph.FromSlice([]float32{10})))
	require.Equal(t, []float64{12, 14}, call(graph.FromSlice([]int32{1, 2}), graph.FromSlice([]int32{10})))
	require.Equal(t, 3, traced)
	same := graph.FromSlice([]float32{4, 5})
	require.Equal(t, []float64{12, 15}, call(same, same), "one array as both arguments")
}

// TestNullPlansWithoutMemory runs the step on the device that stores nothing.
func TestNullPlansWithoutMemory(t *testing.T) {
	soft, err := graph.Default()
	require.NoError(t, err)
	rt, err := graph.NewRuntime("null", 0)
	require.NoError(t, err)
	graph.SetDefault(rt)
	defer graph.SetDefault(soft)
	f := graph.Compile(blockStep(llamaBlock), graph.CompileOptions{})
	outs, err := f.Call(context.Background(), blockData(metal.BFloat16)...)
	require.NoError(t, err)
	_, err = graph.Bytes(context.Background(), outs[0])
	require.ErrorContains(t, err, "no memory to read")
}

// TestEmptyArraysAreDonated checks arguments that need no copy.
func TestEmptyArraysAreDonated(t *testing.T) {
	f := graph.Compile(func(a arrays) arrays { return arrays{graph.Exp(a[0]), graph.Add(a[1], 1.0)} }, graph.CompileOptions{Donate: map[int]int{0: 0, 1: 1}})
	defer f.Close()
	outs, err := f.Call(context.Background(), graph.FromSlice([]float32{}), graph.FromSlice([]float32{1, 2}))
	require.NoError(t, err)
	require.Equal(t, []int{0}, outs[0].Shape())
	got, err := graph.Floats(context.Background(), outs[1])
	require.NoError(t, err)
	require.Equal(t, []float64{2, 3}, got)
}

// States of one block are arrays of their own: what one holds is not in the others,
// and functions take each over.
func TestStatesOfOneBlock(t *testing.T) {
	ctx := context.Background()
	rt, err := graph.Default()
	require.NoError(t, err)
	all, err := graph.NewStates(rt, "states", metal.Float32, 3, 2, 5)
	require.NoError(t, err)
	for i, a := range all {
		require.Equal(t, []int{2, 5}, a.Shape())
		require.NoError(t, graph.WriteState(a, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, float32(10 * i)}))
	}
	f := graph.Compile(func(in []*graph.Array) []*graph.Array {
		return []*graph.Array{graph.Add(in[0], in[1]), graph.Multiply(in[1], 2)}
	}, graph.CompileOptions{Donate: map[int]int{0: 0, 1: 1}, ReuseOutputs: true})
	defer f.Close()
	_, err = f.Call(ctx, all[1], all[2])
	require.NoError(t, err)
	for i, want := range [][]float32{{1, 2, 3, 4, 5, 6, 7, 8, 9, 0}, {2, 4, 6, 8, 10, 12, 14, 16, 18, 30}, {2, 4, 6, 8, 10, 12, 14, 16, 18, 40}} {
		got, err := graph.ReadState(all[i])
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}
