package tokenizer

import "unicode/utf8"

// GPT-2's byte-level alphabet gives every byte a printable rune, so that a
// vocabulary can be written as text: printable Latin-1 stays, the rest moves
// to U+0100 and up.

var byteRune = func() (t [256]rune) {
	next := rune(256)
	for b := range t {
		if r := rune(b); r > ' ' && r < 0x7f || r > 0xa0 && r != 0xad {
			t[b] = r
		} else {
			t[b] = next
			next++
		}
	}
	return t
}()

// runeByte is the inverse of byteRune; -1 where there is none.
var runeByte = func() (t [324]int16) {
	for i := range t {
		t[i] = -1
	}
	for b, r := range byteRune {
		t[r] = int16(b)
	}
	return t
}()

// appendBytes appends the bytes a byte-level token stands for, or returns false
// when a rune of it is outside the alphabet.
func appendBytes(dst []byte, token string) ([]byte, bool) {
	start := len(dst)
	for _, r := range token {
		if int(r) >= len(runeByte) || runeByte[r] < 0 {
			return dst[:start], false
		}
		dst = append(dst, byte(runeByte[r]))
	}
	return dst, true
}

// byteLevelText rewrites a text into the byte-level alphabet.
func byteLevelText(t text, track bool) text {
	changes := make([]change, 0, len(t.s))
	for i := 0; i < len(t.s); i++ {
		by := 0
		if !utf8.RuneStart(t.s[i]) {
			by = 1
		}
		changes = append(changes, change{byteRune[t.s[i]], by})
	}
	return t.rewrite(changes, 0, track)
}
