package chat

import (
	"slices"
	"strings"
)

// method is an attribute that Python's type of v has; ok is false if there is none.
// The sandbox hides methods that would change a list or a dict, and private names.
func (s *state) method(v any, attr string) (any, bool) {
	if ns, ok := v.(*namespace); ok {
		return ns.d.get(attr)
	}
	if strings.HasPrefix(attr, "__") && strings.HasSuffix(attr, "__") {
		return unsafeAttr(v, attr), true
	}
	switch v := v.(type) {
	case string, markup:
		return stringMethod(v, attr)
	case *list:
		if slices.Contains([]string{"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"}, attr) {
			return unsafeAttr(v, attr), true
		}
		if attr == "copy" {
			return bound("list.copy", func(s *state, a args) any {
				a.bind(s)
				return &list{s.concatItems(v.items, nil)}
			}), true
		}
		return sequenceMethod(v.items, attr)
	case *tuple:
		if i := slices.Index(v.fields, attr); i >= 0 {
			return v.items[i], true
		}
		return sequenceMethod(v.items, attr)
	case *dict:
		return dictMethod(v, attr)
	case *rangeValue:
		bounds := map[string]any{"start": v.start, "stop": v.stop, "step": v.step}
		a, ok := bounds[attr]
		return a, ok
	case *loopValue:
		return s.loopAttr(v, attr)
	case *cycler:
		return cyclerAttr(v, attr)
	case *macro:
		return macroAttr(v, attr)
	}
	return nil, false
}

func unsafeAttr(v any, attr string) *undefined {
	return &undefined{"access to attribute '" + attr + "' of '" + pythonType(v) + "' object is unsafe"}
}

// bound is a method as a value.
func bound(name string, call func(s *state, a args) any) any { return function{name, call} }

// unsupported is a method that exists in Python, but not here.
func unsupported(name string) any {
	return bound(name, func(s *state, _ args) any {
		s.fail("%s is not supported", name)
		return nil
	})
}

func sequenceMethod(items []any, attr string) (any, bool) {
	switch attr {
	case "count":
		return bound(attr, func(s *state, a args) any {
			want, n := a.bind(s, "value")[0], int64(0)
			for _, item := range items {
				if s.same(item, want) || s.equal(item, want) {
					n++
				}
			}
			return n
		}), true
	case "index":
		return bound(attr, func(s *state, a args) any {
			p := a.bind(s, "value", "start?", "stop?")
			from, to := s.sliceBounds(len(items), orNil(p[1]), orNil(p[2]), 1)
			for i := from; i < to; i++ {
				if s.same(items[i], p[0]) || s.equal(items[i], p[0]) {
					return i
				}
			}
			s.fail("the value is not in the list")
			return nil
		}), true
	}
	return nil, false
}

// orNil is None for an argument that was not given.
func orNil(v any) any {
	if !given(v) {
		return nil
	}
	return v
}

func dictMethod(d *dict, attr string) (any, bool) {
	switch attr {
	case "get":
		return bound("dict.get", func(s *state, a args) any {
			p := a.bind(s, "key", "default?")
			if i, ok := d.index[s.hash(p[0])]; ok {
				return d.vals[i]
			}
			return orNil(p[1])
		}), true
	case "keys", "values", "items":
		return bound("dict."+attr, func(s *state, a args) any {
			a.bind(s)
			return &view{"dict_" + attr, d}
		}), true
	case "copy":
		return bound("dict.copy", func(s *state, a args) any {
			a.bind(s)
			return s.clone(d)
		}), true
	case "fromkeys":
		return unsupported("dict.fromkeys"), true
	case "clear", "pop", "popitem", "setdefault", "update":
		return unsafeAttr(d, attr), true
	}
	return nil, false
}

// loopAttr is an attribute of the variable loop.
func (s *state) loopAttr(l *loopValue, attr string) (any, bool) {
	n, i := int64(len(l.items)), int64(l.index)
	switch attr {
	case "index":
		return i + 1, true
	case "index0":
		return i, true
	case "revindex":
		return n - i, true
	case "revindex0":
		return n - i - 1, true
	case "first":
		return i == 0, true
	case "last":
		return i == n-1, true
	case "length":
		return n, true
	case "depth":
		return int64(l.depth) + 1, true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		if i == 0 {
			return &undefined{"there is no previous item"}, true
		}
		return l.items[i-1], true
	case "nextitem":
		if i == n-1 {
			return &undefined{"there is no next item"}, true
		}
		return l.items[i+1], true
	case "cycle":
		return bound("loop.cycle", func(s *state, a args) any {
			if len(a.pos) == 0 || len(a.names) > 0 {
				s.fail("loop.cycle: no items for cycling given")
			}
			return a.pos[l.index%len(a.pos)]
		}), true
	case "changed":
		return bound("loop.changed", func(s *state, a args) any {
			now := &tuple{items: a.pos}
			if given(l.changed) && s.equal(l.changed, now) {
				return false
			}
			l.changed = now
			return true
		}), true
	}
	return nil, false
}

func cyclerAttr(c *cycler, attr string) (any, bool) {
	switch attr {
	case "current":
		return c.items[c.pos], true
	case "next":
		return bound("cycler.next", func(s *state, a args) any {
			a.bind(s)
			v := c.items[c.pos]
			c.pos = (c.pos + 1) % len(c.items)
			return v
		}), true
	case "reset":
		return bound("cycler.reset", func(s *state, a args) any {
			a.bind(s)
			c.pos = 0
			return nil
		}), true
	}
	return nil, false
}

func macroAttr(m *macro, attr string) (any, bool) {
	switch attr {
	case "name":
		return m.def.name, true
	case "arguments":
		names := &tuple{}
		for _, p := range m.def.params {
			names.items = append(names.items, p)
		}
		return names, true
	case "catch_kwargs":
		return m.def.usesKwargs, true
	case "catch_varargs":
		return m.def.usesVarargs, true
	case "caller":
		return m.def.usesCaller, true
	}
	return nil, false
}

// otherStringMethods are those of Python's str that are not supported.
var otherStringMethods = []string{"casefold", "encode", "expandtabs", "isidentifier", "isnumeric", "istitle", "maketrans", "translate"}

// stringMethod is a method of a string. Methods of markup give markup.
func stringMethod(v any, attr string) (any, bool) {
	fn, ok := stringMethods[attr]
	if !ok {
		if slices.Contains(otherStringMethods, attr) {
			return unsupported("str." + attr), true
		}
		return nil, false
	}
	t, _ := text(v)
	_, safe := v.(markup)
	return bound("str."+attr, func(s *state, a args) any {
		s.step(len(t) / 16)
		if !safe {
			return fn(s, t, a)
		}
		if slices.Contains([]string{"join", "format", "format_map"}, attr) {
			s.fail("str.%s of escaped text is not supported", attr)
		}
		if attr == "replace" && len(a.pos) > 1 {
			a.pos = slices.Clone(a.pos)
			a.pos[1] = s.htmlEscape(a.pos[1])
		}
		return asMarkup(fn(s, t, a))
	}), true
}

// asMarkup marks texts, and those in lists, as markup.
func asMarkup(v any) any {
	switch v := v.(type) {
	case string:
		return markup(v)
	case *list:
		for i, item := range v.items {
			v.items[i] = asMarkup(item)
		}
	case *tuple:
		for i, item := range v.items {
			v.items[i] = asMarkup(item)
		}
	}
	return v
}
