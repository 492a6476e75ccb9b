package graph

import "github.com/ftmetal/ftmetal/metal"

// Arena is a block of memory for the temporaries of compiled functions that
// never run at the same time, such as the parts of a training step: together
// they take the memory of the largest.
type Arena struct {
	rt  *Runtime
	buf metal.Buffer
}

// Reserve makes the arena at least n bytes, so that no later call has to grow
// it.
func (a *Arena) Reserve(rt *Runtime, n int64) error {
	_, err := a.reserve(rt, n)
	return err
}

// reserve returns memory of at least n bytes, nil for none. Growing moves the
// arena; functions that are bound to the old one bind anew.
func (a *Arena) reserve(rt *Runtime, n int64) (metal.Buffer, error) {
	if n == 0 || a.buf != nil && a.rt == rt && a.buf.Len() >= n {
		return a.buf, nil
	}
	a.Close()
	buf, err := rt.alloc(n, "temporaries")
	if err != nil {
		return nil, err
	}
	a.rt, a.buf = rt, buf
	return buf, nil
}

// holds reports whether b's temporaries still lie in the arena, or in memory of
// their own if there is none.
func (a *Arena) holds(b *binding) bool { return a == nil || b.arena == nil || b.arena == a.buf }

// Close gives the memory back, to the system and not to the pool's cache: an
// arena is large, and nothing else has its size.
func (a *Arena) Close() {
	if a.buf != nil {
		a.rt.Pool.Free(a.buf)
		a.rt.Pool.ClearCache()
		a.buf = nil
	}
}
