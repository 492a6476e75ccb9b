package tokenizer

import (
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"unicode/utf8"
)

// unigram splits a word into the pieces with the highest sum of log probabilities
// (Viterbi). A rune no piece covers costs unkPenalty more than the rarest piece.
type unigram struct {
	root     *trieNode
	ids      map[string]int32
	scores   []float64
	unk      int32
	unkScore float64
	byteID   [256]int32 // <0xNN>; -1 none
	fallback bool
	cache    *wordCache
	scratch  sync.Pool // *[]lattice
}

const unkPenalty = 10.0

// lattice is the best way to reach a byte position: the piece that ends there.
type lattice struct {
	score     float64
	start, id int32 // start is -1 while nothing reaches the position
}

// trieNode maps byte strings to ids. Most nodes have few children, so these are a
// short list, and a table only where it grows long.
type trieNode struct {
	id    int32
	bytes []byte
	nodes []*trieNode
	table *[256]*trieNode
}

// trieListLimit is the number of children a node keeps in a list.
const trieListLimit = 12

func (n *trieNode) child(b byte) *trieNode {
	if n.table != nil {
		return n.table[b]
	}
	for i, x := range n.bytes {
		if x == b {
			return n.nodes[i]
		}
	}
	return nil
}

func (n *trieNode) insert(s string, id int32) {
	for i := 0; i < len(s); i++ {
		next := n.child(s[i])
		if next == nil {
			next = &trieNode{id: -1}
			n.addChild(s[i], next)
		}
		n = next
	}
	n.id = id
}

func (n *trieNode) addChild(b byte, c *trieNode) {
	switch {
	case n.table != nil:
		n.table[b] = c
	case len(n.bytes) < trieListLimit:
		n.bytes, n.nodes = append(n.bytes, b), append(n.nodes, c)
	default:
		n.table = new([256]*trieNode)
		for i, x := range n.bytes {
			n.table[x] = n.nodes[i]
		}
		n.table[b] = c
		n.bytes, n.nodes = nil, nil
	}
}

// scoredPiece is ["piece", -1.5], one entry of a Unigram vocab.
type scoredPiece struct {
	piece string
	score float64
}

func (s *scoredPiece) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("vocab entry %.40s: got %d elements, want a piece and a score", b, len(pair))
	}
	if err := json.Unmarshal(pair[0], &s.piece); err != nil {
		return err
	}
	return json.Unmarshal(pair[1], &s.score)
}

func (p *parser) parseUnigram(raw json.RawMessage) (model, vocabulary, error) {
	var j struct {
		Vocab        []scoredPiece `json:"vocab"`
		UnkID        *int32        `json:"unk_id"`
		ByteFallback bool          `json:"byte_fallback"`
	}
	var v vocabulary
	if _, err := p.decode(raw, "model", &j); err != nil {
		return nil, v, err
	}
	if j.UnkID == nil {
		return nil, v, p.errorf("model.unk_id", "a Unigram model without an unknown token is not supported")
	}
	if *j.UnkID < 0 || int(*j.UnkID) >= len(j.Vocab) {
		return nil, v, p.errorf("model.unk_id", "got %d, want 0 to %d", *j.UnkID, len(j.Vocab)-1)
	}
	if len(j.Vocab) > maxTokenID {
		return nil, v, p.errorf("model.vocab", "has %d pieces, want at most %d", len(j.Vocab), maxTokenID)
	}
	m := &unigram{
		root: &trieNode{id: -1}, ids: make(map[string]int32, len(j.Vocab)), unk: *j.UnkID,
		fallback: j.ByteFallback, cache: newWordCache(),
	}
	lowest := math.Inf(1)
	for i, e := range j.Vocab {
		m.ids[e.piece] = int32(i)
		m.root.insert(e.piece, int32(i))
		m.scores = append(m.scores, e.score)
		v.tokens = append(v.tokens, e.piece)
		lowest = min(lowest, e.score)
	}
	m.root.id = -1 // an empty piece would never advance
	m.unkScore = lowest - unkPenalty
	for b := range m.byteID {
		m.byteID[b] = -1
		if id, ok := m.ids[fmt.Sprintf("<0x%02X>", b)]; ok {
			m.byteID[b] = id
		}
	}
	v.ids = m.ids
	return m, v, nil
}

func (m *unigram) encode(word string, dst []token) []token {
	return m.cache.encode(word, dst, m.compute)
}

func (m *unigram) compute(word string, dst []token) []token {
	sc, _ := m.scratch.Get().(*[]lattice)
	if sc == nil {
		sc = new([]lattice)
	}
	defer m.scratch.Put(sc)
	best := append((*sc)[:0], lattice{})
	for range len(word) {
		best = append(best, lattice{start: -1})
	}
	*sc = best
	m.forward(word, best)
	// Walk back, turning the chain round by storing each piece's end at its start.
	next := int32(-1)
	for end := int32(len(word)); end > 0; {
		start := best[end].start
		best[end].start = next
		next, end = end, start
	}
	unkStart := int32(-1)
	start := int32(0)
	for end := next; end >= 0; {
		at := best[end]
		if at.id == m.unk {
			if unkStart < 0 {
				unkStart = start
			}
		} else {
			if unkStart >= 0 {
				dst = m.unknown(word, unkStart, start, dst)
				unkStart = -1
			}
			dst = append(dst, token{at.id, start, end})
		}
		start, end = end, at.start
	}
	if unkStart >= 0 {
		dst = m.unknown(word, unkStart, start, dst)
	}
	return dst
}

// forward fills best for all positions that are rune boundaries.
func (m *unigram) forward(word string, best []lattice) {
	for i := 0; i < len(word); {
		_, width := utf8.DecodeRuneInString(word[i:])
		base := best[i].score
		single := false
		n := m.root
		for j := i; j < len(word); j++ {
			if n = n.child(word[j]); n == nil {
				break
			}
			if n.id < 0 {
				continue
			}
			if s := m.scores[n.id] + base; best[j+1].start < 0 || s > best[j+1].score {
				best[j+1] = lattice{s, int32(i), n.id}
			}
			single = single || j+1-i == width
		}
		if !single {
			if s := m.unkScore + base; best[i+width].start < 0 || s > best[i+width].score {
				best[i+width] = lattice{s, int32(i), m.unk}
			}
		}
		i += width
	}
}

// unknown appends a run of unknown runes: as bytes if it can, else as one token.
// Every byte token spans the whole run, as in the Rust library.
func (m *unigram) unknown(word string, start, end int32, dst []token) []token {
	piece := word[start:end]
	if id, ok := m.ids[piece]; ok {
		return append(dst, token{id, start, end})
	}
	if m.fallback {
		first := len(dst)
		for i := 0; i < len(piece) && m.byteID[piece[i]] >= 0; i++ {
			dst = append(dst, token{m.byteID[piece[i]], start, end})
		}
		if len(dst)-first == len(piece) {
			return dst
		}
		dst = dst[:first]
	}
	return append(dst, token{m.unk, start, end})
}
