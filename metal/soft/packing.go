package soft

// #include <stdlib.h>
// #include "soft.h"
import "C"

import (
	"errors"
	"strings"
	"unsafe"

	"github.com/ftmetal/ftmetal/metal"
)

// How many buffers a step that packs has, and how many more a product has when
// its operands are packed.
const (
	packBuffers   = 4
	packedBuffers = 2
)

// packing decides which operands of products are packed before the product runs, in
// a step of their own, and lays out the memory for it: one region for packed As and
// one for Bs, each as large as the largest. Products that follow one another with the
// same A, as q, k and v or gate and up have, share its panels: they are packed
// once, as long as no dispatch between them writes to A. The order of sums does not
// depend on it.
type packing struct {
	p    *program
	most [2]int64
	uses [2][]*unsafe.Pointer // where the addresses of the regions go

	a        matrixKey // what the region for As holds at this point of the list
	from, to uintptr   // the bytes of memory that it was packed from
}

// matrixKey tells packed As apart; the zero value is none.
type matrixKey struct {
	pack  unsafe.Pointer
	at    uintptr
	shape [4]C.int64_t
}

// isProduct reports whether operands of op may be packed.
func isProduct(op *metal.Dispatch) bool { return strings.HasPrefix(op.Kernel, "gemm_") }

// add adds the step that packs operands of s before it, if that pays. It writes what
// the step needs at at, and returns where more fits, and how many views s still reads.
func (k *packing) add(s *C.ft_step, op *metal.Dispatch, at unsafe.Pointer) (unsafe.Pointer, int) {
	reads := len(op.In)
	var is C.ft_packing
	if s.native != nil && isProduct(op) {
		worth := C.ft_packing_of(s, &is)
		key := matrixKey{is.pack, uintptr(*s.bufs), is.a}
		if worth == 2 || worth == 1 && key == k.a {
			at, reads = k.use(s, op, &is, key, at), 0
		}
	}
	for _, v := range op.Out {
		if out := address(v); out < k.to && k.from < out+uintptr(v.Len) {
			k.a = matrixKey{}
		}
	}
	return at, reads
}

func (k *packing) use(s *C.ft_step, op *metal.Dispatch, is *C.ft_packing, key matrixKey, at unsafe.Pointer) unsafe.Pointer {
	extra := unsafe.Slice((*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(s.bufs), len(op.In)*8+len(op.Out)*8)), packedBuffers)
	bufs := unsafe.Slice((*unsafe.Pointer)(at), packBuffers)
	from := unsafe.Slice(s.bufs, 2)
	bufs[0], bufs[1] = from[0], from[1]
	shared := key == k.a
	k.a, k.from, k.to = key, key.at, key.at+uintptr(op.In[0].Len)
	pack := *s
	pack.native, pack.bufs = is.pack, (*unsafe.Pointer)(at)
	s.native = is.multiply
	packs := false
	for i := range extra {
		if is.bytes[i] == 0 {
			continue
		}
		k.most[i] = max(k.most[i], int64(is.bytes[i]))
		// The number of pieces depends on which operands are packed, not on where.
		extra[i] = at
		k.uses[i] = append(k.uses[i], &extra[i])
		if i == 0 && shared {
			continue
		}
		packs = true
		bufs[2+i] = extra[i]
		k.uses[i] = append(k.uses[i], &bufs[2+i])
	}
	s.units = C.ft_native_units(s)
	k.p.divide(s, 1)
	if packs {
		pack.units = C.ft_native_units(&pack)
		k.p.divide(&pack, 1)
		k.p.add(pack, len(k.p.first)-1, 2)
	}
	return unsafe.Add(at, round(packBuffers*16))
}

// allocate makes the regions and writes their addresses into the steps.
func (k *packing) allocate() error {
	for i, n := range k.most {
		if n == 0 {
			continue
		}
		region := C.aligned_alloc(64, C.size_t(n+63)&^63)
		if region == nil {
			return errors.New("soft: no memory for packed operands of products")
		}
		k.p.packed[i] = region
		for _, use := range k.uses[i] {
			*use = region
		}
	}
	return nil
}
