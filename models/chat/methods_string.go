package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// stringMethods are the methods of Python's str.
var stringMethods map[string]func(s *state, t string, a args) any

func init() {
	stringMethods = map[string]func(s *state, t string, a args) any{
		"upper":      plain(upper),
		"lower":      plain(lower),
		"title":      plain(title),
		"capitalize": plain(capitalize),
		"swapcase":   plain(swapcase),
		"islower":    check(func(t string) bool { return hasCase(t, isLower) }),
		"isupper":    check(func(t string) bool { return hasCase(t, isUpper) }),
		"isalpha":    check(func(t string) bool { return all(t, unicode.IsLetter) }),
		"isalnum": check(func(t string) bool {
			return all(t, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })
		}),
		"isdigit":   check(func(t string) bool { return all(t, isDigit) }),
		"isdecimal": check(func(t string) bool { return all(t, unicode.IsDigit) }),
		"isspace":   check(func(t string) bool { return all(t, isSpace) }),
		"isascii":   check(isASCII),
		"isprintable": check(func(t string) bool {
			return t == "" || all(t, unicode.IsPrint)
		}),
		"strip":        strip(true, true),
		"lstrip":       strip(true, false),
		"rstrip":       strip(false, true),
		"split":        split(splitText, splitSpace),
		"rsplit":       split(rsplitText, rsplitSpace),
		"splitlines":   methodSplitLines,
		"partition":    methodPartition,
		"rpartition":   methodRPartition,
		"startswith":   affix(strings.HasPrefix),
		"endswith":     affix(strings.HasSuffix),
		"removeprefix": cutAffix(strings.TrimPrefix),
		"removesuffix": cutAffix(strings.TrimSuffix),
		"replace":      methodReplace,
		"join":         methodJoin,
		"find":         find(strings.Index, false),
		"rfind":        find(strings.LastIndex, false),
		"index":        find(strings.Index, true),
		"rindex":       find(strings.LastIndex, true),
		"count":        methodCount,
		"center":       pad(func(n, width int) int { return n/2 + n&width&1 }),
		"ljust":        pad(func(n, width int) int { return 0 }),
		"rjust":        pad(func(n, width int) int { return n }),
		"zfill":        methodZfill,
		"format":       methodFormat,
		"format_map":   methodFormatMap,
	}
}

// isDigit is Python's str.isdigit of one character.
func isDigit(r rune) bool {
	return unicode.IsDigit(r) || strings.ContainsRune("²³¹⁰⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉①②③④⑤⑥⑦⑧⑨", r)
}

func plain(f func(t string) string) func(s *state, t string, a args) any {
	return func(s *state, t string, a args) any {
		a.bind(s)
		out := f(t)
		s.alloc(len(out))
		return out
	}
}

func check(f func(t string) bool) func(s *state, t string, a args) any {
	return func(s *state, t string, a args) any {
		a.bind(s)
		return f(t)
	}
}

func strip(left, right bool) func(s *state, t string, a args) any {
	return func(s *state, t string, a args) any {
		cut := isSpace
		if chars := a.bind(s, "chars?")[0]; given(chars) && chars != nil {
			set := a.textArg(s, chars)
			s.step(len(set) / 16)
			cut = func(r rune) bool { return strings.ContainsRune(set, r) }
		}
		if left {
			t = strings.TrimLeftFunc(t, cut)
		}
		if right {
			t = strings.TrimRightFunc(t, cut)
		}
		return t
	}
}

// texts is a list of strings as a value.
func (s *state) texts(parts []string) *list {
	s.allocItems(2 * len(parts))
	l := &list{make([]any, len(parts))}
	for i, p := range parts {
		l.items[i] = p
	}
	return l
}

func split(bySep func(t, sep string, limit int64) []string, bySpace func(t string, limit int64) []string) func(s *state, t string, a args) any {
	return func(s *state, t string, a args) any {
		p := a.bind(s, "sep?", "maxsplit?")
		limit := a.intOr(s, p[1], -1)
		if !given(p[0]) || p[0] == nil {
			return s.texts(bySpace(t, limit))
		}
		sep := a.textArg(s, p[0])
		if sep == "" {
			s.fail("%s: empty separator", a.fn)
		}
		return s.texts(bySep(t, sep, limit))
	}
}

func methodSplitLines(s *state, t string, a args) any {
	return s.texts(splitLines(t, truthOr(a.bind(s, "keepends?")[0], false)))
}

func separator(s *state, a args) string {
	sep := a.textArg(s, a.bind(s, "sep")[0])
	if sep == "" {
		s.fail("%s: empty separator", a.fn)
	}
	return sep
}

func methodPartition(s *state, t string, a args) any {
	sep := separator(s, a)
	before, after, found := strings.Cut(t, sep)
	if !found {
		sep = ""
	}
	return &tuple{items: []any{before, sep, after}}
}

