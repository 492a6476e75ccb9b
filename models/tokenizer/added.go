package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// addedToken is one entry of added_tokens: a token found in the text before the
// model sees it.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // only between non-word characters
	Lstrip     bool   `json:"lstrip"`      // takes the white space before it
	Rstrip     bool   `json:"rstrip"`      // takes the white space after it
	Normalized bool   `json:"normalized"`  // looked for after the normalizer
	Special    bool   `json:"special"`     // left out by Decode with skipSpecial

	match string // what to look for
}

// matcher finds added tokens, leftmost first and the longest of those.
type matcher struct {
	byText  map[string]*addedToken
	lengths [256][]int // by first byte, the lengths of the tokens, longest first
	only    int        // the first byte if all tokens share it, else -1
}

func newMatcher(tokens []*addedToken) *matcher {
	m := &matcher{byText: make(map[string]*addedToken, len(tokens)), only: -1}
	for _, a := range tokens {
		if a.match == "" || m.byText[a.match] != nil {
			continue
		}
		m.byText[a.match] = a
		l := &m.lengths[a.match[0]]
		if !slices.Contains(*l, len(a.match)) {
			*l = append(*l, len(a.match))
		}
	}
	used := 0
	for b := range m.lengths {
		if len(m.lengths[b]) > 0 {
			slices.SortFunc(m.lengths[b], func(x, y int) int { return y - x })
			used++
			m.only = b
		}
	}
	if used != 1 {
		m.only = -1
	}
	return m
}

// next returns the first token in s at or after from.
func (m *matcher) next(s string, from int) (int, *addedToken) {
	if len(m.byText) == 0 {
		return -1, nil
	}
	for i := from; i < len(s); i++ {
		if m.only >= 0 {
			k := strings.IndexByte(s[i:], byte(m.only))
			if k < 0 {
				break
			}
			i += k
		}
		for _, n := range m.lengths[s[i]] {
			if i+n > len(s) {
				continue
			}
			if a := m.byText[s[i:i+n]]; a != nil {
				return i, a
			}
		}
	}
	return -1, nil
}

// section is a range of a text; token is nil for the text between added tokens.
type section struct {
	span
	token *addedToken
}

// split appends the sections of s to dst. The order of the checks, and that a match
// refused by single_word still uses up its text, are the Rust library's.
func (m *matcher) split(s string, dst []section) []section {
	done := 0
	for from := 0; ; {
		i, a := m.next(s, from)
		if a == nil {
			break
		}
		start, end := i, i+len(a.match)
		from = end
		if a.SingleWord && (endsInWord(s[:start]) || startsWithWord(s[end:])) {
			continue
		}
		if a.Lstrip {
			start = max(len(strings.TrimRightFunc(s[:start], isSpace)), done)
		}
		if a.Rstrip {
			end = len(s) - len(strings.TrimLeftFunc(s[end:], isSpace))
		}
		if end <= start {
			continue // an rstrip before took all of it
		}
		if done < start {
			dst = append(dst, section{span: span{done, start}})
		}
		dst = append(dst, section{span{start, end}, a})
		done = end
	}
	if done < len(s) {
		dst = append(dst, section{span: span{done, len(s)}})
	}
	return dst
}

func endsInWord(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 0 && isWord(r)
}

func startsWithWord(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && isWord(r)
}
