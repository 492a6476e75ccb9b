package soft_test

import (
	"testing"

	"github.com/ftmetal/ftmetal/kernels/kerneltest"
	"github.com/ftmetal/ftmetal/metal/soft"
)

// The case table, against float64 references: kernels as they are. make
// test-shuffle and test-asan run it in the schedules that they ask for.
func TestKernels(t *testing.T) {
	opt := soft.FromEnv()
	opt.Native, opt.Workers = false, 1
	kerneltest.Run(t, open(t, opt))
}

// The same with native kernels in their place.
func TestKernelsNative(t *testing.T) { kerneltest.Run(t, open(t, soft.Options{Native: true})) }

// The large sizes of the table: go test ./metal/soft -run '^$' -bench Kernels/sdpa
func BenchmarkKernels(b *testing.B) { kerneltest.Bench(b, open(b, soft.Options{Native: true})) }
