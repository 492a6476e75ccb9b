package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// bpeJSON is the model section of type BPE.
type bpeJSON struct {
	Vocab        map[string]int32 `json:"vocab"`
	Merges       mergesJSON       `json:"merges"`
	Dropout      *float64         `json:"dropout"`
	UnkToken     *string          `json:"unk_token"`
	Prefix       string           `json:"continuing_subword_prefix"`
	Suffix       string           `json:"end_of_word_suffix"`
	FuseUnk      bool             `json:"fuse_unk"`
	ByteFallback bool             `json:"byte_fallback"`
	IgnoreMerges bool             `json:"ignore_merges"`
}

// mergesJSON accepts both forms: ["a b", …] and, since 2024, [["a", "b"], …].
type mergesJSON [][2]string

func (m *mergesJSON) UnmarshalJSON(b []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	*m = make(mergesJSON, 0, len(list))
	for i, raw := range list {
		var pair []string
		if len(raw) > 0 && raw[0] == '"' {
			var line string
			if err := json.Unmarshal(raw, &line); err != nil {
				return err
			}
			if strings.HasPrefix(line, "#version") {
				continue
			}
			pair = strings.Split(line, " ")
		} else if err := json.Unmarshal(raw, &pair); err != nil {
			return err
		}
		if len(pair) != 2 {
			return fmt.Errorf("merges[%d]: got %d tokens, want 2", i, len(pair))
		}
		*m = append(*m, [2]string{pair[0], pair[1]})
	}
	return nil
}

// parseBPE reads a BPE model. pre decides whether words arrive as bytes: that is so
// when the byte-level alphabet is the last pre-tokenizer and no other part of the
// model works on runes.
func (p *parser) parseBPE(raw json.RawMessage, pre *preTokenizer) (model, vocabulary, error) {
	var j bpeJSON
	if _, err := p.decode(raw, "model", &j); err != nil {
		return nil, vocabulary{}, err
	}
	if j.Dropout != nil && *j.Dropout != 0 {
		return nil, vocabulary{}, p.errorf("model.dropout", "got %g; BPE dropout is not supported", *j.Dropout)
	}
	if j.ByteFallback || j.Prefix != "" || j.Suffix != "" {
		pre.spellBytes()
	}
	v, err := p.newVocabulary(j.Vocab)
	if err != nil {
		return nil, v, err
	}
	m := &bpe{
		vocab: j.Vocab, byteLevel: pre.byteLevel, byteFallback: j.ByteFallback, ignoreMerges: j.IgnoreMerges,
		fuseUnk: j.FuseUnk, unk: -1, prefix: j.Prefix, suffix: j.Suffix, cache: newWordCache(),
	}
	if err := m.setMerges(j.Merges); err != nil {
		return nil, v, p.errorf("model.merges", "%v", err)
	}
	m.indexVocab(v)
	if j.UnkToken != nil {
		if id, ok := j.Vocab[*j.UnkToken]; ok {
			m.unk = id
		} else if !m.allBytes() {
			return nil, v, p.errorf("model.unk_token", "%q is not in the vocabulary", *j.UnkToken)
		}
	}
	return m, v, nil
}

// setMerges resolves the merge rules to ids; their order is their rank.
func (m *bpe) setMerges(rules mergesJSON) error {
	m.merges = make(map[uint64]joined, len(rules))
	for rank, r := range rules {
		if len(r[1]) < len(m.prefix) {
			return fmt.Errorf("[%d]: %q is shorter than the prefix %q", rank, r[1], m.prefix)
		}
		whole := r[0] + r[1][len(m.prefix):]
		var ids [3]int32
		for i, token := range []string{r[0], r[1], whole} {
			id, ok := m.vocab[token]
			if !ok {
				return fmt.Errorf("[%d]: token %q is not in the vocabulary", rank, token)
			}
			ids[i] = id
		}
		m.merges[pairKey(ids[0], ids[1])] = joined{int32(rank), ids[2]}
	}
	return nil
}

// indexVocab builds the tables from symbols to ids.
func (m *bpe) indexVocab(v vocabulary) {
	for b := range m.byteID {
		spelled := string(byteRune[b])
		if !m.byteLevel {
			spelled = fmt.Sprintf("<0x%02X>", b)
		}
		m.byteID[b] = -1
		if id, ok := m.vocab[spelled]; ok {
			m.byteID[b] = id
		}
	}
	if m.byteLevel {
		m.rawID = make(map[string]int32, len(m.vocab))
		for s, id := range m.vocab {
			if raw, ok := appendBytes(nil, s); ok {
				m.rawID[string(raw)] = id
			}
		}
		return
	}
	m.runeID = make(map[rune]int32)
	for s, id := range m.vocab {
		if r, n := utf8.DecodeRuneInString(s); n > 0 && n == len(s) {
			m.runeID[r] = id
		}
	}
}

// allBytes says whether no text can meet an unknown symbol.
func (m *bpe) allBytes() bool {
	for _, id := range m.byteID {
		if id < 0 {
			return false
		}
	}
	return m.byteLevel || m.byteFallback && m.prefix == "" && m.suffix == ""
}
