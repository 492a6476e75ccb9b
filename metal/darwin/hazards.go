//go:build darwin || metalfake

package darwin

import "github.com/ftmetal/ftmetal/metal"

// hazards finds where a barrier has to stand: dispatches between two barriers
// may run in any order, or at the same time.
type hazards struct {
	read, written map[metal.Buffer][]metal.View // since the last barrier
}

func newHazards() *hazards {
	return &hazards{map[metal.Buffer][]metal.View{}, map[metal.Buffer][]metal.View{}}
}

// barrier reports whether op has to wait for what came before, and enters it.
func (h *hazards) barrier(op *metal.Dispatch) bool {
	needed := false
	for _, v := range op.In {
		needed = needed || touches(h.written, v)
	}
	for _, v := range op.Out {
		needed = needed || touches(h.written, v) || touches(h.read, v)
	}
	if needed {
		h.reset()
	}
	for _, v := range op.In {
		h.read[v.Buf] = append(h.read[v.Buf], v)
	}
	for _, v := range op.Out {
		h.written[v.Buf] = append(h.written[v.Buf], v)
	}
	return needed
}

// reset forgets what came before a barrier or a fence.
func (h *hazards) reset() {
	clear(h.read)
	clear(h.written)
}

func touches(views map[metal.Buffer][]metal.View, v metal.View) bool {
	for _, w := range views[v.Buf] {
		if v.Overlaps(w) {
			return true
		}
	}
	return false
}
