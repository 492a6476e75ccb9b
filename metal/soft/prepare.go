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
	if err := p.pack(entries); err != nil {
		p.Close()
		return nil, err
	}
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
	owner   []int             // the dispatch of each step: products have one more for packing
	reads   []int             // how many views each step reads, as they lie
	first   []int             // the first step of each dispatch, and the number of steps
	packed  [2]unsafe.Pointer // packed operands of products; see packing
	workers int               // as many as the widest step can use
	long    bool              // the run takes a millisecond or more, about
}

// round is n rounded up to the alignment of what a program holds.
func round(n uintptr) uintptr { return (n + 15) &^ 15 }

// pack lays out the program: header, steps, then per step its buffer addresses,
// their lengths and its args, each 16-byte aligned.
func (p *program) pack(entries []*entry) error {
	header, most := round(unsafe.Sizeof(C.ft_program{})), 0
	total := header
	for i, e := range entries {
		n := len(e.sig.Align) + packedBuffers
		total += round(uintptr(n)*16) + round(uintptr(len(p.list[i].Args)))
		most++
		if isProduct(&p.list[i]) {
			total += round(packBuffers * 16)
			most++
		}
	}
	base := C.calloc(1, C.size_t(total+round(uintptr(most)*unsafe.Sizeof(C.ft_step{}))))
	p.c = (*C.ft_program)(base)
	at := unsafe.Add(base, header)
	p.c.steps = (*C.ft_step)(at)
	p.c.shuffle = C.uint64_t(p.dev.opt.Shuffle)
	if p.dev.opt.NaNFill {
		p.c.nan_fill = 1
	}
	p.steps = unsafe.Slice(p.c.steps, most)[:0]
	seconds, ahead := 0.0, packing{p: p}
	at = unsafe.Add(at, round(uintptr(most)*unsafe.Sizeof(C.ft_step{})))
	for i, e := range entries {
		p.first = append(p.first, len(p.steps))
		op := &p.list[i]
		s := C.ft_step{kernel: e.kernel}
		at = p.bind(&s, e, op, at)
		p.plan(&s, e, op)
		var reads int
		at, reads = ahead.add(&s, op, at)
		p.add(s, i, reads)
		seconds += float64(op.FLOPs)/2e11 + float64(op.Traffic())/3e10
	}
	p.first = append(p.first, len(p.steps))
	p.c.count = C.int64_t(len(p.steps))
	p.long = p.workers > 1 && seconds > 1e-3
	p.look()
	return ahead.allocate()
}

// add appends a step of dispatch i, which reads the memory of the first few views.
func (p *program) add(s C.ft_step, i, reads int) {
	p.steps, p.owner, p.reads = append(p.steps, s), append(p.owner, i), append(p.reads, reads)
}

// bind writes the buffers and the args of a step at at, and returns where more fits.
func (p *program) bind(s *C.ft_step, e *entry, op *metal.Dispatch, at unsafe.Pointer) unsafe.Pointer {
	n := len(e.sig.Align)
	room := n + packedBuffers
	s.bufs = (*unsafe.Pointer)(at)
	s.bytes = (*C.int64_t)(unsafe.Add(at, room*8))
	bufs, lens := unsafe.Slice((*uintptr)(at), n), unsafe.Slice(s.bytes, n)
	for j := range n {
		v := op.At(j)
		bufs[j] = address(v)
		lens[j] = C.int64_t(v.Len)
	}
	at = unsafe.Add(at, round(uintptr(room)*16))
	s.args = at
	copy(unsafe.Slice((*byte)(at), len(op.Args)), op.Args)
	return unsafe.Add(at, round(uintptr(len(op.Args))))
}

// address is where a view begins.
func address(v metal.View) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(v.Buf.(*buffer).data))) + uintptr(v.Off)
}

// aheadLeast is from how many bytes on the largest operand of a step is worth
// fetching while workers wait for the steps before it.
const aheadLeast = 1 << 15

// look tells each step what the steps behind it read next.
func (p *program) look() {
	var next C.ft_step
	for i := len(p.steps) - 1; i >= 0; i-- {
		s := &p.steps[i]
		s.ahead, s.ahead_bytes, s.ahead_stride = next.ahead, next.ahead_bytes, next.ahead_stride
		largest := 0
		lens := unsafe.Slice(s.bytes, p.reads[i])
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
	p.divide(s, atLeast)
}

// divide says how many units of a step a worker takes at a time.
func (p *program) divide(s *C.ft_step, atLeast int64) {
	units := int64(s.units)
	chunk := max(atLeast, units/int64(16*p.dev.opt.Workers))
	s.chunk = C.int64_t(chunk)
	p.workers = max(p.workers, int(min(int64(p.dev.opt.Workers), (units+chunk-1)/chunk)))
}

// Close frees the packed list.
func (p *program) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	C.free(unsafe.Pointer(p.c))
	for i := range p.packed {
		C.free(p.packed[i])
		p.packed[i] = nil
	}
	p.c, p.steps = nil, nil
}

func releaseWorkers() { C.ft_release() }
