package soft

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"sort"

	"github.com/ftmetal/ftmetal/metal"
)

// Guard mode finds writes outside a dispatch's outputs. Every block has a
// redzone of one page on both sides; and for the buffers a dispatch is bound
// to, everything outside its output views is summed before and after. In
// AddressSanitizer builds the bytes outside all its views cannot be touched at
// all while it runs, so that reads are caught too.

const (
	zoneByte   = 0xa5
	guardChunk = 4096 // granularity in which a changed byte is located
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// zones returns the redzones of b.
func (b *buffer) zones() [][]byte {
	extra := int64(len(b.mapped)) - (b.Len()+metal.PageSize-1)/metal.PageSize*metal.PageSize
	if b.mapped == nil || extra <= 0 {
		return nil
	}
	front := extra / 2
	return [][]byte{b.mapped[:front], b.mapped[front+b.Len():]}
}

// intactZone is what a page of a redzone holds.
var intactZone = bytes.Repeat([]byte{zoneByte}, metal.PageSize)

func fillZones(b *buffer) {
	for _, z := range b.zones() {
		for len(z) > 0 {
			z = z[copy(z, intactZone):]
		}
	}
}

// damagedAt is the first byte of a redzone that was overwritten, -1 for none.
func damagedAt(z []byte) int {
	for from := 0; from < len(z); from += len(intactZone) {
		page := z[from:min(from+len(intactZone), len(z))]
		if bytes.Equal(page, intactZone[:len(page)]) {
			continue
		}
		for i, c := range page {
			if c != zoneByte {
				return from + i
			}
		}
	}
	return -1
}

// span is a range of bytes of a buffer.
type span struct{ from, to int64 }

// outside returns the bytes of b that no view of views covers.
func outside(b *buffer, views []metal.View) []span {
	var covered []span
	for _, v := range views {
		if v.Buf == metal.Buffer(b) {
			covered = append(covered, span{v.Off, v.Off + v.Len})
		}
	}
	sort.Slice(covered, func(i, j int) bool { return covered[i].from < covered[j].from })
	var gaps []span
	at := int64(0)
	for _, c := range append(covered, span{b.Len(), b.Len()}) {
		if c.from > at {
			gaps = append(gaps, span{at, c.from})
		}
		at = max(at, c.to)
	}
	return gaps
}

// bound lists the distinct buffers of a dispatch.
func bound(op *metal.Dispatch) []*buffer {
	var all []*buffer
	seen := map[*buffer]bool{}
	for i := range len(op.In) + len(op.Out) {
		if b := op.At(i).Buf.(*buffer); !seen[b] {
			seen[b] = true
			all = append(all, b)
		}
	}
	return all
}

// sums fingerprints what a dispatch must leave alone, chunk by chunk.
func sums(op *metal.Dispatch) []uint32 {
	var all []uint32
	for _, b := range bound(op) {
		for _, g := range outside(b, op.Out) {
			for at := g.from; at < g.to; at += guardChunk {
				all = append(all, crc32.Checksum(b.data[at:min(at+guardChunk, g.to)], castagnoli))
			}
		}
	}
	return all
}

// differs describes the first chunk whose sum changed, "" for none.
func differs(op *metal.Dispatch, before, after []uint32) string {
	i := 0
	for _, b := range bound(op) {
		for _, g := range outside(b, op.Out) {
			for at := g.from; at < g.to; at += guardChunk {
				if before[i] != after[i] {
					return fmt.Sprintf("bytes [%d, %d) of a buffer of %d changed outside the output views",
						at, min(at+guardChunk, g.to), b.Len())
				}
				i++
			}
		}
	}
	return ""
}

// guarded runs dispatch i alone and checks what it left behind.
func (p *program) guarded(ctx context.Context, i int) error {
	op := &p.list[i]
	before := sums(op)
	views := append(append([]metal.View{}, op.In...), op.Out...)
	fence := func(forbid bool) {
		for _, b := range bound(op) {
			for _, g := range outside(b, views) {
				poison(b.data[g.from:g.to], forbid)
			}
			for _, z := range b.zones() {
				poison(z, forbid)
			}
		}
	}
	fence(true)
	err := p.runDispatches(ctx, i, i+1)
	fence(false)
	if err != nil {
		return err
	}
	if what := differs(op, before, sums(op)); what != "" {
		return fmt.Errorf("soft: dispatch %d, %s: %s", i, op.Kernel, what)
	}
	return p.dev.checkZones(i, op.Kernel)
}

// checkZones looks for damage in the redzones of all blocks, and repairs it so
// that the next dispatch is not blamed.
func (d *Device) checkZones(i int, kernel string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for b := range d.blocks {
		for side, z := range b.zones() {
			at := damagedAt(z)
			if at < 0 {
				continue
			}
			where := fmt.Sprintf("%d bytes before a buffer of %d", len(z)-at, b.Len())
			if side == 1 {
				where = fmt.Sprintf("%d bytes after a buffer of %d", at, b.Len())
			}
			fillZones(b)
			return fmt.Errorf("soft: dispatch %d, %s: wrote %s", i, kernel, where)
		}
	}
	return nil
}
