package tokenizer

import (
	"container/heap"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// TrainOptions are the settings of Train.
type TrainOptions struct {
	// VocabSize counts the special tokens, the 256 bytes and the merges.
	VocabSize int
	// SpecialTokens get the ids 0, 1, … and are never part of other tokens.
	SpecialTokens []string
	// Pattern splits text into words: PatternLlama3 if empty, PatternGPT2 or
	// PatternQwen2.
	Pattern string
	// BOS, one of SpecialTokens, makes the post-processor put it before every text.
	BOS string
}

// minPairCount is the number of occurrences below which a pair is not worth a token.
const minPairCount = 2

// Train learns a byte-level BPE tokenizer from texts and returns it as a
// tokenizer.json that the Hugging Face libraries load. The result depends on the
// texts and options alone: it is the one BpeTrainer of the Rust library finds with
// min_frequency 2 and the byte alphabet. A small corpus can give fewer than
// VocabSize tokens.
func Train(texts iter.Seq[string], o TrainOptions) ([]byte, error) {
	if o.Pattern == "" {
		o.Pattern = PatternLlama3
	}
	scan := scannerFor(o.Pattern)
	if scan == nil {
		return nil, fmt.Errorf("tokenizer: Train: pattern %q: want PatternLlama3, PatternGPT2 or PatternQwen2", o.Pattern)
	}
	least := len(byteRune) + len(o.SpecialTokens)
	if o.VocabSize < least || o.VocabSize > maxTokenID {
		return nil, fmt.Errorf("tokenizer: Train: vocabulary size %d, want %d (bytes and special tokens) to %d",
			o.VocabSize, least, maxTokenID)
	}
	tr := newTrainer(o)
	if len(tr.ids) != least {
		return nil, errors.New("tokenizer: Train: special tokens must be distinct, not empty, and longer than one byte")
	}
	if o.BOS != "" && !slices.Contains(o.SpecialTokens, o.BOS) {
		return nil, fmt.Errorf("tokenizer: Train: BOS %q is not one of the special tokens", o.BOS)
	}
	tr.count(texts, scan)
	tr.learn()
	return tr.file()
}

// trainer holds the words of the corpus as token ids and the counts of their pairs.
type trainer struct {
	options  TrainOptions
	specials *matcher
	tokens   []string // by id, in the byte-level alphabet
	ids      map[string]int32
	merges   [][2]int32

	words  map[string]int64
	corpus []trainWord
	pairs  map[[2]int32]*pairCount
	queue  pairQueue
}

// trainWord is a distinct word and how often it occurs.
type trainWord struct {
	ids   []int32
	times int64
}

// pairCount is how often a pair occurs and in which words it has been seen.
type pairCount struct {
	times int64
	words map[int32]struct{}
}

func newTrainer(o TrainOptions) *trainer {
	tr := &trainer{options: o, ids: map[string]int32{}, words: map[string]int64{}, pairs: map[[2]int32]*pairCount{}}
	var added []*addedToken
	for _, s := range o.SpecialTokens {
		added = append(added, &addedToken{match: s})
		if s != "" {
			tr.token(s)
		}
	}
	tr.specials = newMatcher(added)
	alphabet := slices.Clone(byteRune[:])
	slices.Sort(alphabet)
	for _, r := range alphabet {
		tr.token(string(r))
	}
	return tr
}

// token returns the id of s, giving it the next one if it is new.
func (tr *trainer) token(s string) int32 {
	id, ok := tr.ids[s]
	if !ok {
		id = int32(len(tr.tokens))
		tr.ids[s] = id
		tr.tokens = append(tr.tokens, s)
	}
	return id
}

// count splits the texts into words and the words into bytes.
func (tr *trainer) count(texts iter.Seq[string], scan scanner) {
	for s := range texts {
		s = fromInput(s, false).s
		for _, sec := range tr.specials.split(s, nil) {
			if sec.token != nil {
				continue
			}
			part := s[sec.start:sec.end]
			for i := 0; i < len(part); {
				end := scan(part, i)
				tr.words[part[i:end]]++
				i = end
			}
		}
	}
	for w, times := range tr.words {
		ids := make([]int32, len(w))
		for i := range len(w) {
			ids[i] = tr.ids[string(byteRune[w[i]])]
		}
		at := int32(len(tr.corpus))
		tr.corpus = append(tr.corpus, trainWord{ids, times})
		for i := 1; i < len(ids); i++ {
			tr.addPair([2]int32{ids[i-1], ids[i]}, at, times)
		}
	}
	for p, c := range tr.pairs {
		tr.queue = append(tr.queue, pairEntry{p, c.times})
	}
	heap.Init(&tr.queue)
}

func (tr *trainer) addPair(p [2]int32, word int32, times int64) {
	c := tr.pairs[p]
	if c == nil {
		c = &pairCount{words: map[int32]struct{}{}}
		tr.pairs[p] = c
	}
	c.times += times
	if times > 0 {
		c.words[word] = struct{}{}
	}
}

// learn joins the most frequent pair until the vocabulary is full. Queue entries can
// be out of date; one that is goes back with its true count.
func (tr *trainer) learn() {
	for len(tr.tokens) < tr.options.VocabSize && len(tr.queue) > 0 {
		top := heap.Pop(&tr.queue).(pairEntry)
		c := tr.pairs[top.pair]
		if c.times != top.times {
			heap.Push(&tr.queue, pairEntry{top.pair, c.times})
			continue
		}
		if top.times < minPairCount {
			return
		}
		whole := tr.token(tr.tokens[top.pair[0]] + tr.tokens[top.pair[1]])
		tr.merges = append(tr.merges, top.pair)
		grown := map[[2]int32]struct{}{}
		for word := range c.words {
			tr.join(word, top.pair, whole, grown)
		}
		for p := range grown {
			if n := tr.pairs[p].times; n > 0 {
				heap.Push(&tr.queue, pairEntry{p, n})
			}
		}
	}
}

// join replaces pair by whole in one word and updates the counts round it.
func (tr *trainer) join(word int32, pair [2]int32, whole int32, grown map[[2]int32]struct{}) {
	w := &tr.corpus[word]
	old := w.ids
	out := old[:0]
	add := func(a, b int32, times int64) {
		p := [2]int32{a, b}
		tr.addPair(p, word, times)
		if times > 0 {
			grown[p] = struct{}{}
		}
	}
	for i := 0; i < len(old); i++ {
		if i+1 == len(old) || old[i] != pair[0] || old[i+1] != pair[1] {
			out = append(out, old[i])
			continue
		}
		if n := len(out); n > 0 {
			add(out[n-1], pair[0], -w.times)
			add(out[n-1], whole, w.times)
		}
		if i+2 < len(old) {
			add(pair[1], old[i+2], -w.times)
			add(whole, old[i+2], w.times)
		}
		add(pair[0], pair[1], -w.times)
		out = append(out, whole)
		i++
	}
	w.ids = out
}

// pairEntry is a pair in the queue with its count at the time.
type pairEntry struct {
	pair  [2]int32
	times int64
}

// pairQueue is a heap: the most frequent pair first, the smaller ids among equals.
type pairQueue []pairEntry

func (q pairQueue) Len() int { return len(q) }
func (q pairQueue) Less(i, j int) bool {
	if q[i].times != q[j].times {
		return q[i].times > q[j].times
	}
	return slices.Compare(q[i].pair[:], q[j].pair[:]) < 0
}
func (q pairQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *pairQueue) Push(x any)   { *q = append(*q, x.(pairEntry)) }
func (q *pairQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}
