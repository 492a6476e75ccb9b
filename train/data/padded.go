// One example per row, padded, with examples of like length together.

package data

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

const (
	// padTo is the multiple that row lengths are padded to.
	padTo = 32
	// bucketBatches is how many batches are sorted by length together: larger
	// pads less and shuffles less.
	bucketBatches = 50
)

// PaddedConfig shapes the batches of Padded.
type PaddedConfig struct {
	Rows      int // rows of a batch
	MaxSeqLen int // longest row, in tokens
	Seed      uint64
	// Epochs ends the stream after so many passes; 0 goes on for ever.
	Epochs int
	// InOrder takes the rows in the order of the file: no shuffle, no buckets.
	InOrder bool
}

// Padded gives each example a row of its own. An epoch is shuffled, cut into
// buckets of 50 batches, sorted by length inside a bucket, cut into batches,
// and the batches are shuffled. A batch is padded to the next multiple of 32
// of its longest row, at most MaxSeqLen; the last one of an epoch may end with
// rows of padding only.
type Padded struct {
	corpus *Corpus
	cfg    PaddedConfig
	data   string // fingerprint

	rng     *rand.PCG
	drawn   []byte // generator before the order of this epoch was drawn
	batches [][]int32
	epoch   int
	pos     int
}

// NewPadded starts at the first epoch. A row of more than MaxSeqLen tokens is
// an error with file:line; Load can truncate such rows.
func NewPadded(corpus *Corpus, cfg PaddedConfig) (*Padded, error) {
	if cfg.Rows < 1 || cfg.MaxSeqLen < 2 || cfg.Epochs < 0 {
		return nil, fmt.Errorf("data: padded batches of %d x %d, epochs %d: out of range", cfg.Rows, cfg.MaxSeqLen, cfg.Epochs)
	}
	if err := corpus.checkLengths(cfg.MaxSeqLen); err != nil {
		return nil, err
	}
	p := &Padded{corpus: corpus, cfg: cfg, data: corpus.fingerprint(), rng: rand.NewPCG(cfg.Seed, streamPadded)}
	p.draw()
	return p, nil
}

// draw begins an epoch: its batches come from the generator as it is now.
func (p *Padded) draw() {
	p.drawn = pcgState(p.rng)
	p.pos = 0
	order := identity(p.corpus.Len())
	if !p.cfg.InOrder {
		shuffle(p.rng, order)
		for bucket := range slices.Chunk(order, bucketBatches*p.cfg.Rows) {
			slices.SortStableFunc(bucket, func(a, b int32) int {
				return p.corpus.tokens(int(a)) - p.corpus.tokens(int(b))
			})
		}
	}
	p.batches = slices.Collect(slices.Chunk(order, p.cfg.Rows))
	if p.cfg.InOrder {
		return
	}
	turn := identity(len(p.batches))
	shuffle(p.rng, turn)
	shuffled := make([][]int32, len(turn))
	for i, from := range turn {
		shuffled[i] = p.batches[from]
	}
	p.batches = shuffled
}

// Next implements Iterator.
func (p *Padded) Next(ctx context.Context) (*Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.pos == len(p.batches) {
		if p.cfg.Epochs > 0 && p.epoch+1 >= p.cfg.Epochs {
			return nil, io.EOF
		}
		p.epoch++
		p.draw()
	}
	rows := p.batches[p.pos]
	p.pos++
	longest := 0
	for _, row := range rows {
		longest = max(longest, p.corpus.tokens(int(row)))
	}
	b := newBatch(p.cfg.Rows, min(padTo*((longest+padTo-1)/padTo), p.cfg.MaxSeqLen))
	for i, row := range rows {
		b.place(i, 0, p.corpus, row, 1)
	}
	b.Epoch = p.epoch
	return b, nil
}

// StepsPerEpoch implements Iterator.
func (p *Padded) StepsPerEpoch() int { return len(p.batches) }

// Cursor implements Iterator.
func (p *Padded) Cursor() Cursor {
	return Cursor{
		Kind: cursorPadded, Data: p.data, Rows: p.cfg.Rows, SeqLen: p.cfg.MaxSeqLen,
		Epoch: p.epoch, Position: p.pos, RNG: p.drawn,
	}
}

// Restore implements Iterator. On an error p is unchanged.
func (p *Padded) Restore(c Cursor) error {
	if err := c.check(p.Cursor()); err != nil {
		return err
	}
	if c.Position > len(p.batches) {
		return fmt.Errorf("data cursor: position %d of %d batches", c.Position, len(p.batches))
	}
	rng := new(rand.PCG)
	if err := rng.UnmarshalBinary(c.RNG); err != nil {
		return fmt.Errorf("data cursor: %w", err)
	}
	p.rng = rng
	p.draw()
	p.epoch, p.pos = c.Epoch, c.Position
	return nil
}
