package soft_test

import (
	"testing"

	"github.com/ftmetal/ftmetal/kernels/kerneltest"
	"github.com/ftmetal/ftmetal/metal/soft"
)

// Native kernels are compiled for several instruction sets: the table, with
// those that other processors would use.
func TestKernelsNativeElsewhere(t *testing.T) {
	defer soft.LimitCPU(4)
	for _, cpu := range []struct {
		name  string
		level int
	}{{"baseline", 0}, {"avx2", 1}, {"avx512", 2}, {"amx", 5}} {
		t.Run(cpu.name, func(t *testing.T) {
			soft.LimitCPU(cpu.level)
			kerneltest.Run(t, open(t, soft.Options{Native: true}))
		})
	}
}
