package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Stream turns generated ids into text piece by piece. Special tokens are left out.
// The pieces together are what Decode gives for all ids, except that a run of byte
// tokens that breaks off is judged character by character, because what is printed
// cannot be taken back. A Stream serves one goroutine.
type Stream struct {
	t    *Tokenizer
	join decoderKind // how bytes are joined into strings
	pre  []decoder   // the decoders before the joining one
	post []decoder   // and after it

	last    string // the token before, for decoders that treat the first one differently
	started bool
	bytes   []byte   // an incomplete character
	window  []string // strings whose text may still depend on what follows
	settled int      // how many of window are printed already
	printed string   // their text
}

// NewStream starts an empty text.
func NewStream(t *Tokenizer) *Stream {
	s := &Stream{t: t, post: t.decoders}
	for i, d := range t.decoders {
		if d.kind != plainDecoder {
			s.join, s.pre, s.post = d.kind, t.decoders[:i], t.decoders[i+1:]
			break
		}
	}
	return s
}

// Push adds an id and returns the text it completes, which may be empty. It is always
// whole characters: bytes of an unfinished one wait for the next call.
func (s *Stream) Push(id int32) string {
	tok, ok := s.t.decodable(id, true)
	if !ok {
		return ""
	}
	tok = s.prepare(tok)
	switch s.join {
	case byteLevelDecoder:
		s.bytes = appendByteLevel(s.bytes, tok)
		tok = s.complete()
	case byteFallbackDecoder:
		if b, ok := fallbackByte(tok); ok {
			s.bytes = append(s.bytes, b)
			tok = s.complete()
		} else {
			tok = s.broken() + tok
		}
	}
	return s.emit(tok)
}

// Flush ends the text and returns what was held back; an unfinished character
// becomes U+FFFD. The stream can be used for a new text afterwards.
func (s *Stream) Flush() string {
	out := s.emit(s.broken())
	rest := runDecoders(s.post, append([]string(nil), s.window...))
	if k := commonPrefix(rest, s.printed); s.settled < len(s.window) {
		out += rest[k:]
	}
	*s = *NewStream(s.t)
	return out
}

// prepare runs the decoders before the joining one on a token, with its predecessor
// in front because some decoders treat the first token differently.
func (s *Stream) prepare(tok string) string {
	if len(s.pre) == 0 {
		return tok
	}
	pair := []string{tok}
	if s.started {
		pair = []string{s.last, tok}
	}
	s.last, s.started = tok, true
	for _, d := range s.pre {
		pair = d.run(pair)
	}
	if len(pair) == 0 {
		return ""
	}
	return pair[len(pair)-1]
}

// complete takes the whole characters out of s.bytes. Bytes that no continuation can
// save become U+FFFD at once.
func (s *Stream) complete() string {
	var b strings.Builder
	for len(s.bytes) > 0 && utf8.FullRune(s.bytes) {
		n, ok := runeOrInvalid(s.bytes)
		switch {
		case ok:
			b.Write(s.bytes[:n])
		case s.join == byteFallbackDecoder:
			b.WriteString(strings.Repeat("\ufffd", n))
		default:
			b.WriteString("\ufffd")
		}
		s.bytes = append(s.bytes[:0], s.bytes[n:]...)
	}
	return b.String()
}

// broken gives up on an unfinished character.
func (s *Stream) broken() string {
	n := min(len(s.bytes), 1)
	if s.join == byteFallbackDecoder {
		n = len(s.bytes)
	}
	s.bytes = s.bytes[:0]
	return strings.Repeat("\ufffd", n)
}

// emit adds a string to the window and returns the text that is new. The window keeps
// the last printed strings, so that the decoders see no false beginning of text.
func (s *Stream) emit(str string) string {
	if str == "" {
		return ""
	}
	if len(s.post) == 0 && s.t.decoders != nil {
		return str
	}
	s.window = append(s.window, str)
	all := runDecoders(s.post, append([]string(nil), s.window...))
	if len(all) <= len(s.printed) || !strings.HasPrefix(all, s.printed) {
		return ""
	}
	fresh := all[len(s.printed):]
	s.window = append(s.window[:0], s.window[s.settled:]...)
	s.settled = len(s.window)
	s.printed = runDecoders(s.post, append([]string(nil), s.window...))
	return fresh
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return n
}
