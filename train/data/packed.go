// Packing: rows of exactly SeqLen tokens that hold several examples each.

package data

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// DefaultWindow is how many rows of the data Packed looks ahead.
const DefaultWindow = 1024

// PackedConfig shapes the batches of Packed.
type PackedConfig struct {
	Rows   int // rows of a batch
	SeqLen int // tokens of a row
	Seed   uint64
	// Window is the number of examples to choose from; 0 for DefaultWindow.
	// At most a quarter of the corpus is used, so that no example runs far
	// ahead of its epoch.
	Window int
	// Epochs ends the stream after so many passes over the data, its last
	// batch padded; 0 goes on for ever, one epoch running into the next.
	Epochs int
	// InOrder takes the rows in the order of the file instead of shuffled.
	InOrder bool
}

// Packed packs the shuffled stream of examples: each row takes the oldest
// examples of the window in turn while they fit, then fills what is left with
// the longest one that fits, until none does. The example that did not fit
// begins the next row, so that none is overtaken by more than a window, and a
// window of many lengths nearly always holds a match for the gap.
type Packed struct {
	corpus *Corpus
	cfg    PackedConfig
	data   string // fingerprint

	rng    *rand.PCG
	drawn  []byte // generator before the order of this epoch was drawn
	order  []int32
	epoch  int
	pos    int
	window []int32 // rows taken from the stream and not yet packed, oldest first
}

// NewPacked starts at the first epoch. A row of more than SeqLen tokens is an
// error with file:line; Load can truncate such rows.
func NewPacked(corpus *Corpus, cfg PackedConfig) (*Packed, error) {
	if cfg.Rows < 1 || cfg.SeqLen < 2 || cfg.Window < 0 || cfg.Epochs < 0 {
		return nil, fmt.Errorf("data: packed batches of %d x %d, window %d, epochs %d: out of range",
			cfg.Rows, cfg.SeqLen, cfg.Window, cfg.Epochs)
	}
	if err := corpus.checkLengths(cfg.SeqLen); err != nil {
		return nil, err
	}
	if cfg.Window == 0 {
		cfg.Window = DefaultWindow
	}
	cfg.Window = min(cfg.Window, max(corpus.Len()/4, 1))
	p := &Packed{corpus: corpus, cfg: cfg, data: corpus.fingerprint(), rng: rand.NewPCG(cfg.Seed, streamPacked)}
	p.draw()
	return p, nil
}

// draw begins an epoch: its order comes from the generator as it is now.
func (p *Packed) draw() {
	p.drawn = pcgState(p.rng)
	p.order = identity(p.corpus.Len())
	if !p.cfg.InOrder {
		shuffle(p.rng, p.order)
	}
	p.pos = 0
}

// refill takes examples until the window is full or the stream ends.
func (p *Packed) refill() {
	for len(p.window) < p.cfg.Window && p.take() {
	}
}

// take moves the stream on by one example; false at its end.
func (p *Packed) take() bool {
	if p.pos == len(p.order) {
		if p.cfg.Epochs > 0 && p.epoch+1 >= p.cfg.Epochs {
			return false
		}
		p.epoch++
		p.draw()
	}
	p.window = append(p.window, p.order[p.pos])
	p.pos++
	return true
}

// Next packs one batch. Batches without end have no io.EOF.
func (p *Packed) Next(ctx context.Context) (*Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var b *Batch
	for row := range p.cfg.Rows {
		if p.refill(); len(p.window) == 0 {
			break
		}
		if b == nil {
			b = newBatch(p.cfg.Rows, p.cfg.SeqLen)
		}
		p.fill(b, row)
	}
	if b == nil {
		return nil, io.EOF
	}
	b.Epoch = p.epoch
	return b, nil
}

// fill packs one row from a window that is not empty.
func (p *Packed) fill(b *Batch, row int) {
	at, segment := 0, int32(1)
	put := func(i int) {
		ex := p.window[i]
		p.window = slices.Delete(p.window, i, i+1)
		p.refill() // a row may hold more examples than the window
		b.place(row, at, p.corpus, ex, segment)
		at += p.corpus.tokens(int(ex))
		segment++
	}
	for len(p.window) > 0 && p.corpus.tokens(int(p.window[0])) <= p.cfg.SeqLen-at {
		put(0)
	}
	for {
		best, longest := -1, 0
		for i, candidate := range p.window {
			if n := p.corpus.tokens(int(candidate)); n > longest && n <= p.cfg.SeqLen-at {
				best, longest = i, n
			}
		}
		if best < 0 {
			return
		}
		put(best)
	}
}

// StepsPerEpoch is the number of full batches that hold all tokens, rounded up.
func (p *Packed) StepsPerEpoch() int {
	per := int64(p.cfg.Rows) * int64(p.cfg.SeqLen)
	var tokens int64
	for i := range p.corpus.Len() {
		tokens += int64(p.corpus.tokens(i))
	}
	return int((tokens + per - 1) / per)
}

// Cursor implements Iterator.
func (p *Packed) Cursor() Cursor {
	return Cursor{
		Kind: cursorPacked, Data: p.data, Rows: p.cfg.Rows, SeqLen: p.cfg.SeqLen, Window: p.cfg.Window,
		Epoch: p.epoch, Position: p.pos, RNG: p.drawn, Pending: slices.Clone(p.window),
	}
}

// Restore implements Iterator. On an error p is unchanged.
func (p *Packed) Restore(c Cursor) error {
	if err := c.check(p.Cursor()); err != nil {
		return err
	}
	if c.Position > p.corpus.Len() || len(c.Pending) > p.cfg.Window {
		return fmt.Errorf("data cursor: position %d with %d rows pending, the data has %d rows and the window %d",
			c.Position, len(c.Pending), p.corpus.Len(), p.cfg.Window)
	}
	for _, row := range c.Pending {
		if row < 0 || int(row) >= p.corpus.Len() {
			return fmt.Errorf("data cursor: pending row %d of %d", row, p.corpus.Len())
		}
	}
	rng := new(rand.PCG)
	if err := rng.UnmarshalBinary(c.RNG); err != nil {
		return fmt.Errorf("data cursor: %w", err)
	}
	p.rng = rng
	p.draw()
	p.epoch, p.pos = c.Epoch, c.Position
	p.window = slices.Clone(c.Pending)
	return nil
}
