package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// maxTokenID bounds token ids, so that a broken file cannot ask for a huge table.
const maxTokenID = 1 << 22

// maxNesting bounds Sequence parts within Sequence parts.
const maxNesting = 16

// parser reads the sections of one tokenizer.json; name is the file's name for errors.
type parser struct {
	name string
}

func (p *parser) errorf(section, format string, args ...any) error {
	return fmt.Errorf("%s: %s: %s", p.name, section, fmt.Sprintf(format, args...))
}

func (p *parser) unsupported(section, kind, name string) error {
	return p.errorf(section, "%s type %q is not supported", kind, name)
}

func index(section string, i int) string { return fmt.Sprintf("%s[%d]", section, i) }

// decode unmarshals a section into v. It returns false for an absent or null one.
func (p *parser) decode(raw json.RawMessage, section string, v any) (bool, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return false, nil
	}
	if raw[0] != '{' {
		return false, p.errorf(section, "got %.20q, want an object", raw)
	}
	// Every Sequence adds one [i] to the section's name.
	if strings.Count(section, "[") > maxNesting {
		return false, p.errorf(section, "parts are nested more than %d deep", maxNesting)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return false, p.errorf(section, "%v", err)
	}
	return true, nil
}

// fileJSON is the top level of tokenizer.json. Truncation and padding are left out
// on purpose: see doc.go.
type fileJSON struct {
	AddedTokens   []*addedToken   `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         json.RawMessage `json:"model"`
}

// Parse reads the contents of a tokenizer.json. name, usually the path, is how
// errors call the file. Without the neighbouring configuration files the
// tokenizer knows no BOS, EOS or PAD and has no chat template; see Load.
func Parse(tokenizerJSON []byte, name string) (*Tokenizer, error) {
	p := &parser{name: name}
	var f fileJSON
	if err := json.Unmarshal(tokenizerJSON, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	t := &Tokenizer{name: name, specials: map[string]string{}}
	var err error
	if t.normalize, err = p.parseNormalizer(f.Normalizer, "normalizer"); err != nil {
		return nil, err
	}
	pre, err := p.parsePreTokenizer(f.PreTokenizer, "pre_tokenizer")
	if err != nil {
		return nil, err
	}
	var vocab vocabulary
	if t.model, vocab, err = p.parseModel(f.Model, &pre); err != nil {
		return nil, err
	}
	t.pre = pre.stages
	t.alignAlways = pre.usesRewritten || pre.usesOffset && t.normalize != nil
	if err := p.addTokens(t, f.AddedTokens, vocab); err != nil {
		return nil, err
	}
	if t.post, err = p.parsePostProcessor(f.PostProcessor, "post_processor"); err != nil {
		return nil, err
	}
	for _, s := range t.post {
		for _, id := range slices.Concat(s.before, s.after) {
			if t.IDToToken(id) == "" {
				return nil, p.errorf("post_processor", "token id %d is not in the vocabulary", id)
			}
		}
	}
	if t.decoders, err = p.parseDecoder(f.Decoder, "decoder"); err != nil {
		return nil, err
	}
	return t, nil
}

// addTokens fills the id tables of t and the matchers of added tokens.
func (p *parser) addTokens(t *Tokenizer, added []*addedToken, vocab vocabulary) error {
	t.ids = vocab.ids
	t.tokens = vocab.tokens
	t.addedIDs = make(map[string]int32, len(added))
	t.skipped = make(map[string]bool)
	t.normalized = make(map[int32]string)
	var raw, normalized []*addedToken
	for i, a := range added {
		section := index("added_tokens", i)
		switch {
		case a == nil:
			return p.errorf(section, "got null, want an object")
		case a.ID < 0 || a.ID >= maxTokenID:
			return p.errorf(section, "token %q has id %d, want 0 to %d", a.Content, a.ID, maxTokenID-1)
		case a.Content == "":
			continue
		}
		if a.Special {
			t.skipped[a.Content] = true
		}
		if _, twice := t.addedIDs[a.Content]; twice {
			continue
		}
		t.addedIDs[a.Content] = a.ID
		t.tokens = setToken(t.tokens, a.ID, a.Content)
		a.match = a.Content
		if !a.Normalized {
			raw = append(raw, a)
			continue
		}
		if t.normalize != nil {
			a.match = t.normalize(text{s: a.Content}, false).s
			if a.match != a.Content {
				t.normalized[a.ID] = a.match
			}
		}
		normalized = append(normalized, a)
	}
	t.addedRaw, t.addedNormalized = newMatcher(raw), newMatcher(normalized)
	return nil
}

// vocabulary is the two directions of a model's table.
type vocabulary struct {
	ids    map[string]int32
	tokens []string // by id; "" where there is no token
}

func setToken(tokens []string, id int32, s string) []string {
	if need := int(id) + 1 - len(tokens); need > 0 {
		tokens = append(tokens, make([]string, need)...)
	}
	tokens[id] = s
	return tokens
}

// newVocabulary checks the ids of a model's vocab.
func (p *parser) newVocabulary(ids map[string]int32) (vocabulary, error) {
	v := vocabulary{ids: ids}
	top := int32(-1)
	for token, id := range ids {
		if id < 0 || id >= maxTokenID {
			return v, p.errorf("model.vocab", "token %q has id %d, want 0 to %d", token, id, maxTokenID-1)
		}
		top = max(top, id)
	}
	v.tokens = make([]string, top+1)
	owner := make([]bool, top+1)
	for token, id := range ids {
		if owner[id] {
			return v, p.errorf("model.vocab", "tokens %q and %q share id %d",
				min(token, v.tokens[id]), max(token, v.tokens[id]), id)
		}
		owner[id] = true
		v.tokens[id] = token
	}
	return v, nil
}

// parseModel reads the model section. Files older than 2020 carry no type; their
// fields tell the models apart.
func (p *parser) parseModel(raw json.RawMessage, pre *preTokenizer) (model, vocabulary, error) {
	var fields map[string]json.RawMessage
	ok, err := p.decode(raw, "model", &fields)
	if err != nil {
		return nil, vocabulary{}, err
	}
	if !ok {
		return nil, vocabulary{}, p.errorf("model", "section is missing")
	}
	var kind string
	if t := fields["type"]; t != nil {
		if err := json.Unmarshal(t, &kind); err != nil {
			return nil, vocabulary{}, p.errorf("model.type", "%v", err)
		}
	} else {
		switch {
		case fields["merges"] != nil:
			kind = "BPE"
		case fields["max_input_chars_per_word"] != nil:
			kind = "WordPiece"
		case fields["unk_id"] != nil:
			kind = "Unigram"
		case fields["unk_token"] != nil:
			kind = "WordLevel"
		}
	}
	switch kind {
	case "BPE":
		return p.parseBPE(raw, pre)
	case "WordPiece":
		return p.parseWordPiece(raw)
	case "WordLevel":
		return p.parseWordLevel(raw)
	case "Unigram":
		return p.parseUnigram(raw)
	}
	return nil, vocabulary{}, p.unsupported("model", "model", kind)
}
