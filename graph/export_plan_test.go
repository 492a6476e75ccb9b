package graph

import (
	"fmt"

	"github.com/ftmetal/ftmetal/metal"
)

// CheckPlan runs the dispatch list of a finished plan on bytes that remember
// which slot wrote them: what a dispatch reads must have been written by the
// slot it reads from, and outputs must stay until the end. It shares nothing
// with the planner but the places of slots.
func CheckPlan(p *Plan) error {
	arena := make([]int, p.ArenaBytes)
	external, written := map[*slot][]int{}, map[*slot]bool{}
	for i := range p.list {
		for _, v := range p.list[i].Out {
			written[v.Buf.(*slot)] = true
		}
	}
	bytesOf := func(v metal.View) ([]int, *slot) {
		s := v.Buf.(*slot)
		r := s.root()
		if r.input > 0 || r.constant != nil || r.storage != nil {
			return nil, s // holds its value from the start
		}
		if r.output > 0 {
			if external[r] == nil {
				external[r] = make([]int, r.size)
			}
			return external[r][v.Off : v.Off+v.Len], s
		}
		return arena[r.off+v.Off : r.off+v.Off+v.Len], s
	}
	for i := range p.list {
		d := &p.list[i]
		for j, v := range d.In {
			mem, s := bytesOf(v)
			for k, owner := range mem {
				if written[s] && owner != s.id+1 { // a slot that nobody writes is bound and not read
					return fmt.Errorf("dispatch %d (%s) reads byte %d of input %d, slot %d, which slot %d overwrote", i, p.labels[i], k, j, s.id, owner-1)
				}
			}
		}
		for _, v := range d.Out {
			mem, s := bytesOf(v)
			for k := range mem {
				mem[k] = s.id + 1
			}
		}
	}
	for i, t := range p.outputs {
		mem, s := bytesOf(t.View)
		for k, owner := range mem {
			if owner != s.id+1 && mem != nil {
				return fmt.Errorf("output %d, slot %d: slot %d overwrote byte %d", i, s.id, owner-1, k)
			}
		}
	}
	return nil
}
