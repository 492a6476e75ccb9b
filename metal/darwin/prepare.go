//go:build darwin || metalfake

package darwin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
)

// longest is the estimated GPU time after which a command buffer ends. The
// system kills those that keep the display waiting for seconds.
const longest = 40 * time.Millisecond

// Prepare checks the list, compiles the kernels it needs, and packs it.
func (d *Device) Prepare(list []metal.Dispatch) (metal.Program, error) {
	var names []string
	for i := range list {
		if err := d.check(&list[i]); err != nil {
			return nil, fmt.Errorf("metal: dispatch %d, %s: %w", i, list[i].Kernel, err)
		}
		names = append(names, list[i].Kernel)
	}
	d.lib.warm(names)
	p := &program{dev: d, list: list, pipelines: make([]*pipeline, len(list))}
	for i := range list {
		var err error
		if p.pipelines[i], err = d.lib.pipelineOf(&list[i]); err != nil {
			return nil, fmt.Errorf("metal: dispatch %d, %s: %w", i, list[i].Kernel, err)
		}
	}
	p.packed = p.pack(d.opt.Batch, longest)
	return p, nil
}

// check applies the rules of Metal's validation layer. The software device knows
// what each kernel declares: it is compiled from the same files.
func (d *Device) check(op *metal.Dispatch) error {
	sig := soft.Signature(op.Kernel)
	if op.Source != nil {
		var err error
		if sig, err = signatureOf(op.Source, len(op.Args)); err != nil {
			return err
		}
	}
	if sig == nil {
		return errors.New("there is no such kernel")
	}
	return sig.Check(op, d.base)
}

// pack writes the list as a stream of command buffers of at most most dispatches
// and about longest of GPU time.
func (p *program) pack(most int, longest time.Duration) *stream {
	s := &stream{}
	w := &writer{stream: s, bound: map[int]binding{}}
	h := newHazards()
	first, busy := 0, time.Duration(0)
	for i := range p.list {
		op := &p.list[i]
		took := p.dev.chip.estimate(op)
		if i > first && (i-first == most || busy+took > longest) {
			s.cut(first, i)
			first, busy = i, 0
			h.reset()
			w.reset()
		}
		busy += took
		if h.barrier(op) {
			w.word(opBarrier, 0, 0)
		}
		w.dispatch(op, p.pipelines[i])
	}
	if len(p.list) > first {
		s.cut(first, len(p.list))
	}
	s.seal()
	return s
}

// binding is what an encoder has at an index.
type binding struct {
	buffer uint64
	offset uint64
}

// writer appends to a stream, without what the encoder has bound already.
type writer struct {
	*stream
	pipeline uint64
	bound    map[int]binding
}

// reset begins an encoder.
func (w *writer) reset() {
	w.pipeline = 0
	clear(w.bound)
}

func (w *writer) word(op, index, length int, operands ...uint64) {
	w.words = append(w.words, uint64(op)|uint64(index)<<8|uint64(length)<<16)
	w.words = append(w.words, operands...)
}

func (w *writer) dispatch(op *metal.Dispatch, p *pipeline) {
	if at := uint64(uintptr(p.state.Ptr())); at != w.pipeline {
		w.word(opPipeline, 0, 0, at)
		w.pipeline = at
	}
	n := len(op.In) + len(op.Out)
	for i := range n {
		w.bind(i, op.At(i))
	}
	w.word(opBytes, n, len(op.Args))
	for at := 0; at < len(op.Args); at += 8 {
		var word [8]byte
		copy(word[:], op.Args[at:])
		w.words = append(w.words, binary.NativeEndian.Uint64(word[:]))
	}
	delete(w.bound, n)
	w.word(opDispatch, 0, 0, uint64(op.Grid.X), uint64(op.Grid.Y), uint64(op.Grid.Z),
		uint64(op.Group.X), uint64(op.Group.Y), uint64(op.Group.Z))
}

func (w *writer) bind(i int, v metal.View) {
	b := v.Buf.(*buffer)
	want := binding{uint64(uintptr(b.native)), uint64(b.shift + v.Off)}
	if v.Len == 0 {
		want.offset = uint64(b.shift) // a view of nothing may lie at the end, where Metal allows no offset
	}
	switch had, ok := w.bound[i]; {
	case ok && had == want:
	case ok && had.buffer == want.buffer:
		w.word(opOffset, i, 0, want.offset)
	default:
		w.word(opBuffer, i, 0, want.buffer, want.offset)
	}
	w.bound[i] = want
}

// apart is a stream with a command buffer for each dispatch.
func (p *program) apart() *stream { return p.pack(1, math.MaxInt64) }
