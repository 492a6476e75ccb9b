//go:build metalfake

package darwin_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/darwin"
	"github.com/ftmetal/ftmetal/metal/darwin/fake"
	"github.com/stretchr/testify/require"
)

// Whatever a step does, each object that it makes is gone after it, of Metal's
// classes and of Foundation's: strings, errors, and what an autorelease pool that
// is missing would keep.
func TestNothingLeaks(t *testing.T) {
	d := open(t, darwin.Options{Batch: 3, Wired: 1 << 20})
	step := func(i int) {
		v := vectors(t, d, 12, 33)
		p, err := d.Prepare(chain(v))
		require.NoError(t, err)
		require.NoError(t, p.Run(context.Background()))
		if i%3 == 0 {
			_, err = p.Profile(context.Background())
			require.NoError(t, err)
		}
		if i%5 == 0 {
			fake.FailCommit(2, 1, "Internal Error")
			require.Error(t, p.Run(context.Background()))
		}
		if i%7 == 0 {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			require.Error(t, p.Run(ctx))
		}
		p.Close()
		d.Free(v[0].View.Buf)
	}
	steady(t, 1000, step)
}

// Opening a device, compiling, writing and reading archives leave nothing either.
func TestDevicesLeaveNothing(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	fake.Reset()
	steady(t, 60, func(i int) {
		fake.Set(fake.Machine{OSMinor: i % 2})
		d, err := darwin.New(darwin.Options{Cache: cache, Capture: filepath.Join(t.TempDir(), "x.gputrace")})
		require.NoError(t, err)
		require.NoError(t, metal.Run(context.Background(), d, chain(vectors(t, d, 3, 8))))
		fake.FailCompile(true)
		_, err = d.Prepare(list{{Kernel: "softmax_f32"}})
		require.Error(t, err)
		fake.FailCompile(false)
		require.NoError(t, d.Close())
	})
}

// steady calls step and compares the objects that are alive after a tenth of the
// calls, when caches are full, with those at the end.
func steady(t *testing.T, calls int, step func(i int)) {
	var live, objects int
	fake.Objects()
	for i := range calls {
		if i == calls/10 {
			live, objects = fake.Count().Live, fake.Objects()
		}
		step(i)
	}
	require.Equal(t, live, fake.Count().Live, "objects of Metal's")
	// Foundation has some for each thread that it meets.
	require.InDelta(t, objects, fake.Objects(), float64(calls)/10, "objects of all classes")
}
