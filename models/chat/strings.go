package chat

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// isASCII says that simple case mapping is all that t needs.
func isASCII(t string) bool {
	for i := range len(t) {
		if t[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// upper is Python's str.upper: ß gives SS.
func upper(t string) string {
	if isASCII(t) {
		return strings.ToUpper(t)
	}
	return cases.Upper(language.Und).String(t)
}

// lower is Python's str.lower: Σ gives σ or, at the end of a word, ς.
func lower(t string) string {
	if isASCII(t) {
		return strings.ToLower(t)
	}
	return cases.Lower(language.Und).String(t)
}

// titleRune is the title case of one character.
func titleRune(r rune) string {
	if r < utf8.RuneSelf {
		return string(unicode.ToUpper(r))
	}
	return cases.Title(language.Und, cases.NoLower).String(string(r))
}

// capitalize is Python's str.capitalize.
func capitalize(t string) string {
	r, n := utf8.DecodeRuneInString(t)
	if n == 0 {
		return ""
	}
	return titleRune(r) + lowerFrom(t, n)
}

// lowerFrom is the lower case of t[n:]; what is before decides about a final sigma.
func lowerFrom(t string, n int) string {
	if isASCII(t[n:]) {
		return strings.ToLower(t[n:])
	}
	return strings.TrimPrefix(lower("a"+t[n:]), "a")
}

// isUpper and isLower are Unicode's properties, which are wider than its categories.
func isUpper(r rune) bool { return unicode.IsUpper(r) || unicode.Is(unicode.Other_Uppercase, r) }
func isLower(r rune) bool { return unicode.IsLower(r) || unicode.Is(unicode.Other_Lowercase, r) }

// isCased says that r has upper, lower or title case.
func isCased(r rune) bool { return isUpper(r) || isLower(r) || unicode.IsTitle(r) }

// title is Python's str.title: every letter after one without case is a capital.
func title(t string) string {
	var b strings.Builder
	word := -1 // where the current run of cased letters goes on in lower case
	for i, r := range t {
		if isCased(r) {
			if word < 0 {
				b.WriteString(titleRune(r))
				word = i + utf8.RuneLen(r)
			}
			continue
		}
		if word >= 0 {
			b.WriteString(lowerFrom(t[:i], word))
			word = -1
		}
		b.WriteRune(r)
	}
	if word >= 0 {
		b.WriteString(lowerFrom(t, word))
	}
	return b.String()
}

// titleWords is jinja2's filter title, which has its own idea of a word.
func titleWords(t string) string {
	var b strings.Builder
	for len(t) > 0 {
		isBreak := func(r rune) bool { return isSpace(r) || strings.ContainsRune("-({[<", r) }
		word := strings.TrimLeftFunc(t, isBreak)
		b.WriteString(t[:len(t)-len(word)])
		end := strings.IndexFunc(word, isBreak)
		if end < 0 {
			end = len(word)
		}
		if end > 0 {
			_, n := utf8.DecodeRuneInString(word)
			b.WriteString(upper(word[:n]) + lower(word[n:end]))
		}
		t = word[end:]
	}
	return b.String()
}

func swapcase(t string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, t)
}

// hasCase is Python's str.islower and str.isupper: every cased character is one of
// wanted, and there is one.
func hasCase(t string, wanted func(r rune) bool) bool {
	found := false
	for _, r := range t {
		if isCased(r) {
			if !wanted(r) {
				return false
			}
			found = true
		}
	}
	return found
}

// all says that t is not empty and every character is one of wanted.
func all(t string, wanted func(r rune) bool) bool {
	return t != "" && strings.IndexFunc(t, func(r rune) bool { return !wanted(r) }) < 0
}

// splitText is Python's str.split(sep, limit) for a separator that is not empty.
func splitText(t, sep string, limit int64) []string {
	if limit < 0 {
		return strings.Split(t, sep)
	}
	return strings.SplitN(t, sep, int(min(limit, maxItems))+1)
}

// rsplitText is splitText from the right.
func rsplitText(t, sep string, limit int64) []string {
	parts := strings.Split(t, sep)
	if extra := len(parts) - 1; limit >= 0 && int64(extra) > limit {
		k := extra - int(limit)
		return append([]string{strings.Join(parts[:k+1], sep)}, parts[k+1:]...)
	}
	return parts
}

// splitSpace is Python's str.split(None, limit).
func splitSpace(t string, limit int64) []string {
	var out []string
	for t = strings.TrimLeftFunc(t, isSpace); t != ""; t = strings.TrimLeftFunc(t, isSpace) {
		end := strings.IndexFunc(t, isSpace)
		if end < 0 || limit >= 0 && int64(len(out)) == limit {
			return append(out, t)
		}
		out = append(out, t[:end])
		t = t[end:]
	}
	return out
}

// rsplitSpace is splitSpace from the right.
func rsplitSpace(t string, limit int64) []string {
	var out []string
	for t = strings.TrimRightFunc(t, isSpace); t != ""; t = strings.TrimRightFunc(t, isSpace) {
		start := strings.LastIndexFunc(t, isSpace)
		if start < 0 || limit >= 0 && int64(len(out)) == limit {
			out = append(out, t)
			break
		}
		_, n := utf8.DecodeRuneInString(t[start:])
		out = append(out, t[start+n:])
		t = t[:start]
	}
	slices.Reverse(out)
	return out
}

// splitLines is Python's str.splitlines.
func splitLines(t string, keep bool) []string {
	var out []string
	for t != "" {
		i := strings.IndexFunc(t, isLineEnd)
		if i < 0 {
			return append(out, t)
		}
		_, n := utf8.DecodeRuneInString(t[i:])
		if strings.HasPrefix(t[i:], "\r\n") {
			n = 2
		}
		if keep {
			out = append(out, t[:i+n])
		} else {
			out = append(out, t[:i])
		}
		t = t[i+n:]
	}
	return out
}

func isLineEnd(r rune) bool {
	return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}
