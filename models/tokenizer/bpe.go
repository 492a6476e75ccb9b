package tokenizer

import (
	"sync"
	"unicode/utf8"
)

// bpe is byte-pair encoding: a word starts as its smallest symbols, and the pair
// with the lowest merge rank is joined until no pair can be.
type bpe struct {
	merges       map[uint64]joined // by pairKey of the two ids
	vocab        map[string]int32
	runeID       map[rune]int32 // tokens of one rune
	byteID       [256]int32     // the byte's token: byte-level alphabet or <0xNN>; -1 none
	rawID        map[string]int32
	byteLevel    bool // words are bytes, not runes
	byteFallback bool
	ignoreMerges bool
	fuseUnk      bool
	unk          int32 // -1: none
	prefix       string
	suffix       string
	cache        *wordCache
	scratch      sync.Pool // *bpeScratch
}

// joined is the outcome of a merge.
type joined struct{ rank, id int32 }

func pairKey(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

// symbol is one element of a word under merging: a doubly linked list in a slice.
type symbol struct {
	id, size   int32 // size in bytes of the word; 0 once merged away
	prev, next int32
}

// candidate is a possible merge of the symbol at pos with the next one.
type candidate struct{ rank, pos, id int32 }

type bpeScratch struct {
	symbols []symbol
	heap    []candidate
}

// linearLimit is the number of symbols below which scanning all pairs beats a heap.
const linearLimit = 24

func (m *bpe) encode(word string, dst []token) []token {
	if m.ignoreMerges {
		ids := m.vocab
		if m.byteLevel {
			ids = m.rawID
		}
		if id, ok := ids[word]; ok {
			return append(dst, token{id, 0, int32(len(word))})
		}
	}
	return m.cache.encode(word, dst, m.compute)
}

func (m *bpe) compute(word string, dst []token) []token {
	sc, _ := m.scratch.Get().(*bpeScratch)
	if sc == nil {
		sc = &bpeScratch{}
	}
	defer m.scratch.Put(sc)
	if m.byteLevel {
		sc.symbols = m.byteSymbols(word, sc.symbols[:0])
	} else {
		sc.symbols = m.runeSymbols(word, sc.symbols[:0])
	}
	if len(sc.symbols) < linearLimit {
		sc.symbols = m.mergeLinear(sc.symbols)
	} else {
		m.mergeHeap(sc)
	}
	pos := int32(0)
	for _, s := range sc.symbols {
		if s.size > 0 {
			dst = append(dst, token{s.id, pos, pos + s.size})
			pos += s.size
		}
	}
	return dst
}

// byteSymbols starts a word of the byte-level alphabet.
func (m *bpe) byteSymbols(word string, dst []symbol) []symbol {
	add := m.unkAdder(&dst)
	for i := 0; i < len(word); i++ {
		if id := m.byteID[word[i]]; id >= 0 {
			add.flush()
			dst = append(dst, symbol{id: id, size: 1})
		} else {
			add.unknown(1)
		}
	}
	add.flush()
	return dst
}

// runeSymbols starts a word whose symbols are runes. An unknown rune becomes its
// bytes if the vocabulary has them all, else the unknown token.
func (m *bpe) runeSymbols(word string, dst []symbol) []symbol {
	add := m.unkAdder(&dst)
	affixes := m.prefix != "" || m.suffix != ""
	for i, r := range word {
		n := utf8.RuneLen(r)
		id, ok := int32(-1), false
		if affixes {
			id, ok = m.vocab[m.affixed(word, i, n)]
		} else {
			id, ok = m.runeID[r]
		}
		switch {
		case ok:
			add.flush()
			dst = append(dst, symbol{id: id, size: int32(n)})
		case m.byteFallback && !affixes && m.hasBytes(word[i:i+n]):
			// The Rust library does not flush pending unknowns here, so neither do we.
			for k := i; k < i+n; k++ {
				dst = append(dst, symbol{id: m.byteID[word[k]], size: 1})
			}
		default:
			add.unknown(n)
		}
	}
	add.flush()
	return dst
}

// affixed is the vocabulary's spelling of the rune at word[i:i+n].
func (m *bpe) affixed(word string, i, n int) string {
	s := word[i : i+n]
	if i > 0 {
		s = m.prefix + s
	}
	if i+n == len(word) {
		s += m.suffix
	}
	return s
}

func (m *bpe) hasBytes(s string) bool {
	for i := 0; i < len(s); i++ {
		if m.byteID[s[i]] < 0 {
			return false
		}
	}
	return true
}

// unkAdder collects unknown symbols, one for each or one for a run of them. Without
// an unknown token they vanish, as in the Rust library.
type unkAdder struct {
	m       *bpe
	dst     *[]symbol
	pending int32
}

func (m *bpe) unkAdder(dst *[]symbol) unkAdder { return unkAdder{m: m, dst: dst} }

func (u *unkAdder) flush() {
	if u.pending > 0 {
		*u.dst = append(*u.dst, symbol{id: u.m.unk, size: u.pending})
		u.pending = 0
	}
}

func (u *unkAdder) unknown(size int) {
	if u.m.unk < 0 {
		return
	}
	if !u.m.fuseUnk {
		u.flush()
	}
	u.pending += int32(size)
}

// mergeLinear joins the best pair, leftmost of equals, until none is left.
func (m *bpe) mergeLinear(s []symbol) []symbol {
	for len(s) > 1 {
		best, at := joined{rank: -1}, -1
		for i := 0; i+1 < len(s); i++ {
			if p, ok := m.merges[pairKey(s[i].id, s[i+1].id)]; ok && (at < 0 || p.rank < best.rank) {
				best, at = p, i
			}
		}
		if at < 0 {
			break
		}
		s[at].id = best.id
		s[at].size += s[at+1].size
		s = append(s[:at+1], s[at+2:]...)
	}
	return s
}

// mergeHeap does the same in O(n log n): SentencePiece-style models see a whole text
// as one word.
func (m *bpe) mergeHeap(sc *bpeScratch) {
	s, heap := sc.symbols, sc.heap[:0]
	try := func(left, right int32) {
		if left < 0 || right < 0 {
			return
		}
		if p, ok := m.merges[pairKey(s[left].id, s[right].id)]; ok {
			heap = pushCandidate(heap, candidate{p.rank, left, p.id})
		}
	}
	for i := range s {
		s[i].prev, s[i].next = int32(i)-1, int32(i)+1
	}
	s[len(s)-1].next = -1
	for i := 1; i < len(s); i++ {
		try(int32(i)-1, int32(i))
	}
	var c candidate
	for len(heap) > 0 {
		c, heap = popCandidate(heap)
		a := &s[c.pos]
		if a.size == 0 || a.next < 0 {
			continue
		}
		b := &s[a.next]
		// A neighbour may have changed since the candidate was pushed.
		if p, ok := m.merges[pairKey(a.id, b.id)]; !ok || p.id != c.id {
			continue
		}
		a.id = c.id
		a.size += b.size
		b.size = 0
		a.next = b.next
		if b.next >= 0 {
			s[b.next].prev = c.pos
		}
		try(a.prev, c.pos)
		try(c.pos, a.next)
	}
	sc.heap = heap
}

// before orders candidates by rank, then from left to right.
func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.pos < d.pos
}

func pushCandidate(h []candidate, c candidate) []candidate {
	h = append(h, c)
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].before(h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
	return h
}

func popCandidate(h []candidate) (candidate, []candidate) {
	top := h[0]
	n := len(h) - 1
	h[0] = h[n]
	h = h[:n]
	for i := 0; ; {
		down := 2*i + 1
		if down >= n {
			return top, h
		}
		if down+1 < n && h[down+1].before(h[down]) {
			down++
		}
		if !h[down].before(h[i]) {
			return top, h
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}
