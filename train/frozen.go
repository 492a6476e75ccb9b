package train

import (
	"context"
	"fmt"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/train/data"
)

// FrozenOptions takes the first layers out of a step, which begins with what they
// make of a batch then: their outputs, called states here, are one row a token.
// Nothing in those layers trains, so that an example's states can be kept.
type FrozenOptions struct {
	Layers int   // 0: the step runs the whole model
	Tokens int   // of the largest batch
	Memory int64 // bytes of states that device memory keeps, for the plan
}

// FrozenUse counts where the states of tokens came from.
type FrozenUse struct {
	Kept     int64 // tokens whose states were there
	Computed int64 // tokens whose states were computed
	Bytes    int64 // of states that are kept by now
	Damaged  int   // examples whose states in the file were not what had been written
}

// frozenStates makes the states of batches, from those that are kept where there
// are any.
//
// What an example's states are must not depend on when they are computed: sums in
// attention are divided by where a token lies in its row. So they are those of the
// batch where the example appears first in the stream, its home, which
// data.Layout makes again whenever they are missing. Up to the first example that
// comes a second time a run has the bits of one without kept states.
type frozenStates struct {
	layers      int
	width       int // elements of a token
	dtype       metal.DType
	given, made metal.Buffer            // states for the step, and of a home; nil while planning
	views       map[int][2]*graph.Array // the same as arrays of n tokens
	kept        map[*data.Corpus]*keptCorpus
	store       stateStore
	use         FrozenUse
}

// keptCorpus is a corpus whose states are kept.
type keptCorpus struct {
	layout *data.Layout
	slots  []stateSlot // by example
}

// stateSlot is the place of an example's states in a store.
type stateSlot struct {
	index  int
	off, n int64 // bytes
}

// stateStore keeps states by example.
type stateStore interface {
	has(s stateSlot) bool
	// get reads states into dst, of the slot's size. Where they are damaged it reports
	// false, and no longer has them.
	get(s stateSlot, dst []byte) (bool, error)
	// put keeps src, of the slot's size.
	put(s stateSlot, src []byte) error
	close() error
}

// stateShape is the width and dtype of what the first layers make.
func stateShape(m models.Model, layers int) (width int, dt metal.DType) {
	const some = 8 // any number of tokens
	x := m.Prefix(nn.Input{Tokens: graph.Placeholder(metal.Int32, 1, some)}, layers)
	return x.Dim(1), x.DType()
}

func newFrozenStates(m models.Model, opt FrozenOptions) *frozenStates {
	f := &frozenStates{layers: opt.Layers, views: map[int][2]*graph.Array{}}
	f.width, f.dtype = stateShape(m, opt.Layers)
	return f
}

// tokenBytes is the size of one token's state.
func (f *frozenStates) tokenBytes() int64 { return int64(f.width) * int64(f.dtype.Size()) }

// allocate takes memory for the states of n tokens, twice.
func (f *frozenStates) allocate(rt *graph.Runtime, n int) error {
	for _, b := range []*metal.Buffer{&f.given, &f.made} {
		buf, err := rt.Pool.Alloc(int64(n)*f.tokenBytes(), "outputs of the frozen layers")
		if err != nil {
			return err
		}
		clear(buf.Bytes())
		*b = buf
	}
	return nil
}

// arrays are the states for the step, and those of a home, of n tokens each.
func (f *frozenStates) arrays(n int) (given, made *graph.Array) {
	v, ok := f.views[n]
	if !ok {
		for i, b := range []metal.Buffer{f.given, f.made} {
			v[i] = graph.FromBuffer(metal.View{Buf: b, Len: b.Len()}, f.dtype, n, f.width)
		}
		f.views[n] = v
	}
	return v[0], v[1]
}

// keep makes the states of the corpora come from a store, in which slotsOf gave their
// examples places.
func (f *frozenStates) keep(kept map[*data.Corpus]*keptCorpus, store stateStore) {
	f.kept, f.store = kept, store
	for _, c := range f.kept {
		for _, slot := range c.slots {
			if store.has(slot) {
				f.use.Bytes += slot.n
			}
		}
	}
}

