// mlx-lm's batches, number for number (mlx_lm/tuner/trainer.py of 0.32:
// iterate_batches, default_loss).

package data

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
)

// CompatConfig shapes the batches of Compat.
type CompatConfig struct {
	Rows      int // mlx-lm's batch_size
	MaxSeqLen int // mlx-lm's max_seq_length; longer rows are cut to it
	// SortByLength sorts rows by their length before cutting them into
	// batches, as iterate_batches does with a plain list of (tokens, offset)
	// pairs. mlx-lm's command line never gets there: its CacheDataset answers
	// with the number of JSON keys of a row, so rows stay in the order of the
	// file (sorted by that number where it differs). Set it to follow
	// trajectories made from lists, clear it to follow `mlx_lm.lora`.
	SortByLength bool
	// Loop goes on for ever, as training does; else one pass, as evaluation.
	Loop bool
}

// Compat repeats mlx-lm: fixed batches of consecutive rows, in an order that
// numpy.random.permutation draws for each epoch at its first batch; the last
// partial batch is dropped; rows are padded with 0 to
// T = min(1 + 32*ceil(longest/32), MaxSeqLen) columns, of which columns
// 0 … T-2 are the inputs and 1 … T-1 the targets, so SeqLen is T-1.
//
// The target in column t (1 … T-1) counts when offset <= t <= length. Because
// t = length is allowed, the padding 0 after the last token of a row is a
// target too: mlx-lm's off-by-one, kept here on purpose.
type Compat struct {
	corpus *Corpus
	cfg    CompatConfig
	data   string // fingerprint

	random  *RandomState
	drawn   []byte // generator before the order of this epoch was drawn; nil before the first
	batches [][]int32
	order   []int32
	epoch   int
	pos     int
}

// NewCompat starts at the first epoch. random may be shared with other
// iterators: mlx-lm's evaluation draws from the generator of training.
// The masks of the rows must be of mlx-lm's form, all tokens from one on.
func NewCompat(corpus *Corpus, random *RandomState, cfg CompatConfig) (*Compat, error) {
	if cfg.Rows < 1 || cfg.MaxSeqLen < 2 {
		return nil, fmt.Errorf("data: mlx-lm batches of %d x %d: out of range", cfg.Rows, cfg.MaxSeqLen)
	}
	if corpus.Len() < cfg.Rows {
		return nil, fmt.Errorf("%s: %d rows are fewer than the batch size %d", corpus.name, corpus.Len(), cfg.Rows)
	}
	for i := range corpus.Len() {
		ex := corpus.Example(i)
		if want := suffix(ex.IDs, ex.Offset); !slices.Equal(ex.Spans, want.Spans) {
			return nil, fmt.Errorf("%s: mlx-lm's batches mask one prompt at the start of a row, this row has other gaps",
				corpus.Where(i))
		}
	}
	c := &Compat{corpus: corpus, cfg: cfg, data: corpus.fingerprint(), random: random}
	order := identity(corpus.Len())
	slices.SortStableFunc(order, func(a, b int32) int {
		if cfg.SortByLength {
			return cmp.Compare(corpus.tokens(int(a)), corpus.tokens(int(b)))
		}
		return cmp.Compare(corpus.records[a].keys, corpus.records[b].keys)
	})
	order = order[:len(order)-len(order)%cfg.Rows]
	c.batches = slices.Collect(slices.Chunk(order, cfg.Rows))
	return c, nil
}

func (c *Compat) draw() {
	c.drawn = c.random.state()
	c.order = c.random.Permutation(len(c.batches))
	c.pos = 0
}

// Next implements Iterator.
func (c *Compat) Next(ctx context.Context) (*Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch {
	case c.drawn == nil:
		c.draw()
	case c.pos == len(c.order) && !c.cfg.Loop:
		return nil, io.EOF
	case c.pos == len(c.order):
		c.epoch++
		c.draw()
	}
	rows := c.batches[c.order[c.pos]]
	c.pos++
	longest := 0
	for _, row := range rows {
		longest = max(longest, c.corpus.tokens(int(row)))
	}
	width := min(1+padTo*((longest+padTo-1)/padTo), c.cfg.MaxSeqLen)
	b := newBatch(len(rows), width-1)
	for i, row := range rows {
		b.placeCompat(i, c.corpus.Example(int(row)), c.cfg.MaxSeqLen)
	}
	b.Epoch = c.epoch
	return b, nil
}

// placeCompat fills one row the way of mlx-lm.
func (b *Batch) placeCompat(row int, ex Example, maxSeqLen int) {
	length := min(len(ex.IDs), maxSeqLen)
	base := row * b.SeqLen
	b.RealTokens += copy(b.Tokens[base:base+b.SeqLen], ex.IDs[:length])
	for i := range b.SeqLen {
		b.Positions[base+i] = int32(i)
		if i < length {
			b.Segments[base+i] = 1
		}
		t := i + 1 // the column of the target
		if t < ex.Offset || t > length {
			continue
		}
		b.Targets[base+i] = 0
		if t < length {
			b.Targets[base+i] = ex.IDs[t]
		}
		b.SupervisedTokens++
	}
	b.Lengths = append(b.Lengths, [2]int32{int32(ex.Offset), int32(length)})
	b.Examples++
}

// StepsPerEpoch implements Iterator.
func (c *Compat) StepsPerEpoch() int { return len(c.batches) }

// Cursor implements Iterator. It holds the state of the shared RandomState as
// it is now.
func (c *Compat) Cursor() Cursor {
	return Cursor{
		Kind: cursorCompat, Data: c.data, Rows: c.cfg.Rows, SeqLen: c.cfg.MaxSeqLen,
		Epoch: c.epoch, Position: c.pos, RNG: c.drawn, Shared: c.random.state(),
	}
}

// Restore implements Iterator; it also restores the shared RandomState. On an
// error c is unchanged.
func (c *Compat) Restore(cursor Cursor) error {
	if err := cursor.check(c.Cursor()); err != nil {
		return err
	}
	if cursor.Position > len(c.batches) || cursor.RNG == nil && cursor.Position > 0 {
		return fmt.Errorf("data cursor: position %d of %d batches", cursor.Position, len(c.batches))
	}
	var before, now RandomState
	if err := now.UnmarshalBinary(cursor.Shared); err != nil {
		return fmt.Errorf("data cursor: %w", err)
	}
	if cursor.RNG != nil {
		if err := before.UnmarshalBinary(cursor.RNG); err != nil {
			return fmt.Errorf("data cursor: %w", err)
		}
		*c.random = before
		c.draw()
	} else {
		c.drawn = nil
	}
	*c.random = now
	c.epoch, c.pos = cursor.Epoch, cursor.Position
	return nil
}
