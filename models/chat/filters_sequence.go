package chat

import (
	"slices"
	"strconv"
	"strings"
)

// getter makes a function that looks up an attribute: a name, names with dots between
// them, a number, or nil for the item itself. standard, unless nil, replaces what is
// undefined.
func (s *state) getter(attribute, standard any) func(item any) any {
	var parts []any
	if t, ok := text(attribute); ok {
		for _, part := range strings.Split(t, ".") {
			if all(part, isDigit) {
				if i, err := strconv.ParseInt(part, 10, 64); err == nil {
					parts = append(parts, i)
					continue
				}
			}
			parts = append(parts, part)
		}
	} else if attribute != nil {
		parts = []any{attribute}
	}
	return func(item any) any {
		for _, part := range parts {
			s.step(1)
			item = s.item(item, part)
			if _, missing := item.(*undefined); missing && standard != nil {
				item = standard
			}
		}
		return item
	}
}

// caseKey lowers texts unless case matters.
func (s *state) caseKey(v any, sensitive bool) any {
	if t, ok := text(v); ok && !sensitive {
		s.alloc(len(t))
		return lower(t)
	}
	return v
}

// order compares for sorting: Python's sort asks for < only.
func (s *state) order(l, r any) int {
	switch {
	case s.ordered("<", l, r):
		return -1
	case s.ordered("<", r, l):
		return 1
	}
	return 0
}

// sorted sorts items by their keys, stable in both directions.
func (s *state) sorted(items, keys []any, reverse bool) []any {
	s.allocItems(2 * len(items))
	at := make([]int, len(items))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(i, j int) int {
		if reverse {
			return s.order(keys[j], keys[i])
		}
		return s.order(keys[i], keys[j])
	})
	out := make([]any, len(items))
	for i, k := range at {
		out[i] = items[k]
	}
	return out
}

func filterList(s *state, v any, a args) any {
	a.bind(s)
	return &list{s.concatItems(s.items(v), nil)}
}

func filterFirst(s *state, v any, a args) any {
	a.bind(s)
	items := s.items(v)
	if len(items) == 0 {
		return &undefined{"no first item, sequence was empty"}
	}
	if g, ok := v.(*generator); ok {
		g.items = items[1:]
	}
	return items[0]
}

// reversible fails for what Python's reversed() does not take.
func (s *state) reversible(v any) bool {
	switch v := v.(type) {
	case *generator, nil, bool, int64, float64, *namespace, *macro:
		return false
	case *undefined:
		s.fail("%s", v.msg)
	}
	return true
}

func filterLast(s *state, v any, a args) any {
	a.bind(s)
	if !s.reversible(v) {
		s.fail("last: '%s' object is not reversible", pythonType(v))
	}
	items := s.items(v)
	if len(items) == 0 {
		return &undefined{"no last item, sequence was empty"}
	}
	return items[len(items)-1]
}

func filterReverse(s *state, v any, a args) any {
	a.bind(s)
	if t, ok := text(v); ok {
		return like(v, s.slice(t, nil, nil, int64(-1)).(string))
	}
	fill := func() []any {
		items := s.concatItems(s.items(v), nil)
		slices.Reverse(items)
		return items
	}
	if s.reversible(v) {
		return &generator{kind: "reversed", fill: fill}
	}
	return &list{fill()}
}

func filterJoin(s *state, v any, a args) any {
	p := a.bind(s, "d?", "attribute?")
	sep := ""
	if given(p[0]) {
		sep = s.str(p[0])
	}
	get := s.getter(orNil(p[1]), nil)
	var b strings.Builder
	for i, item := range s.items(v) {
		t := s.str(get(item))
		s.alloc(len(t) + len(sep))
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(t)
		s.fits(b.Len())
	}
	return b.String()
}

func filterItems(s *state, v any, a args) any {
	a.bind(s)
	return &generator{kind: "generator", fill: func() []any {
		switch v := v.(type) {
		case *undefined:
			return nil
		case *dict:
			return s.viewItems(&view{"dict_items", v})
		}
		s.fail("items: '%s' is no mapping", pythonType(v))
		return nil
	}}
}

func filterDictSort(s *state, v any, a args) any {
	p := a.bind(s, "case_sensitive?", "by?", "reverse?")
	by := "key"
	if given(p[1]) {
		by = a.textArg(s, p[1])
	}
	s.defined(v)
	d, ok := v.(*dict)
	if !ok {
		s.fail("dictsort: '%s' is no mapping", pythonType(v))
	}
	source := d.keys
	switch by {
	case "key":
	case "value":
		source = d.vals
	default:
		s.fail("dictsort: by is %q, not key or value", by)
	}
	keys := make([]any, len(source))
	for i, k := range source {
		keys[i] = s.caseKey(k, truthOr(p[0], false))
	}
	return &list{s.sorted(s.viewItems(&view{"dict_items", d}), keys, truthOr(p[2], false))}
}

func filterSort(s *state, v any, a args) any {
	p := a.bind(s, "reverse?", "case_sensitive?", "attribute?")
	var gets []func(any) any
	if t, ok := text(p[2]); ok {
		for _, part := range strings.Split(t, ",") {
			gets = append(gets, s.getter(part, nil))
		}
	} else {
		gets = append(gets, s.getter(orNil(p[2]), nil))
	}
	items := s.items(v)
	s.allocItems(2 * len(items))
	keys := make([]any, len(items))
	for i, item := range items {
		key := &list{}
		for _, get := range gets {
			key.items = append(key.items, s.caseKey(get(item), truthOr(p[1], false)))
		}
		keys[i] = key
	}
	return &list{s.sorted(items, keys, truthOr(p[0], false))}
}

