package graph_test

import (
	"context"
	"sync"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// slow is a graph over a that takes a while: its elements are a's, times 1.
func slow(a *graph.Array) *graph.Array {
	one := graph.BroadcastTo(graph.Eye(300, 300, 0, metal.Float32), []int{20, 300, 300})
	x := graph.BroadcastTo(graph.Reshape(a, 1, 1, -1), []int{20, 300, a.Size()})
	for range 20 {
		x = graph.Matmul(one, x)
	}
	return graph.Reshape(graph.Slice(x, []int{0, 0, 0}, []int{1, 1, a.Size()}, nil), -1)
}

// Arrays of AsyncEval are used before they are there: in graphs, on other
// streams, and by readers that wait.
func TestAsyncEval(t *testing.T) {
	ctx := context.Background()
	a := slow(graph.FromSlice([]float32{1, 2, 3}))
	s := graph.NewStream()
	require.NoError(t, graph.AsyncEval(ctx, nil, a))
	require.True(t, a.Evaluated())
	b := graph.Multiply(a, 2.0)
	require.NoError(t, graph.AsyncEval(ctx, s, b, b, a))
	c := graph.Add(b, a)
	require.NoError(t, graph.AsyncEval(ctx, s, c))
	require.Equal(t, []float64{3, 6, 9}, read(t, c))
	require.Equal(t, []float64{2, 4, 6}, read(t, graph.View(b, metal.Float32)))
	host, err := graph.HostBytes(slowly(t, s, graph.FromSlice([]float32{0, 0})))
	require.NoError(t, err)
	require.Equal(t, make([]byte, 8), host)
	require.NoError(t, graph.Synchronize(ctx, s))
	require.NoError(t, graph.Synchronize(ctx, nil))
}

func slowly(t *testing.T, s *graph.Stream, a *graph.Array) *graph.Array {
	a = slow(a)
	require.NoError(t, graph.AsyncEval(context.Background(), s, a))
	return a
}

// A compiled function that takes over memory waits for streams that read it.
func TestDonationWaitsForStreams(t *testing.T) {
	ctx := context.Background()
	rt, err := graph.Default()
	require.NoError(t, err)
	x, err := graph.NewState(rt, "x", metal.Float32, 3)
	require.NoError(t, err)
	require.NoError(t, graph.WriteState(x, []float32{1, 2, 3}))
	before := slow(x)
	later := slow(before)
	require.NoError(t, graph.AsyncEval(ctx, nil, before))
	sum := graph.Add(later, x) // runs late, and reads x
	require.NoError(t, graph.AsyncEval(ctx, nil, sum))
	f := graph.Compile(func(in arrays) arrays { return arrays{graph.Multiply(in[0], 10.0)} }, graph.CompileOptions{Donate: map[int]int{0: 0}})
	outs, err := f.Call(ctx, x)
	require.NoError(t, err)
	require.Equal(t, []float64{10, 20, 30}, read(t, outs[0]))
	require.Equal(t, []float64{2, 4, 6}, read(t, sum))

	late := slow(graph.Multiply(outs[0], 1.0))
	require.NoError(t, graph.AsyncEval(ctx, nil, late))
	require.NoError(t, graph.WriteState(x, []float32{0, 0, 0}))
	require.Equal(t, []float64{10, 20, 30}, read(t, late))
}

// What goes wrong in a stream is an error of who reads the array, and of
// Synchronize, once; the stream goes on.
func TestAsyncErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := graph.NewStream()
	first := slowly(t, s, graph.FromSlice([]float32{1, 2}))
	a := graph.Add(graph.FromSlice([]float32{1, 2}), 1.0)
	require.NoError(t, graph.AsyncEval(ctx, s, a))
	b := graph.Multiply(a, 2.0)
	require.NoError(t, graph.AsyncEval(context.Background(), nil, b))
	cancel()
	_, err := graph.Read[float32](context.Background(), a)
	require.ErrorIs(t, err, context.Canceled)
	_, err = graph.Read[float32](context.Background(), b)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "operand of an asynchronous evaluation")
	_, err = graph.Read[float32](context.Background(), graph.Exp(a))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, graph.Synchronize(context.Background(), s), context.Canceled)
	require.NoError(t, graph.Synchronize(context.Background(), s))
	require.Error(t, graph.Synchronize(context.Background(), nil))
	require.Equal(t, []float64{1, 2}, read(t, first))

	done, stop := context.WithCancel(context.Background())
	stop()
	require.ErrorContains(t, graph.AsyncEval(context.Background(), nil, nil), "array 0 is nil")
	require.ErrorContains(t, graph.AsyncEval(context.Background(), &graph.Stream{}, a, b, graph.Exp(b)), "NewStream")
	require.ErrorContains(t, graph.AsyncEval(context.Background(), nil, graph.Add(graph.Placeholder(metal.Float32, 2), 1)), "placeholder")
	c := slowly(t, s, graph.FromSlice([]float32{1, 2}))
	require.ErrorIs(t, graph.Eval(done, c), context.Canceled, "waiting ends with the context")
	require.Equal(t, []float64{1, 2}, read(t, c))
}

// Goroutines share streams, and a runtime is closed after what runs in it.
func TestStreamsAreShared(t *testing.T) {
	old, err := graph.Default()
	require.NoError(t, err)
	rt, err := graph.NewRuntime("soft", 0)
	require.NoError(t, err)
	graph.SetDefault(rt)
	defer graph.SetDefault(old)
	var wg sync.WaitGroup
	shared := graph.NewStream()
	base := graph.Add(graph.FromSlice([]float32{1, 2, 3}), 0.0)
	require.NoError(t, graph.AsyncEval(context.Background(), shared, base))
	for i := range 8 {
		wg.Go(func() {
			x := base
			for range 25 { // more than a stream holds
				x = graph.Add(x, float64(i))
				if err := graph.AsyncEval(context.Background(), shared, x); err != nil {
					t.Error(err)
				}
			}
			v, err := graph.Floats(context.Background(), x)
			if err != nil || v[2] != float64(3+25*i) {
				t.Errorf("%v %v", v, err)
			}
		})
	}
	wg.Wait()
	slowly(t, shared, base)
	require.NoError(t, rt.Close())
}
