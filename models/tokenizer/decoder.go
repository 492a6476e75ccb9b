package tokenizer

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decoder rewrites the list of token strings on the way back to text; what the last
// one leaves is joined. A decoder may change the list it gets.
type decoder struct {
	kind decoderKind
	run  func(tokens []string) []string
}

// decoderKind marks the decoders that join bytes, which streaming must do itself.
type decoderKind int

const (
	plainDecoder decoderKind = iota
	byteLevelDecoder
	byteFallbackDecoder
)

// decoderJSON holds the fields of every decoder of tokenizer.json.
type decoderJSON struct {
	Type          string            `json:"type"`
	Decoders      []json.RawMessage `json:"decoders"`
	Pattern       *patternJSON      `json:"pattern"`
	Content       string            `json:"content"`
	Start         int               `json:"start"`
	Stop          int               `json:"stop"`
	Replacement   *string           `json:"replacement"`
	PrependScheme string            `json:"prepend_scheme"`
	AddPrefix     *bool             `json:"add_prefix_space"`
	Prefix        *string           `json:"prefix"`
	Cleanup       *bool             `json:"cleanup"`
	Suffix        *string           `json:"suffix"`
}

// parseDecoder reads one decoder section, flattening sequences.
func (p *parser) parseDecoder(raw json.RawMessage, section string) ([]decoder, error) {
	var j decoderJSON
	if ok, err := p.decode(raw, section, &j); !ok || err != nil {
		return nil, err
	}
	each := func(f func(i, n int, s string) string) ([]decoder, error) {
		return []decoder{{run: func(tokens []string) []string {
			for i, s := range tokens {
				tokens[i] = f(i, len(tokens), s)
			}
			return tokens
		}}}, nil
	}
	or := func(s *string, def string) string {
		if s != nil {
			return *s
		}
		return def
	}
	switch j.Type {
	case "Sequence":
		list := []decoder{}
		for i, r := range j.Decoders {
			d, err := p.parseDecoder(r, index(section+".decoders", i))
			if err != nil {
				return nil, err
			}
			list = append(list, d...)
		}
		return list, nil
	case "ByteLevel":
		return []decoder{{byteLevelDecoder, joinByteLevel}}, nil
	case "ByteFallback":
		return []decoder{{byteFallbackDecoder, joinByteFallback}}, nil
	case "Fuse":
		return []decoder{{run: func(tokens []string) []string { return []string{strings.Join(tokens, "")} }}}, nil
	case "Replace":
		find, err := p.parsePattern(j.Pattern, section+".pattern")
		if err != nil {
			return nil, err
		}
		return each(func(_, _ int, s string) string {
			return text{s: s}.substitute(find(s, nil), j.Content, false).s
		})
	case "Strip":
		if utf8.RuneCountInString(j.Content) != 1 {
			return nil, p.errorf(section+".content", "got %q, want one character", j.Content)
		}
		return each(func(_, _ int, s string) string { return stripContent(s, j.Content, j.Start, j.Stop) })
	case "Metaspace":
		mark := or(j.Replacement, "▁")
		strip := j.PrependScheme != "never" && (j.PrependScheme != "" || j.AddPrefix == nil || *j.AddPrefix)
		return each(func(i, _ int, s string) string {
			if i == 0 && strip {
				// The Rust library drops every mark of the first token, not just one.
				return strings.ReplaceAll(s, mark, "")
			}
			return strings.ReplaceAll(s, mark, " ")
		})
	case "WordPiece":
		prefix, cleanup := or(j.Prefix, "##"), j.Cleanup == nil || *j.Cleanup
		return each(func(i, _ int, s string) string { return joinWordPiece(i, s, prefix, cleanup) })
	case "BPEDecoder":
		suffix := or(j.Suffix, "</w>")
		return each(func(i, n int, s string) string {
			if i == n-1 {
				return strings.ReplaceAll(s, suffix, "")
			}
			return strings.ReplaceAll(s, suffix, " ")
		})
	}
	return nil, p.unsupported(section, "decoder", j.Type)
}

// Decode returns the text of ids. With skipSpecial special tokens are left out.
// Unknown ids are ignored. The result is valid UTF-8: broken sequences become U+FFFD.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		if s, ok := t.decodable(id, skipSpecial); ok {
			tokens = append(tokens, s)
		}
	}
	return runDecoders(t.decoders, tokens)
}

// decodable returns the string of a token that takes part in decoding.
func (t *Tokenizer) decodable(id int32, skipSpecial bool) (string, bool) {
	s := t.IDToToken(id)
	if s == "" || skipSpecial && t.skipped[s] {
		return "", false
	}
	if changed, ok := t.normalized[id]; ok {
		s = changed
	}
	return s, true
}

// runDecoders runs a list of decoders; a nil list joins with spaces.
func runDecoders(list []decoder, tokens []string) string {
	if list == nil {
		return strings.Join(tokens, " ")
	}
	for _, d := range list {
		tokens = d.run(tokens)
	}
	return strings.Join(tokens, "")
}

func joinByteLevel(tokens []string) []string {
	var b []byte
	for _, s := range tokens {
		b = appendByteLevel(b, s)
	}
	return []string{lossy(b)}
}

// appendByteLevel appends a token's bytes; one outside the alphabet, such as an
// added token, stands for itself.
func appendByteLevel(b []byte, s string) []byte {
	if raw, ok := appendBytes(b, s); ok {
		return raw
	}
	return append(b, s...)
}

// fallbackByte returns the byte of a token like <0x0A>.
func fallbackByte(s string) (byte, bool) {
	if len(s) != 6 || !strings.HasPrefix(s, "<0x") || s[5] != '>' {
		return 0, false
	}
	v, err := strconv.ParseUint(s[3:5], 16, 8)
	return byte(v), err == nil
}

// joinByteFallback joins runs of byte tokens. A run that is not UTF-8 as a whole
// becomes one U+FFFD for each byte.
func joinByteFallback(tokens []string) []string {
	var out []string
	var run []byte
	flush := func() {
		switch {
		case len(run) == 0:
		case utf8.Valid(run):
			out = append(out, string(run))
		default:
			out = append(out, strings.Repeat("\ufffd", len(run)))
		}
		run = run[:0]
	}
	for _, s := range tokens {
		if b, ok := fallbackByte(s); ok {
			run = append(run, b)
			continue
		}
		flush()
		out = append(out, s)
	}
	flush()
	return out
}

// stripContent removes up to start and stop copies of c from the two ends.
func stripContent(s, c string, start, stop int) string {
	for ; start > 0 && strings.HasPrefix(s, c); start-- {
		s = s[len(c):]
	}
	for ; stop > 0 && strings.HasSuffix(s, c); stop-- {
		s = s[:len(s)-len(c)]
	}
	return s
}

// wordPieceCleanup undoes the spaces BERT's pre-tokenizer put before punctuation; the
// odd "do not" entry is the original's.
var wordPieceCleanup = [][2]string{{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"},
	{" n't", "n't"}, {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}}

func joinWordPiece(i int, s, prefix string, cleanup bool) string {
	if i > 0 {
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			s = rest
		} else {
			s = " " + s
		}
	}
	if cleanup {
		for _, r := range wordPieceCleanup {
			s = strings.ReplaceAll(s, r[0], r[1])
		}
	}
	return s
}
