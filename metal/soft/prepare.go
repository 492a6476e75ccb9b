package soft

// #include <stdlib.h>
// #include "soft.h"
import "C"

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/ftmetal/ftmetal/metal"
)

// Prepare checks the list and packs it for the executor.
func (d *Device) Prepare(list []metal.Dispatch) (metal.Program, error) {
	entries := make([]*entry, len(list))
	for i := range list {
		e, err := d.check(&list[i])
		if err != nil {
			return nil, fmt.Errorf("soft: dispatch %d, %s: %w", i, list[i].Kernel, err)
		}
		entries[i] = e
	}
	p := &program{dev: d, list: list}
	p.pack(entries)
	return p, nil
}

// kernelOf finds a built-in kernel, or compiles the one that op brings along.
func kernelOf(op *metal.Dispatch) (*entry, error) {
	if op.Source != nil {
		return compiled.entry(op.Source)
	}
	if e := registry[op.Kernel]; e != nil {
		return e, nil
	}
	return nil, fmt.Errorf("there is no such kernel")
}

// check applies the rules of Metal's validation layer to one dispatch.
func (d *Device) check(op *metal.Dispatch) (*entry, error) {
	e, err := kernelOf(op)
	if err != nil {
		return nil, err
	}
	return e, e.sig.Check(op, d.base)
}

// base is the address of a block of this device.
func (d *Device) base(mb metal.Buffer) (uintptr, error) {
	b, ok := mb.(*buffer)
	if !ok {
		return 0, fmt.Errorf("a buffer of another device (%T)", mb)
	}
	d.mu.Lock()
	_, live := d.blocks[b]
	d.mu.Unlock()
	if !live {
		return 0, fmt.Errorf("the buffer was freed, or belongs to another device")
	}
	return uintptr(unsafe.Pointer(unsafe.SliceData(b.data))), nil
}

// program is a packed list. Everything the executor reads lies in one block of
// C memory, since Go's collector may not see pointers in it.
type program struct {
	dev     *Device
	list    []metal.Dispatch
	mu      sync.Mutex // one run at a time
	c       *C.ft_program
	steps   []C.ft_step
	workers int  // as many as the widest step can use
	long    bool // the run takes a millisecond or more, about
}

// pack lays out the program: header, steps, then per step its buffer addresses,
// their lengths and its args, each 16-byte aligned.
func (p *program) pack(entries []*entry) {
	round := func(n uintptr) uintptr { return (n + 15) &^ 15 }
	header := round(unsafe.Sizeof(C.ft_program{}))
	total := header + round(uintptr(len(entries))*unsafe.Sizeof(C.ft_step{}))
	for i, e := range entries {
		total += round(uintptr(len(e.sig.Align))*16) + round(uintptr(len(p.list[i].Args)))
	}
	base := C.calloc(1, C.size_t(total))
	p.c = (*C.ft_program)(base)
	at := unsafe.Add(base, header)
	p.c.steps, p.c.count = (*C.ft_step)(at), C.int64_t(len(entries))
	p.c.shuffle = C.uint64_t(p.dev.opt.Shuffle)
	if p.dev.opt.NaNFill {
		p.c.nan_fill = 1
	}
	p.steps = unsafe.Slice(p.c.steps, len(entries))
	seconds := 0.0
	at = unsafe.Add(at, round(uintptr(len(entries))*unsafe.Sizeof(C.ft_step{})))
	for i, e := range entries {
		s, n, op := &p.steps[i], len(e.sig.Align), &p.list[i]
		s.kernel = e.kernel
		s.bufs = (*unsafe.Pointer)(at)
		s.bytes = (*C.int64_t)(unsafe.Add(at, n*8))
		bufs, lens := unsafe.Slice((*uintptr)(at), n), unsafe.Slice(s.bytes, n)
		for j := range n {
			v := op.At(j)
			bufs[j] = uintptr(unsafe.Pointer(unsafe.SliceData(v.Buf.(*buffer).data))) + uintptr(v.Off)
			lens[j] = C.int64_t(v.Len)
		}
		at = unsafe.Add(at, round(uintptr(n)*16))
		s.args = at
		copy(unsafe.Slice((*byte)(at), len(op.Args)), op.Args)
		at = unsafe.Add(at, round(uintptr(len(op.Args))))
		p.plan(s, e, op)
		seconds += float64(op.FLOPs)/2e11 + float64(op.Traffic())/3e10
	}
	p.long = p.workers > 1 && seconds > 1e-3
	p.look()
}

// aheadLeast is from how many bytes on the largest operand of a step is worth
// fetching while workers wait for the steps before it.
const aheadLeast = 1 << 15

// look tells each step what the steps behind it read next.
func (p *program) look() {
	var next C.ft_step
	for i := len(p.list) - 1; i >= 0; i-- {
		s := &p.steps[i]
		s.ahead, s.ahead_bytes, s.ahead_stride = next.ahead, next.ahead_bytes, next.ahead_stride
		largest := 0
		lens := unsafe.Slice(s.bytes, len(p.list[i].In))
		for j, n := range lens {
			if n > lens[largest] {
				largest = j
			}
		}
		if len(lens) == 0 || lens[largest] < aheadLeast {
			continue
		}
		next.ahead = *(**C.char)(unsafe.Add(unsafe.Pointer(s.bufs), uintptr(largest)*unsafe.Sizeof(uintptr(0))))
		next.ahead_bytes = lens[largest]
		next.ahead_stride = max(lens[largest]*s.chunk/max(s.units, 1), 64)
	}
}

// plan decides how a step is divided among workers.
func (p *program) plan(s *C.ft_step, e *entry, op *metal.Dispatch) {
	s.grid = [3]C.uint32_t{C.uint32_t(op.Grid.X), C.uint32_t(op.Grid.Y), C.uint32_t(op.Grid.Z)}
	s.group = [3]C.uint32_t{C.uint32_t(op.Group.X), C.uint32_t(op.Group.Y), C.uint32_t(op.Group.Z)}
	s.workers = C.int64_t(p.dev.opt.Workers)
	atLeast := int64(1)
	if p.dev.opt.Native && e.native != nil {
		s.native = e.native
		s.units = C.ft_native_units(s)
		if s.units <= 0 {
			s.native = nil
		}
	}
	if s.native == nil {
		groups := func(n, g int) int64 { return (int64(n) + int64(g) - 1) / int64(g) }
		s.units = C.int64_t(groups(op.Grid.X, op.Group.X) * groups(op.Grid.Y, op.Group.Y) * groups(op.Grid.Z, op.Group.Z))
		// Small threadgroups are taken by the thousand threads.
		atLeast = max(1, metal.MaxGroup/int64(op.Group.Count()))
	}
	units := int64(s.units)
	chunk := max(atLeast, units/int64(8*p.dev.opt.Workers))
	s.chunk = C.int64_t(chunk)
	p.workers = max(p.workers, int(min(int64(p.dev.opt.Workers), (units+chunk-1)/chunk)))
}

// Close frees the packed list.
func (p *program) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	C.free(unsafe.Pointer(p.c))
	p.c, p.steps = nil, nil
}

func releaseWorkers() { C.ft_release() }
