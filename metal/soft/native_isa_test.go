package soft_test

import (
	"testing"

	"github.com/ftmetal/ftmetal/kernels/kerneltest"
	"github.com/ftmetal/ftmetal/metal/soft"
)

// Native kernels are compiled for several instruction sets: the table, with
// those that other processors would use.
func TestKernelsNativeElsewhere(t *testing.T) {
	defer soft.LimitCPU(3)
	for level, name := range []string{"baseline", "avx2", "avx512"} {
		t.Run(name, func(t *testing.T) {
			soft.LimitCPU(level)
			kerneltest.Run(t, open(t, soft.Options{Native: true}))
		})
	}
}
