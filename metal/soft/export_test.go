package soft

import (
	"unsafe"

	"github.com/ftmetal/ftmetal/metal"
)

// LimitCPU makes native kernels take the processor for one with the baseline
// only (0), AVX2 (1), AVX-512 (2), its products of bfloat16 (3), or for what it is
// (4). With 5 it stands for one with AMX.
var LimitCPU = limitCPU

// Ahead is what workers fetch that wait for a step of a program.
func Ahead(p metal.Program, step int) (at uintptr, bytes, stride int64) {
	s := &p.(*program).steps[step]
	return uintptr(unsafe.Pointer(s.ahead)), int64(s.ahead_bytes), int64(s.ahead_stride)
}

// Packings counts how often a run of a program packs operands A and B of products.
func Packings(p metal.Program) (a, b int) {
	prog := p.(*program)
	for i, s := range prog.steps {
		if i+1 == prog.first[prog.owner[i]+1] {
			continue // the dispatch itself
		}
		bufs := unsafe.Slice(s.bufs, packBuffers)
		if bufs[2] != nil {
			a++
		}
		if bufs[3] != nil {
			b++
		}
	}
	return a, b
}
