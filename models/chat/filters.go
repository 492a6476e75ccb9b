package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// filters are jinja2's filters, and the tojson of transformers.
var filters map[string]func(s *state, v any, a args) any

func init() {
	filters = map[string]func(s *state, v any, a args) any{
		"tojson": filterToJSON,
		// Texts.
		"upper":       textFilter(upper),
		"lower":       textFilter(lower),
		"capitalize":  textFilter(capitalize),
		"title":       textFilter(titleWords),
		"trim":        viaMethod("strip"),
		"center":      filterCenter,
		"replace":     filterReplace,
		"indent":      filterIndent,
		"truncate":    filterTruncate,
		"wordcount":   filterWordCount,
		"format":      filterFormat,
		"string":      filterString,
		"escape":      filterEscape,
		"e":           filterEscape,
		"forceescape": filterForceEscape,
		"safe":        filterSafe,
		// Numbers.
		"int":   filterInt,
		"float": filterFloat,
		"round": filterRound,
		"abs":   filterAbs,
		// Any value.
		"default": filterDefault,
		"d":       filterDefault,
		"attr":    filterAttr,
		"length":  filterLength,
		"count":   filterLength,
		// Sequences.
		"list":       filterList,
		"first":      filterFirst,
		"last":       filterLast,
		"reverse":    filterReverse,
		"join":       filterJoin,
		"items":      filterItems,
		"dictsort":   filterDictSort,
		"sort":       filterSort,
		"unique":     filterUnique,
		"groupby":    filterGroupBy,
		"batch":      filterBatch,
		"slice":      filterSlice,
		"min":        extreme("<"),
		"max":        extreme(">"),
		"sum":        filterSum,
		"map":        filterMap,
		"select":     selector(true, false),
		"reject":     selector(false, false),
		"selectattr": selector(true, true),
		"rejectattr": selector(false, true),
	}
}

// textFilter makes a filter of a function of texts; markup stays markup.
func textFilter(f func(t string) string) func(s *state, v any, a args) any {
	return func(s *state, v any, a args) any {
		a.bind(s)
		v = s.soft(v)
		t, _ := text(v)
		out := f(t)
		s.alloc(len(out))
		return like(v, out)
	}
}

// like is t as markup if v is.
func like(v any, t string) any {
	if _, safe := v.(markup); safe {
		return markup(t)
	}
	return t
}

// viaMethod makes a filter of a method of strings.
func viaMethod(method string) func(s *state, v any, a args) any {
	return func(s *state, v any, a args) any {
		v = s.soft(v)
		t, _ := text(v)
		out, _ := text(stringMethods[method](s, t, a))
		return like(v, out)
	}
}

func filterCenter(s *state, v any, a args) any {
	p := a.bind(s, "width?")
	return viaMethod("center")(s, v, args{fn: a.fn, pos: []any{a.intOr(s, p[0], 80)}})
}

func filterReplace(s *state, v any, a args) any {
	p := a.bind(s, "old", "new", "count?")
	count := int64(-1)
	if given(p[2]) && p[2] != nil {
		count = a.intOr(s, p[2], -1)
	}
	return s.replace(s.str(v), s.str(p[0]), s.str(p[1]), count)
}

func filterIndent(s *state, v any, a args) any {
	p := a.bind(s, "width?", "first?", "blank?")
	t := a.textArg(s, v)
	by, ok := text(p[0])
	if !ok {
		by = strings.Repeat(" ", int(min(max(a.intOr(s, p[0], 4), 0), maxItems)))
	}
	lines := splitLines(t+"\n", false)
	s.alloc(len(t) + len(by)*len(lines))
	for i, line := range lines {
		if i > 0 && (line != "" || truthOr(p[2], false)) {
			lines[i] = by + line
		}
	}
	out := strings.Join(lines, "\n")
	if truthOr(p[1], false) {
		out = by + out
	}
	return like(v, out)
}

func filterTruncate(s *state, v any, a args) any {
	p := a.bind(s, "length?", "killwords?", "end?", "leeway?")
	t := a.textArg(s, v)
	end := "..."
	if given(p[2]) {
		end = a.textArg(s, p[2])
	}
	size := a.intOr(s, p[0], 255) - int64(utf8.RuneCountInString(end))
	leeway := int64(5)
	if given(p[3]) && p[3] != nil {
		leeway = a.intOr(s, p[3], 5)
	}
	if size < 0 || leeway < 0 {
		s.fail("truncate: the length must cover the end, and the leeway not be negative")
	}
	n := utf8.RuneCountInString(t)
	if int64(n) <= size+int64(utf8.RuneCountInString(end))+leeway {
		return v
	}
	cut := s.substring(t, n, 0, int(size))
	if !truthOr(p[1], false) {
		cut = rsplitText(cut, " ", 1)[0]
	}
	return like(v, cut+end)
}

func filterWordCount(s *state, v any, a args) any {
	a.bind(s)
	words := strings.FieldsFunc(s.str(v), func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r)
	})
	return int64(len(words))
}

func filterFormat(s *state, v any, a args) any {
	v = s.soft(v)
	t, _ := text(v)
	_, safe := v.(markup)
	switch {
	case len(a.pos) > 0 && len(a.names) > 0:
		s.fail("format: positional and keyword arguments at the same time")
	case len(a.names) > 0:
		return s.percent(t, a.dict(), safe)
	}
	return s.percent(t, &tuple{items: a.pos}, safe)
}

func filterString(s *state, v any, a args) any {
	a.bind(s)
	return s.soft(v)
}

func filterEscape(s *state, v any, a args) any {
	a.bind(s)
	return s.htmlEscape(v)
}

func filterForceEscape(s *state, v any, a args) any {
	a.bind(s)
	return s.htmlEscape(s.str(v))
}

func filterSafe(s *state, v any, a args) any {
	a.bind(s)
	return markup(s.str(v))
}

func filterDefault(s *state, v any, a args) any {
	p := a.bind(s, "default_value?", "boolean?")
	_, missing := v.(*undefined)
	if !missing && (!truthOr(p[1], false) || truth(v)) {
		return v
	}
	if !given(p[0]) {
		return ""
	}
	return p[0]
}

func filterAttr(s *state, v any, a args) any {
	attr := a.textArg(s, a.bind(s, "name")[0])
	s.defined(v)
	return s.methodOf(v, attr)
}

func filterLength(s *state, v any, a args) any {
	a.bind(s)
	n, ok := length(v)
	if !ok {
		s.fail("%s: object of type '%s' has no length", a.fn, pythonType(v))
	}
	return int64(n)
}
