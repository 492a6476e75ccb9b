package tokenizer

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// This file is the four Unicode normalization forms with offsets. x/text decides
// quickly that a text is already normal, which is nearly always; the rare rest is
// normalized rune by rune, because x/text gives no alignment and inserts U+034F
// into long runs of combining marks, which the Rust library does not.

// unicodeForm returns the normalizer of a form.
func unicodeForm(f norm.Form) normalizer {
	compat := f == norm.NFKC || f == norm.NFKD
	compose := f == norm.NFC || f == norm.NFKC
	return func(t text, track bool) text {
		if f.QuickSpanString(t.s) == len(t.s) {
			return t
		}
		changes := decompose(t.s, compat)
		if compose {
			changes = recompose(changes)
		}
		return t.rewrite(changes, 0, track)
	}
}

// combiningClass is the canonical combining class of r.
func combiningClass(r rune) uint8 {
	if r < 0x300 {
		return 0
	}
	var b [utf8.UTFMax]byte
	return norm.NFD.Properties(b[:utf8.EncodeRune(b[:], r)]).CCC()
}

// decompose returns the canonical or compatibility decomposition of s in
// canonical order. The first rune of each decomposition replaces, the others are
// inserted.
func decompose(s string, compat bool) []change {
	form := norm.NFD
	if compat {
		form = norm.NFKD
	}
	out := make([]change, 0, len(s)+8)
	starter := 0 // where the current run of marks begins in out
	sorted := true
	flush := func() {
		if !sorted {
			slices.SortStableFunc(out[starter:], func(a, b change) int {
				return int(combiningClass(a.r)) - int(combiningClass(b.r))
			})
			sorted = true
		}
	}
	push := func(c change) {
		if combiningClass(c.r) == 0 {
			flush()
			out = append(out, c)
			starter = len(out)
			return
		}
		sorted = sorted && len(out) == starter
		out = append(out, c)
	}
	for _, r := range s {
		if r < 0xa0 || unicode.Is(notYetDecomposed, r) {
			push(change{r, 0})
			continue
		}
		by := 0
		for _, d := range form.String(string(r)) {
			push(change{d, by})
			by = 1
		}
	}
	flush()
	return out
}

// composePair returns the primary composite of two runes.
func composePair(a, b rune) (rune, bool) {
	if b < 0x300 {
		return 0, false
	}
	s := norm.NFC.String(string([]rune{a, b}))
	r, n := utf8.DecodeRuneInString(s)
	return r, n == len(s) && !unicode.Is(notYetDecomposed, r)
}

// recompose is the canonical composition algorithm (UAX 15, section 1.3).
func recompose(in []change) []change {
	out := make([]change, 0, len(in))
	starter := -1 // index in out of the rune that marks may join
	last := -1    // class of the last mark kept after the starter, -1 for none
	for _, c := range in {
		class := int(combiningClass(c.r))
		if starter < 0 {
			if class == 0 {
				starter = len(out)
			}
			out = append(out, c)
			continue
		}
		if last < class { // not blocked; last is -1 right after the starter
			if r, ok := composePair(out[starter].r, c.r); ok {
				out[starter] = change{r, out[starter].by + c.by - 1}
				continue
			}
		}
		if class == 0 {
			starter, last = len(out), -1
		} else {
			last = class
		}
		out = append(out, c)
	}
	return out
}
