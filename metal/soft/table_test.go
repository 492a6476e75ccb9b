package soft_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/kernels/kerneltest"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// The case table against float64 references: kernels as they are, on one thread.
// Then again in everything that must not matter: on two threads, in shuffled
// orders, with NaN in threadgroup memory and guards round every block.
func TestKernels(t *testing.T) {
	shaken := open(t, soft.Options{Workers: 2, Shuffle: 11, NaNFill: true, Guard: true})
	if guardFaults { // AddressSanitizer sees no more without guards
		kerneltest.Run(t, shaken)
		return
	}
	sums := kerneltest.Run(t, open(t, soft.Options{Workers: 1}))
	t.Run("shuffled", func(t *testing.T) { kerneltest.Same(t, shaken, sums) })
}

// The same with native kernels in their place.
func TestKernelsNative(t *testing.T) {
	shaken := open(t, soft.Options{Native: true, Workers: 2, Guard: true})
	if guardFaults {
		kerneltest.Run(t, shaken)
		return
	}
	sums := kerneltest.Run(t, open(t, soft.Options{Native: true, Workers: 1}))
	t.Run("guarded", func(t *testing.T) { kerneltest.Same(t, shaken, sums) })
}

// What Dispatch.InPlace promises holds for kernels and their native forms.
func TestKernelsInPlace(t *testing.T) {
	t.Run("exact", func(t *testing.T) { kerneltest.InPlace(t, open(t, soft.Options{})) })
	t.Run("native", func(t *testing.T) { kerneltest.InPlace(t, open(t, soft.Options{Native: true})) })
}

// Every kernel, in every dtype it is instantiated for, is launched by a case:
// so native kernels are too, which have the names of kernels.
func TestTableLaunchesEveryKernel(t *testing.T) {
	launched := kerneltest.Cover().Kernels
	require.Greater(t, len(launched), 100)
	for name, k := range soft.Kernels() {
		if filepath.Base(filepath.Dir(k.File)) != "kernels" {
			continue
		}
		file := filepath.Base(k.File)
		if launched[name] == 0 {
			t.Errorf("no case of kernels/kerneltest launches %s of %s", name, file)
		}
		if stem := strings.TrimSuffix(file, ".metal"); name != stem && !strings.HasPrefix(name, stem+"_") {
			t.Errorf("kernel %s of %s does not begin with its stem", name, file)
		}
	}
	for name := range launched {
		require.Contains(t, soft.Kernels(), name, "a launch function names a kernel that no file instantiates")
	}
}

func BenchmarkKernels(b *testing.B) { kerneltest.Bench(b, open(b, soft.Options{Native: true})) }
