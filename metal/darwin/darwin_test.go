//go:build metalfake

package darwin_test

import (
	"testing"

	"github.com/ftmetal/ftmetal/kernels/kerneltest"
	"github.com/ftmetal/ftmetal/metal/darwin"
	"github.com/ftmetal/ftmetal/metal/darwin/fake"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// open is a device on a fresh machine. At the end nothing of it may be left.
func open(t testing.TB, opt darwin.Options) *darwin.Device {
	fake.Reset()
	return openOn(t, opt)
}

func openOn(t testing.TB, opt darwin.Options) *darwin.Device {
	d, err := darwin.New(opt)
	require.NoError(t, err)
	devices++
	t.Cleanup(func() {
		require.NoError(t, d.Close())
		if devices--; devices == 0 {
			require.Zero(t, fake.Count().Live, "objects that were not released")
		}
	})
	return d
}

// devices counts those that are open.
var devices int

// The case table through the driver: the right numbers, which are the software
// device's own to the bit, whatever the order of what no barrier separates.
func TestKernels(t *testing.T) {
	d := open(t, darwin.Options{})
	fake.Set(fake.Machine{BothOrders: true})
	sums := kerneltest.Run(t, d)
	own := soft.New(soft.FromEnv())
	t.Cleanup(func() { require.NoError(t, own.Close()) })
	t.Run("soft", func(t *testing.T) { kerneltest.Same(t, own, sums) })
}
