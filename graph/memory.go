package graph

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/metal"
)

// arenaAlign is the alignment of every temporary: enough for any vector load
// and for Metal's buffer offsets.
const arenaAlign = 256

// planMemory finds the lifetime of every slot in the dispatch list, lets
// outputs take over the memory of inputs that die with their dispatch, and
// gives each remaining slot an offset. It returns the size of the arena.
func planMemory(list []metal.Dispatch, slots []*slot) int64 {
	for i := range list {
		for _, v := range list[i].In {
			touch(v, i)
		}
		for _, v := range list[i].Out {
			touch(v, i)
		}
	}
	reuse := debug.Reuse()
	if reuse {
		for i := range list {
			shareInPlace(&list[i], i)
		}
	}
	var owners []*slot
	for _, s := range slots {
		if s.into == nil && !s.external() && s.first >= 0 {
			owners = append(owners, s)
		}
	}
	return layout(owners, reuse)
}

func touch(v metal.View, at int) {
	s := v.Buf.(*slot)
	if s.first < 0 {
		s.first = at
	}
	s.last = max(s.last, at)
}

// shareInPlace lets an output of d, the dispatch at index at, live in the
// memory of an input that nobody reads afterwards.
func shareInPlace(d *metal.Dispatch, at int) {
	for k, mask := range d.InPlace {
		out := d.Out[k].Buf.(*slot)
		if out.into != nil || out.first != at || d.Out[k].Off != 0 || d.Out[k].Len != out.size {
			continue
		}
		for ; mask != 0; mask &= mask - 1 {
			j := bits.TrailingZeros32(mask)
			if canShare(d, at, out, j) {
				owner := d.In[j].Buf.(*slot).root()
				out.into = owner
				owner.last = max(owner.last, out.last)
				owner.pinned = owner.pinned || out.pinned
				break
			}
		}
	}
}

// canShare reports whether out may overwrite input j of d: the input fills its
// slot, dies here, and no other binding of d reads or writes that memory. An
// argument of a compiled function may be overwritten only by the output that
// replaces it.
func canShare(d *metal.Dispatch, at int, out *slot, j int) bool {
	v := d.In[j]
	s := v.Buf.(*slot)
	owner := s.root()
	if owner == out || owner.last != at || v.Off != 0 || v.Len != s.size || v.Len != out.size || s.size != owner.size {
		return false
	}
	if owner.external() {
		if owner.input == 0 || out.replaces != owner.input {
			return false
		}
	} else if out.external() {
		return false
	}
	for i, w := range d.In {
		if i != j && w.Buf.(*slot).root() == owner && (w != v || d.InPlace[0]>>i&1 == 0) {
			return false
		}
	}
	for _, w := range d.Out {
		if s := w.Buf.(*slot); s != out && s.root() == owner {
			return false
		}
	}
	return true
}

// layout places slots so that no two that live at the same time overlap: the
// largest first, each at the lowest offset that is free during its lifetime.
// Without reuse all count as alive throughout.
func layout(slots []*slot, reuse bool) int64 {
	order := slices.Clone(slots)
	slices.SortStableFunc(order, func(a, b *slot) int {
		if c := cmp.Compare(b.size, a.size); c != 0 {
			return c
		}
		return cmp.Compare(a.id, b.id)
	})
	var placed []*slot // by offset
	var total int64
	for _, s := range order {
		at := int64(0)
		for _, p := range placed {
			if reuse && (p.last < s.first || s.last < p.first) {
				continue
			}
			if at+s.size <= p.off {
				break
			}
			at = max(at, alignUp(p.off+p.size))
		}
		s.off = at
		total = max(total, at+max(s.size, 1)) // an empty slot has a place too
		i, _ := slices.BinarySearchFunc(placed, s, func(a, b *slot) int { return cmp.Compare(a.off, b.off) })
		placed = slices.Insert(placed, i, s)
	}
	return alignUp(total)
}

func alignUp(n int64) int64 { return (n + arenaAlign - 1) / arenaAlign * arenaAlign }
