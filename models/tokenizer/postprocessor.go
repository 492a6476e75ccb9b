package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// postStage is one post-processor. trim takes the white space out of the offsets of
// byte-level tokens; the template puts tokens round the sequence.
type postStage struct {
	trim        bool
	prefixSpace bool // the pre-tokenizer added a space in front, which is not trimmed

	before, after []int32
	drop          bool // the template leaves the sequence itself out
}

// postProcessorJSON holds the fields of every post-processor of tokenizer.json.
type postProcessorJSON struct {
	Type           string            `json:"type"`
	Processors     []json.RawMessage `json:"processors"`
	TrimOffsets    *bool             `json:"trim_offsets"`
	AddPrefixSpace *bool             `json:"add_prefix_space"`
	Sep            *namedID          `json:"sep"`
	Cls            *namedID          `json:"cls"`
	Single         []templatePiece   `json:"single"`
	SpecialTokens  map[string]struct {
		IDs []int32 `json:"ids"`
	} `json:"special_tokens"`
}

// templatePiece is {"SpecialToken": {"id": "<s>"}} or {"Sequence": {"id": "A"}}.
type templatePiece struct {
	SpecialToken *struct {
		ID string `json:"id"`
	} `json:"SpecialToken"`
	Sequence *struct {
		ID string `json:"id"`
	} `json:"Sequence"`
}

// namedID is ["[CLS]", 101].
type namedID struct{ id int32 }

func (n *namedID) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("got %d elements, want a token and its id", len(pair))
	}
	return json.Unmarshal(pair[1], &n.id)
}

// parsePostProcessor reads one post-processor section, flattening sequences.
func (p *parser) parsePostProcessor(raw json.RawMessage, section string) ([]postStage, error) {
	var j postProcessorJSON
	if ok, err := p.decode(raw, section, &j); !ok || err != nil {
		return nil, err
	}
	trim := (j.TrimOffsets == nil || *j.TrimOffsets)
	prefixSpace := j.AddPrefixSpace == nil || *j.AddPrefixSpace
	switch j.Type {
	case "Sequence":
		var list []postStage
		for i, r := range j.Processors {
			s, err := p.parsePostProcessor(r, index(section+".processors", i))
			if err != nil {
				return nil, err
			}
			list = append(list, s...)
		}
		return list, nil
	case "ByteLevel":
		return []postStage{{trim: trim, prefixSpace: prefixSpace}}, nil
	case "BertProcessing", "RobertaProcessing":
		if j.Sep == nil || j.Cls == nil {
			return nil, p.errorf(section, "sep and cls are both needed")
		}
		s := postStage{before: []int32{j.Cls.id}, after: []int32{j.Sep.id}}
		if j.Type == "RobertaProcessing" {
			s.trim, s.prefixSpace = trim, prefixSpace
		}
		return []postStage{s}, nil
	case "TemplateProcessing":
		s, err := p.parseTemplate(&j, section)
		return []postStage{s}, err
	}
	return nil, p.unsupported(section, "post-processor", j.Type)
}

func (p *parser) parseTemplate(j *postProcessorJSON, section string) (postStage, error) {
	s := postStage{drop: true}
	for i, piece := range j.Single {
		where := index(section+".single", i)
		switch {
		case piece.Sequence != nil:
			if piece.Sequence.ID != "A" || !s.drop {
				return s, p.errorf(where, "a single template holds the sequence A once")
			}
			s.drop = false
		case piece.SpecialToken != nil:
			special, ok := j.SpecialTokens[piece.SpecialToken.ID]
			if !ok {
				return s, p.errorf(where, "token %q is not in special_tokens", piece.SpecialToken.ID)
			}
			if s.drop {
				s.before = append(s.before, special.IDs...)
			} else {
				s.after = append(s.after, special.IDs...)
			}
		default:
			return s, p.errorf(where, "want SpecialToken or Sequence")
		}
	}
	return s, nil
}

func (p *postStage) apply(t *Tokenizer, e *encoding, addSpecial bool) {
	if p.trim && e.track {
		for i := range e.spans {
			tok := t.IDToToken(e.ids[i])
			if e.added[i] {
				// With lstrip and rstrip the match is longer than the token.
				tok = e.source[e.spans[i].start:e.spans[i].end]
			}
			e.spans[i] = p.trimmed(e, tok, e.spans[i], i == 0)
		}
	}
	if !addSpecial {
		return
	}
	if p.drop {
		e.ids, e.spans, e.added = e.ids[:0], e.spans[:0], e.added[:0]
	}
	if len(p.before) > 0 {
		e.ids = slices.Insert(e.ids, 0, p.before...)
	}
	e.ids = append(e.ids, p.after...)
	if e.track {
		e.spans = slices.Insert(e.spans, 0, make([]span, len(p.before))...)
		e.spans = append(e.spans, make([]span, len(p.after))...)
		e.added = slices.Insert(e.added, 0, make([]bool, len(p.before))...)
		e.added = append(e.added, make([]bool, len(p.after))...)
	}
}

// trimmed moves the ends of a span over the characters of the source that the
// token's leading and trailing spaces stand for.
func (p *postStage) trimmed(e *encoding, tok string, s span, first bool) span {
	isBlank := func(r rune) bool { return r == byteRune[' '] || isSpace(r) }
	lead := utf8.RuneCountInString(tok) - utf8.RuneCountInString(strings.TrimLeftFunc(tok, isBlank))
	trail := utf8.RuneCountInString(tok) - utf8.RuneCountInString(strings.TrimRightFunc(tok, isBlank))
	if lead == 1 && p.prefixSpace && (first || s.start == 0) {
		lead = 0
	}
	for ; lead > 0 && s.start < s.end; lead-- {
		_, n := utf8.DecodeRuneInString(e.source[s.start:s.end])
		s.start += n
	}
	if s.end < trail*utf8.UTFMax && utf8.RuneCountInString(e.source[:s.end]) < trail {
		return s
	}
	for ; trail > 0 && s.end > s.start; trail-- {
		_, n := utf8.DecodeLastRuneInString(e.source[s.start:s.end])
		s.end -= n
	}
	return s
}
