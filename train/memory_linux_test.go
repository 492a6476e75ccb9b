package train

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	_ "github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// resident is the process's resident memory in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	var size, pages int64
	_, err = fmt.Sscan(string(b), &size, &pages)
	require.NoError(t, err)
	return pages * int64(os.Getpagesize())
}

// What each worker of the software device may hold besides what is allocated on it:
// scratch for a piece of a product or of attention (3 MB for 1024 x 512 sums and
// their panels), and stacks.
const workerBytes = 4 << 20

// The bundled model's step takes the memory that was predicted: within 5 % as
// the pool counts it, and as the system does apart from what workers hold. After the
// second step nothing is allocated on the device.
func TestPlanPredictsMemory(t *testing.T) {
	cfg := DefaultConfig("")
	cfg.Model, cfg.Data, cfg.AdapterPath = "../tools/demo/model", "../tools/demo/data", t.TempDir()
	cfg.MaxSeqLength, cfg.BatchSize, cfg.GradAccumulationSteps = 512, 4, 2
	ctx := context.Background()
	for _, mode := range []struct{ checkpoint, frozen string }{{"off", "off"}, {"on", "off"}, {"off", "memory"}, {"on", filepath.Join(t.TempDir(), "states")}} {
		t.Run("grad_checkpoint "+mode.checkpoint+", cache_frozen "+filepath.Base(mode.frozen), func(t *testing.T) {
			cfg := *cfg
			cfg.GradCheckpoint, cfg.CacheFrozen = mode.checkpoint, mode.frozen
			if cfg.keepsStates() {
				cfg.NumLayers = 2
			}
			s, err := open(ctx, &cfg)
			require.NoError(t, err)
			defer s.close()
			opt, plan, err := s.planned()
			require.NoError(t, err)
			before := resident(t)
			start := s.rt.Pool.Usage()
			step, err := NewStepper(s.rt, s.folder.Model, s.set, opt)
			require.NoError(t, err)
			require.NoError(t, step.Reserve(plan.ArenaBytes))
			require.NoError(t, s.openFrozen(step))
			defer func() { require.NoError(t, step.close()) }()
			it, err := s.trainIterator()
			require.NoError(t, err)
			var allocs int64
			for i := range 6 {
				b, err := it.Next(ctx)
				require.NoError(t, err)
				_, err = step.Accumulate(ctx, b, i%2 == 0, s.dropoutKey(i))
				require.NoError(t, err)
				if i%2 == 1 {
					_, err = step.Update(ctx, 1e-4, i/2+1, float64(b.SupervisedTokens))
					require.NoError(t, err)
				}
				if i == 0 {
					_, err = step.Loss(ctx, b) // a validation
					require.NoError(t, err)
				}
				if i == 3 {
					allocs = s.rt.Pool.Usage().Allocs
				}
			}
			require.Equal(t, allocs, s.rt.Pool.Usage().Allocs, "blocks allocated after the second update")
			counted := s.rt.Pool.Usage().Peak - start.Active
			grown := resident(t) - before
			// Mapped weights become resident as they are read.
			all := plan.PeakBytes + plan.WeightBytes
			t.Logf("predicted %d, pool %d (%+.2f %%); with weights %d, resident %d (%+.2f %%)", plan.PeakBytes, counted,
				100*(float64(plan.PeakBytes)/float64(counted)-1), all, grown, 100*(float64(all)/float64(grown)-1))
			require.InEpsilon(t, counted, plan.PeakBytes, 0.05)
			if cfg.keepsStates() {
				require.Equal(t, counted, plan.PeakBytes)
			}
			require.InDelta(t, grown, all, 0.05*float64(all)+workerBytes*float64(runtime.NumCPU()))
		})
	}
}
