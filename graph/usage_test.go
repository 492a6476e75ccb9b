package graph_test

import (
	"context"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// ownRuntime is a new runtime as the default for the time of a test.
func ownRuntime(t *testing.T) {
	t.Helper()
	old, err := graph.Default()
	require.NoError(t, err)
	rt, err := graph.NewRuntime("soft", 0)
	require.NoError(t, err)
	graph.SetDefault(rt)
	t.Cleanup(func() {
		graph.SetDefault(old)
		require.NoError(t, rt.Close())
	})
}

// An evaluation over the limit says what it wants, and leaves everything as it
// was.
func TestMemoryLimit(t *testing.T) {
	ownRuntime(t)
	ctx := context.Background()
	kept := graph.Add(graph.Zeros([]int{1 << 20}, metal.Float32), 1.0)
	require.NoError(t, graph.Eval(ctx, kept))
	require.EqualValues(t, 4<<20, graph.GetActiveMemory())
	old, err := graph.SetMemoryLimit(16 << 20)
	require.NoError(t, err)
	require.Zero(t, old)
	big := graph.Add(graph.Reshape(kept, 1, -1), graph.Zeros([]int{8, 1}, metal.Float32))
	two := graph.Add(kept, 2.0)
	err = graph.Eval(ctx, two, big) // two has its memory when big is refused
	var refused *metal.BudgetError
	require.ErrorAs(t, err, &refused)
	require.EqualValues(t, 32<<20, refused.Want)
	require.EqualValues(t, 16<<20, refused.Capacity)
	require.GreaterOrEqual(t, refused.Active, int64(4<<20))
	require.ErrorContains(t, err, "needs 32.00 MiB, ")
	require.ErrorContains(t, err, "and the memory budget is 16.00 MiB")
	require.EqualValues(t, 4<<20, graph.GetActiveMemory())
	require.ErrorAs(t, graph.AsyncEval(ctx, nil, big), &refused)
	v, err := graph.Item(ctx, graph.Max(two, nil, false))
	require.NoError(t, err)
	require.Equal(t, 3.0, v)

	old, err = graph.SetMemoryLimit(64 << 20)
	require.NoError(t, err)
	require.EqualValues(t, 16<<20, old)
	require.NoError(t, graph.Eval(ctx, big), "the graph is still there")
	require.GreaterOrEqual(t, graph.GetPeakMemory(), int64(36<<20))
	_, err = graph.SetMemoryLimit(-1)
	require.ErrorContains(t, err, "graph: SetMemoryLimit: a limit of -1 bytes (graph/usage_test.go:")
}

// What nothing refers to does not count against the limit.
func TestMemoryOfUnusedArraysComesBack(t *testing.T) {
	ownRuntime(t)
	_, err := graph.SetMemoryLimit(24 << 20)
	require.NoError(t, err)
	x := graph.Zeros([]int{1 << 20}, metal.Float32)
	for range 50 {
		x = graph.Add(x, 1.0)
		require.NoError(t, graph.Eval(context.Background(), x))
	}
	require.Equal(t, 50.0, read(t, x)[7])
}

// Blocks that come back are kept for reuse up to the limit.
func TestCacheLimits(t *testing.T) {
	ownRuntime(t)
	f := graph.Compile(func(in arrays) arrays {
		return arrays{graph.Sum(graph.Softmax(in[0], -1), nil, false)}
	}, graph.CompileOptions{})
	call := func() {
		_, err := f.Call(context.Background(), graph.Zeros([]int{1 << 10, 1 << 10}, metal.Float32))
		require.NoError(t, err)
	}
	call()
	require.GreaterOrEqual(t, graph.GetCacheMemory(), int64(4<<20), "temporaries")
	graph.ClearCache()
	require.Zero(t, graph.GetCacheMemory())
	call()
	_, err := graph.SetCacheLimit(1 << 20)
	require.NoError(t, err)
	require.LessOrEqual(t, graph.GetCacheMemory(), int64(1<<20))
	old, err := graph.SetCacheLimit(0)
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, old)
	call()
	require.Zero(t, graph.GetCacheMemory())
	graph.ResetPeakMemory()
	require.Equal(t, graph.GetActiveMemory(), graph.GetPeakMemory())
}

// The software device says what it is, and what it does not do.
func TestDeviceFunctions(t *testing.T) {
	ownRuntime(t)
	info, err := graph.DeviceInfo()
	require.NoError(t, err)
	require.Contains(t, info.Name, "software Metal")
	require.NotEmpty(t, info.Architecture)
	require.Positive(t, info.MaxBuffer)
	_, err = graph.SetWiredLimit(1)
	require.ErrorContains(t, err, "keeps no memory resident")
	old, err := graph.SetWiredLimit(0)
	require.NoError(t, err)
	require.Zero(t, old)
	require.ErrorContains(t, graph.StartCapture("x.gputrace"), "StartCapture: software Metal")
	require.ErrorContains(t, graph.StopCapture(), "records no GPU traces")
}