func filterUnique(s *state, v any, a args) any {
	p := a.bind(s, "case_sensitive?", "attribute?")
	return &generator{kind: "generator", fill: func() []any {
		get := s.getter(orNil(p[1]), nil)
		seen := newDict()
		for _, item := range s.items(v) {
			key := s.caseKey(get(item), truthOr(p[0], false))
			s.scan(key)
			if _, ok := seen.get(key); ok {
				continue
			}
			s.allocItems(6)
			if !seen.set(key, item) {
				s.fail("unique: unhashable type: '%s'", pythonType(key))
			}
		}
		return seen.vals
	}}
}

func filterGroupBy(s *state, v any, a args) any {
	p := a.bind(s, "attribute", "default?", "case_sensitive?")
	get := s.getter(p[0], orNil(p[1]))
	items := s.items(v)
	keys := make([]any, len(items))
	for i, item := range items {
		keys[i] = s.caseKey(get(item), truthOr(p[2], false))
	}
	out := &list{}
	var last any
	for _, item := range s.sorted(items, keys, false) {
		key := s.caseKey(get(item), truthOr(p[2], false))
		if n := len(out.items); n > 0 && s.equal(last, key) {
			group := out.items[n-1].(*tuple).items[1].(*list)
			group.items = append(group.items, item)
			continue
		}
		last = key
		s.allocItems(6)
		out.items = append(out.items, &tuple{items: []any{get(item), &list{[]any{item}}}, fields: []string{"grouper", "list"}})
	}
	return out
}

func filterBatch(s *state, v any, a args) any {
	p := a.bind(s, "linecount", "fill_with?")
	size := a.intOr(s, p[0], 0)
	if size < 1 || size > maxItems {
		s.fail("batch: a line of %d items", size)
	}
	return &generator{kind: "generator", fill: func() []any {
		var out []any
		for part := range slices.Chunk(s.concatItems(s.items(v), nil), int(size)) {
			s.allocItems(4)
			if len(part) < int(size) && orNil(p[1]) != nil {
				part = s.concatItems(part, s.repeatItems([]any{p[1]}, int(size)-len(part)))
			}
			out = append(out, &list{part})
		}
		return out
	}}
}

func filterSlice(s *state, v any, a args) any {
	p := a.bind(s, "slices", "fill_with?")
	n := int(min(a.intOr(s, p[0], 0), maxItems))
	return &generator{kind: "generator", fill: func() []any {
		items := s.concatItems(s.items(v), nil)
		if n == 0 {
			s.fail("slice: integer division or modulo by zero")
		}
		var out []any
		for i, start := 0, 0; i < n; i++ {
			size := len(items) / n
			more := i < len(items)%n
			if more {
				size++
			}
			part := items[start : start+size : start+size]
			start += size
			if fill := orNil(p[1]); fill != nil && !more {
				part = append(part, fill)
			}
			s.allocItems(4 + len(part))
			out = append(out, &list{part})
		}
		return out
	}}
}

// extreme makes min and max: the first item that no other is before by op.
func extreme(op string) func(s *state, v any, a args) any {
	return func(s *state, v any, a args) any {
		p := a.bind(s, "case_sensitive?", "attribute?")
		get := s.getter(orNil(p[1]), nil)
		var best, bestKey any = &undefined{"no aggregated item, sequence was empty"}, nil
		for i, item := range s.items(v) {
			key := s.caseKey(get(item), truthOr(p[0], false))
			if i == 0 || s.ordered(op, key, bestKey) {
				best, bestKey = item, key
			}
		}
		return best
	}
}

func filterMap(s *state, v any, a args) any {
	return &generator{kind: "generator", fill: func() []any {
		if !truth(v) {
			return nil
		}
		var f func(item any) any
		if attribute, ok := a.take("attribute"); ok && len(a.pos) == 0 {
			standard, _ := a.take("default")
			if len(a.names) > 0 {
				s.fail("map: unexpected argument '%s'", a.names[0])
			}
			f = s.getter(attribute, standard)
		} else {
			if len(a.pos) == 0 {
				s.fail("map needs a filter or an attribute")
			}
			name := a.textArg(s, a.pos[0])
			inner := args{pos: a.pos[1:], names: a.names, named: a.named}
			f = func(item any) any { return s.filter(name, item, inner) }
		}
		items := s.items(v)
		s.allocItems(len(items))
		out := make([]any, len(items))
		for i, item := range items {
			out[i] = f(item)
		}
		return out
	}}
}

// selector makes select, reject, selectattr and rejectattr.
func selector(want, byAttr bool) func(s *state, v any, a args) any {
	return func(s *state, v any, a args) any {
		return &generator{kind: "generator", fill: func() []any {
			if !truth(v) {
				return nil
			}
			pos := a.pos
			get := s.getter(nil, nil)
			if byAttr {
				if len(pos) == 0 {
					s.fail("%s needs an attribute", a.fn)
				}
				get, pos = s.getter(pos[0], nil), pos[1:]
			}
			var out []any
			for _, item := range s.items(v) {
				x := get(item)
				ok := false
				if len(pos) > 0 {
					ok = s.test(a.textArg(s, pos[0]), x, args{pos: pos[1:], names: a.names, named: a.named})
				} else {
					ok = truth(x)
				}
				if ok == want {
					out = append(out, item)
				}
			}
			s.allocItems(len(out))
			return out
		}}
	}
}
