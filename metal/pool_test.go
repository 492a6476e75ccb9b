package metal_test

import (
	"errors"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/null"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

func TestPoolReusesAndCounts(t *testing.T) {
	p := metal.NewPool(null.New(), metal.PoolOptions{Budget: 10 << 20, CacheLimit: 4 << 20})
	a, err := p.Alloc(1<<20, "a")
	require.NoError(t, err)
	require.Equal(t, metal.Usage{Active: 1 << 20, Peak: 1 << 20, Allocs: 1}, p.Usage())
	p.Free(a)
	require.Equal(t, metal.Usage{Peak: 1 << 20, Cache: 1 << 20, Allocs: 1}, p.Usage())
	b, err := p.Alloc(1<<20-5, "b")
	require.NoError(t, err)
	require.Same(t, a, b, "a block of the same class is reused")
	require.Equal(t, int64(1), p.Usage().Allocs)
	require.Panics(t, func() { p.Free(a); p.Free(a) })
}

func TestPoolBudgetNamesWhoAsked(t *testing.T) {
	p := metal.NewPool(null.New(), metal.PoolOptions{Budget: 1 << 20})
	_, err := p.Alloc(1<<19, "weights")
	require.NoError(t, err)
	_, err = p.Alloc(1<<20, "arena")
	var be *metal.BudgetError
	require.True(t, errors.As(err, &be))
	require.Equal(t, "metal: arena needs 1.00 MiB, 512.00 KiB are in use, and the memory budget is 1.00 MiB", err.Error())
	require.Equal(t, int64(1<<19), p.Usage().Active, "a refused block is not counted")
}

func TestPoolCacheEvictsLeastRecentlyFreed(t *testing.T) {
	p := metal.NewPool(null.New(), metal.PoolOptions{CacheLimit: 3 * metal.PageSize})
	var bufs []metal.Buffer
	for i := 1; i <= 3; i++ {
		b, err := p.Alloc(int64(i)*metal.PageSize, "x")
		require.NoError(t, err)
		bufs = append(bufs, b)
	}
	for _, b := range bufs {
		p.Free(b)
	}
	require.Equal(t, int64(3*metal.PageSize), p.Usage().Cache, "1 and 2 pages are evicted for the 3-page block")
	p.ClearCache()
	require.Zero(t, p.Usage().Cache)
}

func TestPoolCloseReleasesEverything(t *testing.T) {
	dev := soft.New(soft.Options{})
	p := metal.NewPool(dev, metal.PoolOptions{})
	a, err := p.Alloc(100, "a")
	require.NoError(t, err)
	b, err := p.Alloc(100, "b")
	require.NoError(t, err)
	p.Free(b)
	p.Close()
	require.Zero(t, p.Usage().Active+p.Usage().Cache)
	require.Nil(t, a.Bytes(), "the device released it")
	p.Free(a) // an array that is collected late
	p.Close()
	_, err = p.Alloc(1, "late")
	require.EqualError(t, err, "metal: late: the pool is closed")
}
