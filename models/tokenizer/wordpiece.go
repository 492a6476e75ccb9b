package tokenizer

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// wordPiece takes the longest known piece from the left, then goes on with pieces
// that carry the continuing prefix. A word with an unknown rest is one unknown token.
type wordPiece struct {
	head, tail map[string]int32 // tail without the prefix
	longest    int              // bytes of the longest token
	unk        int32
	maxRunes   int
}

func (p *parser) parseWordPiece(raw json.RawMessage) (model, vocabulary, error) {
	j := struct {
		Vocab    map[string]int32 `json:"vocab"`
		UnkToken string           `json:"unk_token"`
		Prefix   string           `json:"continuing_subword_prefix"`
		MaxRunes int              `json:"max_input_chars_per_word"`
	}{UnkToken: "[UNK]", Prefix: "##", MaxRunes: 100}
	if _, err := p.decode(raw, "model", &j); err != nil {
		return nil, vocabulary{}, err
	}
	v, err := p.newVocabulary(j.Vocab)
	if err != nil {
		return nil, v, err
	}
	unk, ok := j.Vocab[j.UnkToken]
	if !ok {
		return nil, v, p.errorf("model.unk_token", "%q is not in the vocabulary", j.UnkToken)
	}
	m := &wordPiece{head: j.Vocab, tail: map[string]int32{}, unk: unk, maxRunes: j.MaxRunes}
	for s, id := range j.Vocab {
		m.longest = max(m.longest, len(s))
		if rest, ok := strings.CutPrefix(s, j.Prefix); ok {
			m.tail[rest] = id
		}
	}
	return m, v, nil
}

func (m *wordPiece) encode(word string, dst []token) []token {
	unknown := token{m.unk, 0, int32(len(word))}
	if len(word) > m.maxRunes && utf8.RuneCountInString(word) > m.maxRunes {
		return append(dst, unknown)
	}
	first := len(dst)
	table := m.head
	for i := 0; i < len(word); {
		end := min(len(word), i+m.longest)
		for ; end > i; end-- {
			if end < len(word) && !utf8.RuneStart(word[end]) {
				continue
			}
			if id, ok := table[word[i:end]]; ok {
				dst = append(dst, token{id, int32(i), int32(end)})
				break
			}
		}
		if end <= i {
			return append(dst[:first], unknown)
		}
		i, table = end, m.tail
	}
	return dst
}

// wordLevel looks whole words up.
type wordLevel struct {
	vocab map[string]int32
	unk   int32
}

func (p *parser) parseWordLevel(raw json.RawMessage) (model, vocabulary, error) {
	var j struct {
		Vocab    map[string]int32 `json:"vocab"`
		UnkToken string           `json:"unk_token"`
	}
	if _, err := p.decode(raw, "model", &j); err != nil {
		return nil, vocabulary{}, err
	}
	v, err := p.newVocabulary(j.Vocab)
	if err != nil {
		return nil, v, err
	}
	unk, ok := j.Vocab[j.UnkToken]
	if !ok {
		return nil, v, p.errorf("model.unk_token", "%q is not in the vocabulary", j.UnkToken)
	}
	return &wordLevel{j.Vocab, unk}, v, nil
}

func (m *wordLevel) encode(word string, dst []token) []token {
	id, ok := m.vocab[word]
	if !ok {
		id = m.unk
	}
	return append(dst, token{id, 0, int32(len(word))})
}
