//go:build metalfake

package darwin_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/darwin"
	"github.com/ftmetal/ftmetal/metal/darwin/fake"
	"github.com/stretchr/testify/require"
)

// A program of many command buffers gives its result a thousand times, and owns
// no more objects after them than after the first.
func TestThousandRuns(t *testing.T) {
	d := open(t, darwin.Options{Batch: 3})
	v := vectors(t, d, 12, 33)
	p, err := d.Prepare(chain(v))
	require.NoError(t, err)
	defer p.Close()
	live := 0
	for i := range 1000 {
		put(v[0], 32, float32(i))
		require.NoError(t, p.Run(context.Background()))
		require.Equal(t, float32(i)*2048, get(v[11], 32))
		if i == 0 {
			live = fake.Count().Live
		}
	}
	c := fake.Count()
	require.Equal(t, live, c.Live)
	require.Equal(t, 4*1000, c.Commits)
	require.Equal(t, 4*1000-1, c.FencesWaited, "every encoder but the first waits for the one before")
	require.Equal(t, 1, c.PeakBuffers)
}

// Barriers stand where a dispatch needs what another wrote, or overwrites what
// another reads, and nowhere else.
func TestBarriers(t *testing.T) {
	for name, c := range map[string]struct {
		make func(v []kernels.Tensor, l *list)
		want int
	}{
		"independent": {func(v []kernels.Tensor, l *list) {
			kernels.Binary(l, kernels.Add, v[0], v[0], v[1])
			kernels.Binary(l, kernels.Add, v[0], v[0], v[2])
			kernels.Binary(l, kernels.Multiply, v[0], v[0], v[3])
		}, 0},
		"read after write": {func(v []kernels.Tensor, l *list) {
			kernels.Binary(l, kernels.Add, v[0], v[0], v[1])
			kernels.Binary(l, kernels.Add, v[1], v[0], v[2])
		}, 1},
		"write after read": {func(v []kernels.Tensor, l *list) {
			kernels.Binary(l, kernels.Add, v[0], v[0], v[1])
			kernels.Fill(l, v[0], 5)
		}, 1},
		"write after write": {func(v []kernels.Tensor, l *list) {
			kernels.Binary(l, kernels.Add, v[0], v[0], v[1])
			kernels.Fill(l, v[1], 5)
		}, 1},
		"two after one": {func(v []kernels.Tensor, l *list) {
			kernels.Binary(l, kernels.Add, v[0], v[0], v[1])
			kernels.Binary(l, kernels.Add, v[1], v[0], v[2])
			kernels.Binary(l, kernels.Multiply, v[1], v[1], v[3])
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, darwin.Options{})
			fake.Set(fake.Machine{BothOrders: true})
			var l list
			c.make(vectors(t, d, 4, 100), &l)
			require.NoError(t, metal.Run(context.Background(), d, l))
			require.Equal(t, c.want, fake.Count().Barriers)
		})
	}
}

// Command buffers end after the most dispatches, and before their estimated time
// on the GPU is too long.
func TestBatches(t *testing.T) {
	d := open(t, darwin.Options{Batch: 4})
	v := vectors(t, d, 11, 8)
	commits := func(l list) int {
		before := fake.Count().Commits
		require.NoError(t, metal.Run(context.Background(), d, l))
		return fake.Count().Commits - before
	}
	l := chain(v)
	require.Equal(t, 3, commits(l))
	for i := range l {
		l[i].FLOPs = 1e11 // at two fifths of 3.8 TFLOPS: 66 ms
	}
	require.Equal(t, 10, commits(l))
	for i := range l {
		l[i].FLOPs = 2e10 // 13 ms
	}
	require.Equal(t, 4, commits(l))
}

