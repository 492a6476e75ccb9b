// The tokenised rows of one file, in memory, compactly: 4 bytes a token, 8 a
// span, 32 a row.

package data

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"math"
	"math/rand/v2"
	"slices"
	"unsafe"
)

const (
	// Ids live in slabs that never move, so that growing copies nothing. The
	// first slab is small because many data sets are.
	minSlab = 1 << 14 // tokens
	maxSlab = 1 << 20 // tokens
)

var crcTable = crc64.MakeTable(crc64.ECMA)

// Corpus is a list of examples, in the order of their file.
type Corpus struct {
	name    string // path of the file, for messages
	kind    Kind
	slabs   [][]int32
	spans   []Span
	records []record
	// truncated counts rows that lost tokens to Options.MaxTokens.
	truncated int
}

// record locates one example.
type record struct {
	slab, start, tokens int32
	spans, spanCount    int32
	offset              int32
	line                int32
	keys                int32 // JSON keys of the row: mlx-lm's sort key, see CompatConfig
}

// Stats describes a Corpus.
type Stats struct {
	Kind       Kind
	Rows       int
	Tokens     int64
	Supervised int64 // tokens that count in the loss
	Longest    int   // tokens of the longest row
	// Truncated rows lost tokens; Unsupervised rows have no token that counts.
	Truncated, Unsupervised int
	Bytes                   int64 // memory held
}

