package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// This file holds the text that flows through the stages. Normalizers change
// text, but offsets refer to the caller's string, so a changed text carries one
// source span for each of its bytes.

// span is a half-open byte range.
type span struct{ start, end int }

// text is a piece of the input at some stage.
//
// align[i] is the range of source bytes that byte i of s came from. A nil align
// means that s is still a verbatim slice of the source beginning at off, or that
// nobody asked for offsets. off is where the piece begins in the source.
type text struct {
	s     string
	off   int
	align []span
}

// slice returns the piece [a, b) of t; a < b and both are on rune boundaries.
func (t text) slice(a, b int) text {
	if t.align == nil {
		return text{s: t.s[a:b], off: t.off + a}
	}
	return text{s: t.s[a:b], off: t.align[a].start, align: t.align[a:b]}
}

// source returns the source range that bytes [a, b) of t came from. A byte in
// the middle of a rune stands for the whole rune.
func (t text) source(a, b int) span {
	a, b = min(a, len(t.s)), min(b, len(t.s))
	if a >= b {
		at := t.off
		switch {
		case t.align == nil:
			at += a
		case a > 0:
			at = t.align[a-1].end
		}
		return span{at, at}
	}
	if t.align != nil {
		start := t.align[a].start
		return span{start, max(start, t.align[b-1].end)}
	}
	for a > 0 && !utf8.RuneStart(t.s[a]) {
		a--
	}
	for b < len(t.s) && !utf8.RuneStart(t.s[b]) {
		b++
	}
	return span{t.off + a, t.off + b}
}

// aligned returns t with align filled in.
func (t text) aligned() text {
	if t.align != nil {
		return t
	}
	t.align = make([]span, len(t.s))
	for i := 0; i < len(t.s); {
		_, n := utf8.DecodeRuneInString(t.s[i:])
		for k := range n {
			t.align[i+k] = span{t.off + i, t.off + i + n}
		}
		i += n
	}
	return t
}

// change is one rune of a rewritten text. by is 0 when the rune takes the place
// of the next old rune, 1 when it is inserted after the old runes used so far,
// and -k when it takes the place of the next old rune and swallows k more.
type change struct {
	r  rune
	by int
}

// rewrite replaces the whole of t by changes, after dropping the first dropped
// runes of it. An inserted rune shares the span of the byte before it. This is
// NormalizedString::transform of the Rust library, whose offsets we reproduce.
func (t text) rewrite(changes []change, dropped int, track bool) text {
	var b strings.Builder
	b.Grow(len(t.s) + 8)
	for _, c := range changes {
		b.WriteRune(c.r)
	}
	out := text{s: b.String(), off: t.off}
	if !track {
		return out
	}
	t = t.aligned()
	align := make([]span, 0, b.Len())
	pos := 0
	skip := func(runes int) {
		for ; runes > 0 && pos < len(t.s); runes-- {
			_, n := utf8.DecodeRuneInString(t.s[pos:])
			pos += n
		}
	}
	skip(dropped)
	for _, c := range changes {
		at := span{t.off, t.off}
		switch {
		case c.by > 0 && pos > 0:
			at = t.align[pos-1]
		case c.by <= 0 && pos < len(t.align):
			at = t.align[pos]
		case c.by <= 0 && pos > 0:
			at = t.align[pos-1]
		}
		if c.by <= 0 {
			skip(1 - c.by)
		}
		for range utf8.RuneLen(c.r) {
			align = append(align, at)
		}
	}
	out.align = align
	return out
}

// substitute replaces the byte ranges of matches (in order, not overlapping) by
// content. New bytes take the span of the last byte they replace.
func (t text) substitute(matches []span, content string, track bool) text {
	if len(matches) == 0 {
		return t
	}
	var b strings.Builder
	b.Grow(len(t.s) + len(matches)*len(content))
	var align []span
	if track {
		t = t.aligned()
		align = make([]span, 0, len(t.s))
	}
	last := 0
	for _, m := range matches {
		b.WriteString(t.s[last:m.start])
		b.WriteString(content)
		if track {
			align = append(align, t.align[last:m.start]...)
			at := span{t.off, t.off}
			if m.end > 0 {
				at = t.align[m.end-1]
			}
			for range len(content) {
				align = append(align, at)
			}
		}
		last = m.end
	}
	b.WriteString(t.s[last:])
	out := text{s: b.String(), off: t.off}
	if track {
		out.align = append(align, t.align[last:]...)
	}
	return out
}

