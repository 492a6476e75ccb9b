// What an iterator yields, and where it stands.

package data

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// Batch is the input of one step. The four arrays are row-major
// [Rows, SeqLen] int32 and belong to the receiver.
type Batch struct {
	Rows, SeqLen int
	// Tokens are the ids; 0 in padding.
	Tokens []int32
	// Targets[i] is the id that position i should predict: the next token of
	// the same segment if that counts in the loss, else -1.
	Targets []int32
	// Positions count from 0 in each segment; 0 in padding (in Compat batches
	// they count over the whole row, as mlx-lm's do).
	Positions []int32
	// Segments number the examples of a row from 1; 0 is padding. Positions of
	// different segments must not see each other.
	Segments []int32
	// Lengths are mlx-lm's [offset, length] of each row; nil except in Compat
	// batches.
	Lengths [][2]int32
	// Corpus holds the examples, and Places says where each of them lies, row by
	// row; nil in Compat batches, which cut rows.
	Corpus *Corpus
	Places []Place

	RealTokens       int // positions that are not padding
	SupervisedTokens int // positions with a target; may be 0
	Processed        int // Rows * SeqLen
	Examples         int // segments begun
	Epoch            int // the epoch, from 0, that the stream of rows has reached
}

// Place is where an example of a corpus begins in a batch.
type Place struct{ Example, Row, At int32 }

// newBatch returns a batch of padding.
func newBatch(rows, seqLen int) *Batch {
	n := rows * seqLen
	all := make([]int32, 4*n)
	b := &Batch{
		Rows: rows, SeqLen: seqLen, Processed: n,
		Tokens: all[:n:n], Targets: all[n : 2*n : 2*n], Positions: all[2*n : 3*n : 3*n], Segments: all[3*n:],
	}
	for i := range b.Targets {
		b.Targets[i] = -1
	}
	return b
}

// place puts example i of a corpus at column at of a row, as the given segment.
func (b *Batch) place(row, at int, c *Corpus, i int32, segment int32) {
	base, ex := row*b.SeqLen+at, c.Example(int(i))
	b.Corpus, b.Places = c, append(b.Places, Place{i, int32(row), int32(at)})
	copy(b.Tokens[base:], ex.IDs)
	for i := range ex.IDs {
		b.Positions[base+i] = int32(i)
		b.Segments[base+i] = segment
	}
	for _, s := range ex.Spans {
		for i := int(s.Start); i < int(s.End); i++ {
			b.Targets[base+i-1] = ex.IDs[i]
		}
		b.SupervisedTokens += int(s.End - s.Start)
	}
	b.RealTokens += len(ex.IDs)
	b.Examples++
}

// Iterator yields batches. It is not safe for concurrent use.
type Iterator interface {
	// Next returns the next batch, io.EOF after the last one, or the error of
	// the context.
	Next(ctx context.Context) (*Batch, error)
	// Cursor says where the iterator stands: after the last batch returned.
	Cursor() Cursor
	// Restore moves an iterator, made with the same data and configuration, to
	// where the cursor says.
	Restore(Cursor) error
	// StepsPerEpoch is the number of batches of one pass over the data; an
	// estimate for Packed, exact otherwise.
	StepsPerEpoch() int
}

// Kinds of cursors.
const (
	cursorPacked = "packed"
	cursorPadded = "padded"
	cursorCompat = "mlx-lm"
)

// Cursor is the state of an iterator between two batches. It is stored as JSON
// in a checkpoint; its fields are the business of the iterators.
type Cursor struct {
	Kind   string `json:"kind"`
	Data   string `json:"data"` // fingerprint of the corpus
	Rows   int    `json:"rows"`
	SeqLen int    `json:"seq_len"`
	Window int    `json:"window,omitempty"`
	// Epoch and Position: how many rows (Packed) or batches (Padded, Compat)
	// of the epoch's order have been taken.
	Epoch    int `json:"epoch"`
	Position int `json:"position"`
	// RNG is the generator's state before the epoch's order was drawn, so that
	// the order itself need not be stored. Empty when none was drawn yet.
	RNG []byte `json:"rng,omitempty"`
	// Shared is the present state of Compat's RandomState, which evaluation
	// may have moved on.
	Shared []byte `json:"shared_rng,omitempty"`
	// Pending are the rows taken but not yet packed, oldest first.
	Pending []int32 `json:"pending,omitempty"`
}

// ParseCursor reads a Cursor from JSON. Unknown fields are an error: they mean
// a newer format.
func ParseCursor(text []byte) (Cursor, error) {
	var c Cursor
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return Cursor{}, fmt.Errorf("data cursor: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Cursor{}, fmt.Errorf("data cursor: text after the JSON object")
	}
	return c, nil
}

// check compares what must be equal for a bit-exact resume. have is the cursor
// of the iterator that is to be moved.
func (c Cursor) check(have Cursor) error {
	switch {
	case c.Kind != have.Kind:
		return fmt.Errorf("data cursor: made by %s batches, this run makes %s batches", c.Kind, have.Kind)
	case c.Rows != have.Rows || c.SeqLen != have.SeqLen || c.Window != have.Window:
		return fmt.Errorf("data cursor: made for batches of %d x %d (window %d), this run has %d x %d (window %d)",
			c.Rows, c.SeqLen, c.Window, have.Rows, have.SeqLen, have.Window)
	case c.Data != have.Data:
		return fmt.Errorf("data cursor: made with other data (%s, now %s)", c.Data, have.Data)
	case c.Epoch < 0 || c.Position < 0:
		return fmt.Errorf("data cursor: epoch %d, position %d", c.Epoch, c.Position)
	}
	return nil
}