func methodRPartition(s *state, t string, a args) any {
	sep := separator(s, a)
	i := strings.LastIndex(t, sep)
	if i < 0 {
		return &tuple{items: []any{"", "", t}}
	}
	return &tuple{items: []any{t[:i], sep, t[i+len(sep):]}}
}

// clip is the part of t between two optional positions, with the first one's number.
func (s *state) clip(t string, start, stop any) (part string, at int, ok bool) {
	if !given(start) && !given(stop) {
		return t, 0, true
	}
	n := utf8.RuneCountInString(t)
	from, to := s.sliceBounds(n, orNil(start), orNil(stop), 1)
	if i, isInt := integer(start); isInt && i > int64(n) || from > to {
		return "", 0, false
	}
	return s.substring(t, n, int(from), int(to)), int(from), true
}

func affix(has func(t, affix string) bool) func(s *state, t string, a args) any {
	return func(s *state, t string, a args) any {
		p := a.bind(s, "affix", "start?", "end?")
		part, _, ok := s.clip(t, p[1], p[2])
		affixes := []any{p[0]}
		if several, isTuple := p[0].(*tuple); isTuple {
			affixes = several.items
		}
		for _, x := range affixes {
			if has(part, a.textArg(s, x)) && ok {
				return true
			}
		}
		return false
	}
}

func cutAffix(cut func(t, affix string) string) func(s *state, t string, a args) any {
	return func(s *state, t string, a args) any { return cut(t, a.textArg(s, a.bind(s, "affix")[0])) }
}

func methodReplace(s *state, t string, a args) any {
	p := a.bind(s, "old", "new", "count?")
	return s.replace(t, a.textArg(s, p[0]), a.textArg(s, p[1]), a.intOr(s, p[2], -1))
}

// replace replaces the first count occurrences, or all.
func (s *state) replace(t, old, new string, count int64) string {
	n := int64(strings.Count(t, old))
	if count >= 0 {
		n = min(n, count)
	}
	s.alloc(len(t) + int(n)*max(len(new)-len(old), 0))
	return strings.Replace(t, old, new, int(n))
}

func methodJoin(s *state, t string, a args) any {
	items := s.items(a.bind(s, "iterable")[0])
	parts := make([]string, len(items))
	size := 0
	for i, item := range items {
		p, ok := text(item)
		if !ok {
			s.fail("%s: item %d is '%s', not a string", a.fn, i, pythonType(item))
		}
		parts[i] = p
		size += len(p) + len(t)
	}
	s.alloc(size)
	return strings.Join(parts, t)
}

func find(index func(t, sub string) int, must bool) func(s *state, t string, a args) any {
	return func(s *state, t string, a args) any {
		p := a.bind(s, "sub", "start?", "end?")
		sub := a.textArg(s, p[0])
		part, at, ok := s.clip(t, p[1], p[2])
		i := -1
		if ok {
			i = index(part, sub)
		}
		if i >= 0 {
			return int64(at + utf8.RuneCountInString(part[:i]))
		}
		if must {
			s.fail("%s: substring not found", a.fn)
		}
		return int64(-1)
	}
}

func methodCount(s *state, t string, a args) any {
	p := a.bind(s, "sub", "start?", "end?")
	sub := a.textArg(s, p[0])
	part, _, ok := s.clip(t, p[1], p[2])
	if !ok {
		return int64(0)
	}
	return int64(strings.Count(part, sub))
}

// pad makes ljust, rjust and center; left is how many of n fills go before the text.
func pad(left func(n, width int) int) func(s *state, t string, a args) any {
	return func(s *state, t string, a args) any {
		p := a.bind(s, "width", "fillchar?")
		fill := " "
		if given(p[1]) {
			fill = a.textArg(s, p[1])
		}
		if utf8.RuneCountInString(fill) != 1 {
			s.fail("%s: the fill must be exactly one character", a.fn)
		}
		width := a.intOr(s, p[0], 0)
		n := width - int64(utf8.RuneCountInString(t))
		if n <= 0 {
			return t
		}
		s.alloc(len(t) + int(min(n, maxText+1))*len(fill))
		before := left(int(n), int(width))
		return strings.Repeat(fill, before) + t + strings.Repeat(fill, int(n)-before)
	}
}

func methodZfill(s *state, t string, a args) any {
	n := a.intOr(s, a.bind(s, "width")[0], 0) - int64(utf8.RuneCountInString(t))
	if n <= 0 {
		return t
	}
	s.alloc(len(t) + int(min(n, maxText+1)))
	sign := ""
	if t != "" && (t[0] == '+' || t[0] == '-') {
		sign, t = t[:1], t[1:]
	}
	return sign + strings.Repeat("0", int(n)) + t
}
