package tokenizer

import (
	"maps"
	"slices"
)

// Tokenizer is a parsed tokenizer.json. It is immutable and safe for concurrent use.
type Tokenizer struct {
	name string

	addedRaw, addedNormalized *matcher
	normalize                 normalizer // nil: none
	pre                       []stage
	model                     model
	post                      []postStage
	decoders                  []decoder // nil: none in the file

	// alignAlways asks for source spans even when the caller wants none, because a
	// stage decides by them.
	alignAlways bool

	ids      map[string]int32 // the model's vocabulary
	addedIDs map[string]int32
	tokens   []string        // by id, both kinds; "" for holes
	skipped  map[string]bool // contents of special tokens
	// normalized holds the added tokens that the normalizer changes. Since version 0.22
	// the Rust library decodes them to the changed form.
	normalized map[int32]string

	specials     map[string]string // bos_token, eos_token, …
	eosIDs       []int32           // further end tokens from generation_config.json
	chatTemplate string
}

// token is what a model makes of a word: the id of bytes [start, end) of the word.
type token struct{ id, start, end int32 }

// model splits one word into tokens and appends them to dst.
type model interface {
	encode(word string, dst []token) []token
}

// encoding is the result under construction. spans is nil when nobody wants offsets.
type encoding struct {
	source string
	ids    []int32
	spans  []span
	added  []bool // beside spans: the token was found in the text, not by the model
	track  bool   // the caller wants spans
	align  bool   // texts carry source spans

	pieces, spare []text
	tokens        []token
	sections      []section
}

// Encode returns the token ids of text. With addSpecial the post-processor adds its
// tokens, such as a BOS. Bytes that are not UTF-8 count as U+FFFD.
func (t *Tokenizer) Encode(text string, addSpecial bool) []int32 {
	return t.encode(text, addSpecial, false).ids
}

// EncodeOffsets is Encode that also returns for each token the half-open range of
// bytes of text it came from. A token that is part of a character has the range of
// the whole character; a token that the post-processor added has the range {0, 0}.
func (t *Tokenizer) EncodeOffsets(text string, addSpecial bool) (ids []int32, offsets [][2]int) {
	e := t.encode(text, addSpecial, true)
	offsets = make([][2]int, len(e.spans))
	for i, s := range e.spans {
		offsets[i] = [2]int{s.start, s.end}
	}
	return e.ids, offsets
}

func (t *Tokenizer) encode(s string, addSpecial, track bool) *encoding {
	e := &encoding{source: s, track: track, align: track || t.alignAlways}
	e.ids = make([]int32, 0, len(s)/3+4)
	in := fromInput(s, e.align)
	for _, sec := range t.addedRaw.split(in.s, nil) {
		part := in.slice(sec.start, sec.end)
		if sec.token != nil {
			e.add(sec.token.ID, part, 0, len(part.s), true)
			continue
		}
		t.encodePart(e, part)
	}
	for _, p := range t.post {
		p.apply(t, e, addSpecial)
	}
	return e
}

// encodePart encodes the text between two raw added tokens.
func (t *Tokenizer) encodePart(e *encoding, in text) {
	if t.normalize != nil {
		in = t.normalize(in, e.align)
	}
	e.sections = t.addedNormalized.split(in.s, e.sections[:0])
	for _, sec := range e.sections {
		part := in.slice(sec.start, sec.end)
		if sec.token != nil {
			e.add(sec.token.ID, part, 0, len(part.s), true)
			continue
		}
		e.pieces = append(e.pieces[:0], part)
		for _, stage := range t.pre {
			e.spare = e.spare[:0]
			for _, p := range e.pieces {
				if p.s != "" {
					e.spare = stage(p, e.spare, e.align)
				}
			}
			e.pieces, e.spare = e.spare, e.pieces
		}
		for _, p := range e.pieces {
			if p.s == "" {
				continue
			}
			e.tokens = t.model.encode(p.s, e.tokens[:0])
			for _, k := range e.tokens {
				e.add(k.id, p, int(k.start), int(k.end), false)
			}
		}
	}
}

func (e *encoding) add(id int32, t text, start, end int, added bool) {
	e.ids = append(e.ids, id)
	if e.track {
		e.spans = append(e.spans, t.source(start, end))
		e.added = append(e.added, added)
	}
}

// VocabSize is the number of distinct token strings: the model's and the added ones.
// The largest id can be larger where a file leaves holes.
func (t *Tokenizer) VocabSize() int {
	n := len(t.ids)
	for s := range t.addedIDs {
		if _, both := t.ids[s]; !both {
			n++
		}
	}
	return n
}

// IDToToken returns the token string as the file spells it, "" for an unknown id.
func (t *Tokenizer) IDToToken(id int32) string {
	if id < 0 || int(id) >= len(t.tokens) {
		return ""
	}
	return t.tokens[id]
}

// TokenToID returns the id of a token string as the file spells it.
func (t *Tokenizer) TokenToID(s string) (int32, bool) {
	if id, ok := t.addedIDs[s]; ok {
		return id, true
	}
	id, ok := t.ids[s]
	return id, ok
}

// BOS returns the id of bos_token; false if the files name none.
func (t *Tokenizer) BOS() (int32, bool) { return t.special("bos_token") }

// EOS returns the id of eos_token; false if the files name none.
func (t *Tokenizer) EOS() (int32, bool) { return t.special("eos_token") }

// PAD returns the id of pad_token; false if the files name none.
func (t *Tokenizer) PAD() (int32, bool) { return t.special("pad_token") }

// EOSAll returns all ids that end a generation: eos_token first, then those of
// generation_config.json, without repetition.
func (t *Tokenizer) EOSAll() []int32 {
	var out []int32
	if id, ok := t.EOS(); ok {
		out = append(out, id)
	}
	for _, id := range t.eosIDs {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func (t *Tokenizer) special(role string) (int32, bool) {
	s, ok := t.specials[role]
	if !ok {
		return 0, false
	}
	return t.TokenToID(s)
}

// ChatTemplate returns the Jinja source of the chat template, "" if there is none.
func (t *Tokenizer) ChatTemplate() string { return t.chatTemplate }

// SpecialTokens returns the strings of bos_token, eos_token, pad_token and whatever
// else the files name *_token: the globals of a chat template. The map is a copy.
func (t *Tokenizer) SpecialTokens() map[string]string { return maps.Clone(t.specials) }
