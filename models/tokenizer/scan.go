package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// This file holds hand-written scanners for the split patterns nearly every
// byte-level tokenizer uses. They accept exactly what the regular expressions
// beside them accept and run several times faster.

const (
	// PatternGPT2 is the split pattern of GPT-2 and of pre-tokenizer ByteLevel.
	PatternGPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	// PatternLlama3 is the split pattern of Llama 3 and of GPT-4.
	PatternLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	// PatternQwen2 is the split pattern of Qwen 2 and 3: single digits.
	PatternQwen2 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// scanner returns the end of the word that begins at s[i]; i < len(s).
type scanner func(s string, i int) int

// scannerFor returns the scanner of a known pattern, else nil.
func scannerFor(pattern string) scanner {
	switch pattern {
	case PatternGPT2:
		return scanGPT2
	case PatternLlama3:
		return func(s string, i int) int { return scanCL100K(s, i, 3) }
	case PatternQwen2:
		return func(s string, i int) int { return scanCL100K(s, i, 1) }
	}
	return nil
}

// contraction returns the length of 's 't 'm 'd 're 've 'll after the apostrophe,
// 0 if there is none. Without case U+017F (long s) equals s.
func contraction(s string, foldCase bool) int {
	if s == "" {
		return 0
	}
	low := func(b byte) byte {
		if foldCase && b >= 'A' && b <= 'Z' {
			return b | 32
		}
		return b
	}
	c := low(s[0])
	switch c {
	case 's', 't', 'm', 'd':
		return 1
	}
	if foldCase && strings.HasPrefix(s, "ſ") {
		return len("ſ")
	}
	if len(s) > 1 {
		d := low(s[1])
		if (c == 'r' || c == 'v') && d == 'e' || c == 'l' && d == 'l' {
			return 2
		}
	}
	return 0
}

// runEnd returns the end of the run of runes from s[i] on that accept holds for.
func runEnd(s string, i int, accept func(rune) bool) int {
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !accept(r) {
			break
		}
		i += n
	}
	return i
}

// spaceEnd is \s+(?!\S)|\s+ at white space s[i]: a run before a word leaves its last
// space to the word.
func spaceEnd(s string, i int) int {
	j, last := i, i
	for j < len(s) {
		r, n := utf8.DecodeRuneInString(s[j:])
		if !isSpace(r) {
			break
		}
		last = j
		j += n
	}
	if j < len(s) && last > i {
		return last
	}
	return j
}

// isSymbol is [^\s\p{L}\p{N}].
func isSymbol(r rune) bool { return !isSpace(r) && !isLetter(r) && !isNumber(r) }

func scanGPT2(s string, i int) int {
	if s[i] == '\'' {
		if k := contraction(s[i+1:], false); k > 0 {
			return i + 1 + k
		}
	}
	j := i
	if s[i] == ' ' && i+1 < len(s) {
		j++
	}
	switch r, _ := utf8.DecodeRuneInString(s[j:]); {
	case isLetter(r):
		return runEnd(s, j, isLetter)
	case isNumber(r):
		return runEnd(s, j, isNumber)
	case !isSpace(r):
		return runEnd(s, j, isSymbol)
	}
	return spaceEnd(s, i)
}

// scanCL100K is PatternLlama3 with at most digits numbers in a word.
func scanCL100K(s string, i, digits int) int {
	if s[i] == '\'' {
		if k := contraction(s[i+1:], true); k > 0 {
			return i + 1 + k
		}
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	letter, number := isLetter(r), isNumber(r)
	j := i
	if !letter && !number && r != '\r' && r != '\n' {
		j += n
	}
	if end := runEnd(s, j, isLetter); end > j {
		return end
	}
	if number {
		j = i + n
		for k := 1; k < digits && j < len(s); k++ {
			r2, n2 := utf8.DecodeRuneInString(s[j:])
			if !isNumber(r2) {
				break
			}
			j += n2
		}
		return j
	}
	j = i
	if r == ' ' {
		j++
	}
	if end := runEnd(s, j, isSymbol); end > j {
		for end < len(s) && (s[end] == '\r' || s[end] == '\n') {
			end++
		}
		return end
	}
	// \s*[\r\n]+ ends behind the last line end of the white space.
	end := runEnd(s, i, isSpace)
	if k := strings.LastIndexAny(s[i:end], "\r\n"); k >= 0 {
		return i + k + 1
	}
	return spaceEnd(s, i)
}
