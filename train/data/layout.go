// Where examples appear first in a stream of batches.

package data

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sort"
)

// Layout remembers the first batches of a stream, compactly (16 bytes an
// example), and in which of them each example appears first. It depends on the
// corpus and on the iterator's configuration only, so that a resumed run has the
// layout of the run that began.
type Layout struct {
	Corpus *Corpus

	rows    int
	batches []layoutBatch
	places  []Place
	home    []int32 // by example: the place where it appears first, -1 if none
	seen    int
}

// layoutBatch is a batch without its contents.
type layoutBatch struct{ seqLen, first int32 } // first: of its places

// NewLayout reads batches of a fresh iterator over c until every example has
// appeared, the stream ends, or limit batches were read (limit < 0: no limit).
func NewLayout(ctx context.Context, c *Corpus, it Iterator, limit int) (*Layout, error) {
	l := &Layout{Corpus: c, home: slices.Repeat([]int32{-1}, c.Len())}
	for l.seen < c.Len() && (limit < 0 || len(l.batches) < limit) {
		b, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		l.rows = b.Rows
		l.batches = append(l.batches, layoutBatch{int32(b.SeqLen), int32(len(l.places))})
		for _, p := range b.Places {
			if l.home[p.Example] < 0 {
				l.home[p.Example] = int32(len(l.places))
				l.seen++
			}
			l.places = append(l.places, p)
		}
	}
	return l, nil
}

// Batches is how many batches it took.
func (l *Layout) Batches() int { return len(l.batches) }

// Examples is how many examples appear.
func (l *Layout) Examples() int { return l.seen }

// Tokens is how many tokens the examples have that appear.
func (l *Layout) Tokens() int64 {
	var n int64
	for i, h := range l.home {
		if h >= 0 {
			n += int64(l.Corpus.tokens(i))
		}
	}
	return n
}

// Len is the number of tokens of example i; 0 if it does not appear.
func (l *Layout) Len(i int) int {
	if l.home[i] < 0 {
		return 0
	}
	return l.Corpus.tokens(i)
}

// Home is where example i appears first: the number of the batch and the place
// in it. ok is false if it does not.
func (l *Layout) Home(i int) (batch int, at Place, ok bool) {
	h := l.home[i]
	if h < 0 {
		return 0, Place{}, false
	}
	batch = sort.Search(len(l.batches), func(k int) bool { return l.batches[k].first > h }) - 1
	return batch, l.places[h], true
}

// Batch makes batch k again, as the iterator made it.
func (l *Layout) Batch(k int) *Batch {
	b := newBatch(l.rows, int(l.batches[k].seqLen))
	segment, row := int32(0), int32(-1)
	for _, p := range l.placesOf(k) {
		if segment++; p.Row != row {
			segment, row = 1, p.Row
		}
		b.place(int(p.Row), int(p.At), l.Corpus, p.Example, segment)
	}
	return b
}

// Firsts lists the places of batch k where an example appears for the first time.
func (l *Layout) Firsts(k int) []Place {
	var out []Place
	first := l.batches[k].first
	for i, p := range l.placesOf(k) {
		if l.home[p.Example] == first+int32(i) {
			out = append(out, p)
		}
	}
	return out
}

func (l *Layout) placesOf(k int) []Place {
	end := len(l.places)
	if k+1 < len(l.batches) {
		end = int(l.batches[k+1].first)
	}
	return l.places[l.batches[k].first:end]
}

// WriteTo writes what the states of a frozen model at the first places depend
// on: the shapes of the batches, the places and the token ids. It is for
// fingerprints; nothing reads it back.
func (l *Layout) WriteTo(w io.Writer) (n int64, err error) {
	put := func(v ...int32) {
		if err != nil {
			return
		}
		buf := make([]byte, 0, 4*len(v))
		for _, x := range v {
			buf = binary.LittleEndian.AppendUint32(buf, uint32(x))
		}
		var m int
		m, err = w.Write(buf)
		n += int64(m)
	}
	put(int32(l.rows), int32(len(l.batches)), int32(len(l.places)), int32(len(l.home)))
	for _, b := range l.batches {
		put(b.seqLen, b.first)
	}
	for _, p := range l.places {
		put(p.Example, p.Row, p.At)
	}
	for i := range l.home {
		ids := l.Corpus.Example(i).IDs
		put(int32(len(ids)))
		put(ids...)
	}
	return n, err
}