// prepend puts prefix before a text that is not empty. The prefix shares the
// span of the first rune.
func (t text) prepend(prefix string, track bool) text {
	if t.s == "" {
		return t
	}
	out := text{s: prefix + t.s, off: t.off}
	if track {
		t = t.aligned()
		out.align = make([]span, 0, len(out.s))
		for range len(prefix) {
			out.align = append(out.align, t.align[0])
		}
		out.align = append(out.align, t.align...)
	}
	return out
}

// keepRunes drops the runes for which keep is false. What stays keeps its span.
func (t text) keepRunes(keep func(rune) bool, track bool) text {
	changed := strings.IndexFunc(t.s, func(r rune) bool { return !keep(r) })
	if changed < 0 {
		return t
	}
	var b strings.Builder
	var align []span
	if track {
		t = t.aligned()
	}
	for i, r := range t.s {
		if !keep(r) {
			continue
		}
		b.WriteRune(r)
		if track {
			align = append(align, t.align[i:i+utf8.RuneLen(r)]...)
		}
	}
	return text{s: b.String(), off: t.off, align: align}
}

// fromInput makes the first text of a call. Bytes that are not UTF-8 become
// U+FFFD, one for each maximal invalid part, as Rust's from_utf8_lossy has it.
func fromInput(s string, track bool) text {
	if utf8.ValidString(s) {
		return text{s: s}
	}
	t := text{}
	var b strings.Builder
	for i := 0; i < len(s); {
		n, ok := runeOrInvalid([]byte(s[i:min(i+utf8.UTFMax, len(s))]))
		part := "\ufffd"
		if ok {
			part = s[i : i+n]
		}
		b.WriteString(part)
		if track {
			for range len(part) {
				t.align = append(t.align, span{i, i + n})
			}
		}
		i += n
	}
	t.s = b.String()
	return t
}

// runeOrInvalid returns the length of the first rune of b and true, or the length
// of the maximal part that cannot be the beginning of a rune's encoding and false.
// A sequence that is valid so far but cut off by the end of b counts as invalid.
func runeOrInvalid(b []byte) (n int, ok bool) {
	if r, n := utf8.DecodeRune(b); r != utf8.RuneError || n > 1 {
		return n, true
	}
	need, lo, hi := continuation(b[0])
	k := 1
	for ; k <= need && k < len(b); k++ {
		if k > 1 {
			lo, hi = 0x80, 0xbf
		}
		if b[k] < lo || b[k] > hi {
			break
		}
	}
	return k, false
}

// continuation returns how many bytes follow the lead byte c and the range of
// the first of them (table 3-7 of the Unicode standard).
func continuation(c byte) (need int, lo, hi byte) {
	switch {
	case c >= 0xc2 && c <= 0xdf:
		return 1, 0x80, 0xbf
	case c == 0xe0:
		return 2, 0xa0, 0xbf
	case c == 0xed:
		return 2, 0x80, 0x9f
	case c >= 0xe1 && c <= 0xef:
		return 2, 0x80, 0xbf
	case c == 0xf0:
		return 3, 0x90, 0xbf
	case c >= 0xf1 && c <= 0xf3:
		return 3, 0x80, 0xbf
	case c == 0xf4:
		return 3, 0x80, 0x8f
	}
	return 0, 0x80, 0xbf
}

// lossy converts bytes to valid UTF-8 the way fromInput does.
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var sb strings.Builder
	for len(b) > 0 {
		n, ok := runeOrInvalid(b)
		if ok {
			sb.Write(b[:n])
		} else {
			sb.WriteString("\ufffd")
		}
		b = b[n:]
	}
	return sb.String()
}
