package soft_test

import (
	"testing"

	"github.com/ftmetal/ftmetal/kernels/kerneltest"
	"github.com/ftmetal/ftmetal/metal/soft"
)

// The case table, against float64 references: kernels as they are.
func TestKernels(t *testing.T) { kerneltest.Run(t, open(t, soft.Options{Workers: 1})) }

// The same with native kernels in their place.
func TestKernelsNative(t *testing.T) { kerneltest.Run(t, open(t, soft.Options{Native: true})) }

// The large sizes of the table: go test ./metal/soft -run '^$' -bench Kernels/sdpa
func BenchmarkKernels(b *testing.B) { kerneltest.Bench(b, open(b, soft.Options{Native: true})) }