// slotsOf gives every example of the layouts its place in a store, and returns the
// number of places and the bytes that they take.
func slotsOf(layouts []*data.Layout, tokenBytes int64) (kept map[*data.Corpus]*keptCorpus, slots int, bytes int64) {
	kept = map[*data.Corpus]*keptCorpus{}
	for _, l := range layouts {
		c := &keptCorpus{layout: l, slots: make([]stateSlot, l.Corpus.Len())}
		for i := range c.slots {
			n := int64(l.Len(i)) * tokenBytes
			c.slots[i] = stateSlot{slots, bytes, n}
			slots, bytes = slots+1, bytes+n
		}
		kept[l.Corpus] = c
	}
	return kept, slots, bytes
}

// fill makes the states of a batch: those that are kept, and the others by running
// the frozen layers on their homes.
func (f *frozenStates) fill(ctx context.Context, s *Stepper, b *data.Batch) (*graph.Array, error) {
	given, _ := f.arrays(b.Rows * b.SeqLen)
	dst, err := graph.HostBytes(given)
	if err != nil {
		return nil, err
	}
	c := f.kept[b.Corpus]
	if c == nil || dst == nil { // nothing to keep, or a device without memory
		f.use.Computed += int64(b.RealTokens)
		return given, s.runPrefix(ctx, b, given)
	}
	clear(dst) // padding
	var missing []data.Place
	for _, p := range b.Places {
		slot := c.slots[p.Example]
		if f.store.has(slot) {
			ok, err := f.store.get(slot, f.at(dst, b, p, slot))
			if err != nil {
				return nil, err
			}
			if ok {
				f.use.Kept += slot.n / f.tokenBytes()
				continue
			}
			f.use.Damaged++
			f.use.Bytes -= slot.n
		}
		f.use.Computed += slot.n / f.tokenBytes()
		missing = append(missing, p)
	}
	for len(missing) > 0 {
		if missing, err = f.computeHome(ctx, s, c, b, dst, missing); err != nil {
			return nil, err
		}
	}
	return given, nil
}

// at is the part of raw, states of batch b, that belongs to an example at p.
func (f *frozenStates) at(raw []byte, b *data.Batch, p data.Place, slot stateSlot) []byte {
	off := int64(int(p.Row)*b.SeqLen+int(p.At)) * f.tokenBytes()
	return raw[off : off+slot.n]
}

// computeHome runs the frozen layers on the home of the first missing example,
// keeps what appears there first, and copies to dst what b misses of it. It returns
// what is missing still.
func (f *frozenStates) computeHome(ctx context.Context, s *Stepper, c *keptCorpus, b *data.Batch, dst []byte, missing []data.Place) ([]data.Place, error) {
	k, _, ok := c.layout.Home(int(missing[0].Example))
	if !ok {
		return nil, fmt.Errorf("train: %s is not among the rows whose frozen layers are kept", c.layout.Corpus.Where(int(missing[0].Example)))
	}
	home := c.layout.Batch(k)
	_, made := f.arrays(home.Rows * home.SeqLen)
	if err := s.runPrefix(ctx, home, made); err != nil {
		return nil, err
	}
	src, err := graph.HostBytes(made)
	if err != nil {
		return nil, err
	}
	for _, p := range c.layout.Firsts(k) {
		slot := c.slots[p.Example]
		if f.store.has(slot) { // these are the same
			continue
		}
		if err := f.store.put(slot, f.at(src, home, p, slot)); err != nil {
			return nil, err
		}
		if f.store.has(slot) {
			f.use.Bytes += slot.n
		}
	}
	rest := missing[:0]
	for _, p := range missing {
		at, where, _ := c.layout.Home(int(p.Example))
		if at != k {
			rest = append(rest, p)
			continue
		}
		slot := c.slots[p.Example]
		copy(f.at(dst, b, p, slot), f.at(src, home, where, slot))
	}
	return rest, nil
}

// close ends the store.
func (f *frozenStates) close() error {
	if f == nil || f.store == nil {
		return nil
	}
	return f.store.close()
}

// close ends what the step holds besides device memory.
func (s *Stepper) close() error {
	if s == nil {
		return nil
	}
	return s.frozen.close()
}

// frozenUse is what the cache of the frozen layers did since the last call.
func (s *Stepper) frozenUse() FrozenUse {
	if s.frozen == nil || s.frozen.store == nil {
		return FrozenUse{}
	}
	use := s.frozen.use
	s.frozen.use = FrozenUse{Bytes: use.Bytes}
	return use
}