// Profile gives each dispatch a command buffer of its own, and their times.
func TestProfile(t *testing.T) {
	d := open(t, darwin.Options{})
	v := vectors(t, d, 6, 1<<16)
	p, err := d.Prepare(chain(v))
	require.NoError(t, err)
	defer p.Close()
	times, err := p.Profile(context.Background())
	require.NoError(t, err)
	require.Len(t, times, 5)
	for _, at := range times {
		require.Greater(t, at, time.Duration(0))
	}
	require.Equal(t, 5, fake.Count().Commits)
	require.Equal(t, float32(32), get(v[5], 7))
}

// A run that is cancelled ends between two command buffers; the next one runs.
func TestCancel(t *testing.T) {
	d := open(t, darwin.Options{Batch: 1})
	v := vectors(t, d, 9, 8)
	p, err := d.Prepare(chain(v))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, p.Run(ctx), context.Canceled)
	require.Zero(t, fake.Count().Commits)
	late, stop := context.WithTimeout(context.Background(), time.Hour)
	defer stop()
	require.NoError(t, p.Run(late))
	require.Equal(t, float32(256), get(v[8], 3))
	p.Close()
	require.EqualError(t, p.Run(context.Background()), "metal: the program or its device is closed")
}

// Cancelling while command buffers run keeps those back that were not committed.
func TestCancelledBetween(t *testing.T) {
	d := open(t, darwin.Options{Batch: 1})
	v := vectors(t, d, 2, 1<<14)
	var l list
	for range 5000 {
		l = append(l, chain(v)...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for fake.Count().Commits == 0 {
			runtime.Gosched()
		}
		cancel()
	}()
	require.ErrorIs(t, metal.Run(ctx, d, l), context.Canceled)
	require.Less(t, fake.Count().Commits, 5000)
}

// A view of nothing may lie at the end of its buffer, where Metal has no offset.
func TestViewOfNothing(t *testing.T) {
	d := open(t, darwin.Options{})
	v := vectors(t, d, 2, 64)
	l := chain(v)
	l[0].In[1].Off, l[0].In[1].Len = v[0].View.Buf.Len(), 0
	require.NoError(t, metal.Run(context.Background(), d, l))
}

// Args take the index of a buffer that another kernel has bound.
func TestArgsReplaceABinding(t *testing.T) {
	d := open(t, darwin.Options{})
	fake.Set(fake.Machine{BothOrders: true})
	v := vectors(t, d, 4, 64)
	yes := kernels.Contig(v[3].View, metal.Bool, 64)
	yes.View.Bytes()[5] = 1
	var l list
	kernels.Where(&l, yes, v[0], v[3], v[1])
	kernels.Binary(&l, kernels.Add, v[1], v[0], v[2])
	kernels.Where(&l, yes, v[2], v[0], v[1])
	require.NoError(t, metal.Run(context.Background(), d, l))
	require.Equal(t, float32(2), get(v[1], 5))
	require.Equal(t, float32(1), get(v[1], 6))
}

// A replayed program costs nothing on Go's heap for a dispatch, and 1,000
// dispatches under a millisecond of the driver's own time: the encoder behind it
// does nothing here.
func TestCostOfADispatch(t *testing.T) {
	d := open(t, darwin.Options{})
	fake.Set(fake.Machine{Idle: true})
	p, err := d.Prepare(chain(vectors(t, d, 1001, 8)))
	require.NoError(t, err)
	defer p.Close()
	run := func() {
		if err := p.Run(context.Background()); err != nil {
			t.Error(err)
		}
	}
	require.LessOrEqual(t, testing.AllocsPerRun(20, run), 8.0, "allocations of a run of 1,000 dispatches")
	best := time.Hour
	for range 30 {
		began := time.Now()
		run()
		best = min(best, time.Since(began))
	}
	t.Logf("1,000 dispatches take %v", best)
	require.Less(t, best, time.Millisecond)
}

func BenchmarkEncode1000(b *testing.B) {
	d := open(b, darwin.Options{})
	fake.Set(fake.Machine{Idle: true})
	p, err := d.Prepare(chain(vectors(b, d, 1001, 8)))
	require.NoError(b, err)
	defer p.Close()
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, p.Run(b.Context()))
	}
}