// Load reads a file of rows and encodes them. The file is read as a stream:
// memory holds one line and the token ids so far. enc may be nil when the rows
// are token ids. The error of a bad row begins with file:line.
func Load(ctx context.Context, file string, enc Encoder, opt Options) (*Corpus, error) {
	if opt.MaxTokens < 0 || opt.VocabSize < 0 || opt.MaxBytes < 0 {
		return nil, fmt.Errorf("data: negative limit in %+v", opt)
	}
	opt.Features = opt.Features.withDefaults()
	limit := opt.MaxBytes
	if limit == 0 {
		limit = DefaultMaxBytes
	}
	c := &Corpus{name: file}
	rows := &rowEncoder{enc: enc, opt: opt}
	err := eachLine(ctx, file, func(line int, text []byte) error {
		ex, keys, err := rows.example(text)
		if err != nil {
			return err
		}
		if opt.MaxTokens > 0 && len(ex.IDs) > opt.MaxTokens {
			if opt.Long == LongError {
				return fmt.Errorf("row has %d tokens, the limit is %d", len(ex.IDs), opt.MaxTokens)
			}
			ex = ex.truncate(opt.MaxTokens)
			c.truncated++
		}
		c.add(ex, line, keys)
		if held := c.bytes(); held > limit {
			return fmt.Errorf("tokenised rows take %d MiB, the limit is %d MiB", held>>20, limit>>20)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.kind = rows.kind
	if len(c.records) == 0 {
		return nil, fmt.Errorf("%s:1: no rows", file)
	}
	if s := c.Stats(); s.Supervised == 0 {
		return nil, fmt.Errorf("%s:1: none of the %d rows has a token that counts in the loss", file, s.Rows)
	}
	return c, nil
}

// add appends an example, copying it.
func (c *Corpus) add(ex Example, line, keys int) {
	n := len(ex.IDs)
	last := len(c.slabs) - 1
	if last < 0 || cap(c.slabs[last])-len(c.slabs[last]) < n {
		size := minSlab
		if last >= 0 {
			size = min(2*cap(c.slabs[last]), maxSlab)
		}
		c.slabs = append(c.slabs, make([]int32, 0, max(size, n)))
		last++
	}
	c.records = append(c.records, record{
		slab: int32(last), start: int32(len(c.slabs[last])), tokens: int32(n),
		spans: int32(len(c.spans)), spanCount: int32(len(ex.Spans)),
		offset: int32(min(ex.Offset, math.MaxInt32)), line: int32(min(line, math.MaxInt32)), keys: int32(keys),
	})
	c.slabs[last] = append(c.slabs[last], ex.IDs...)
	c.spans = append(c.spans, ex.Spans...)
}

// Len returns the number of rows.
func (c *Corpus) Len() int { return len(c.records) }

// Example returns row i. It shares memory with c.
func (c *Corpus) Example(i int) Example {
	r := c.records[i]
	return Example{
		IDs:    c.slabs[r.slab][r.start : r.start+r.tokens : r.start+r.tokens],
		Spans:  c.spans[r.spans : r.spans+r.spanCount : r.spans+r.spanCount],
		Offset: int(r.offset),
	}
}

// Where returns file:line of row i.
func (c *Corpus) Where(i int) string {
	return fmt.Sprintf("%s:%d", c.name, c.records[i].line)
}

// tokens returns the length of row i.
func (c *Corpus) tokens(i int) int { return int(c.records[i].tokens) }

func (c *Corpus) bytes() int64 {
	total := int64(cap(c.spans))*int64(unsafe.Sizeof(Span{})) + int64(cap(c.records))*int64(unsafe.Sizeof(record{}))
	for _, slab := range c.slabs {
		total += 4 * int64(cap(slab))
	}
	return total
}

// Stats counts rows, tokens and memory.
func (c *Corpus) Stats() Stats {
	s := Stats{Kind: c.kind, Rows: c.Len(), Truncated: c.truncated, Bytes: c.bytes()}
	for i := range c.records {
		ex := c.Example(i)
		supervised := ex.Supervised()
		s.Tokens += int64(len(ex.IDs))
		s.Supervised += int64(supervised)
		s.Longest = max(s.Longest, len(ex.IDs))
		if supervised == 0 {
			s.Unsupervised++
		}
	}
	return s
}

// SplitOff takes a fraction of the rows (more than 0, less than 1; at least
// one row on either side) for validation. Which rows depends on the seed and
// the number of rows only; both parts keep the order of the file and share
// memory with c.
func (c *Corpus) SplitOff(fraction float64, seed uint64) (train, valid *Corpus, err error) {
	if !(fraction > 0 && fraction < 1) {
		return nil, nil, fmt.Errorf("data: validation fraction %v is not between 0 and 1", fraction)
	}
	if c.Len() < 2 {
		return nil, nil, fmt.Errorf("%s: one row cannot be split into training and validation", c.name)
	}
	n := min(max(int(math.Round(fraction*float64(c.Len()))), 1), c.Len()-1)
	order := identity(c.Len())
	shuffle(rand.NewPCG(seed, streamSplit), order)
	slices.Sort(order[:n])
	slices.Sort(order[n:])
	return c.subset(order[n:]), c.subset(order[:n]), nil
}

func (c *Corpus) subset(rows []int32) *Corpus {
	part := *c
	part.records = make([]record, len(rows))
	part.truncated = 0 // reported for the whole
	for i, row := range rows {
		part.records[i] = c.records[row]
	}
	return &part
}

// checkLengths refuses rows of more than limit tokens.
func (c *Corpus) checkLengths(limit int) error {
	for i := range c.records {
		if n := c.tokens(i); n > limit {
			return fmt.Errorf("%s: row has %d tokens, a batch row holds %d", c.Where(i), n, limit)
		}
	}
	return nil
}

// fingerprint identifies the examples, so that a cursor is not applied to
// other data.
func (c *Corpus) fingerprint() string {
	var sum uint64
	var buf []byte
	for i := range c.records {
		ex := c.Example(i)
		buf = binary.LittleEndian.AppendUint32(buf[:0], uint32(len(ex.IDs)))
		for _, id := range ex.IDs {
			buf = binary.LittleEndian.AppendUint32(buf, uint32(id))
		}
		buf = binary.LittleEndian.AppendUint32(buf, uint32(ex.Offset))
		for _, s := range ex.Spans {
			buf = binary.LittleEndian.AppendUint32(buf, uint32(s.Start))
			buf = binary.LittleEndian.AppendUint32(buf, uint32(s.End))
		}
		sum = crc64.Update(sum, crcTable, buf)
	}
	return fmt.Sprintf("%d-%016x", c.Len(), sum)
}
