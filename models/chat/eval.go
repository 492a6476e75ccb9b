package chat

import (
	"strings"
)

// eval computes an expression.
func (s *state) eval(x expr) any {
	if c, ok := x.(constant); ok {
		return c.value
	}
	s.step(1)
	s.enter()
	v := x.eval(s)
	s.leave()
	return v
}

func (s *state) evalAll(items []expr) []any {
	s.allocItems(len(items))
	out := make([]any, len(items))
	for i, x := range items {
		out[i] = s.eval(x)
	}
	return out
}

func (n constant) eval(*state) any { return n.value }

func (n *name) eval(s *state) any {
	if v, ok := s.scope.lookup(n.id); ok {
		return v
	}
	if v, ok := s.vars[n.id]; ok {
		return v
	}
	if v, ok := globals[n.id]; ok {
		return v
	}
	return &undefined{"'" + n.id + "' is undefined"}
}

func (n *listExpr) eval(s *state) any  { return &list{s.evalAll(n.items)} }
func (n *tupleExpr) eval(s *state) any { return &tuple{items: s.evalAll(n.items)} }

func (n *dictExpr) eval(s *state) any {
	s.allocItems(6 * len(n.keys))
	d := newDict()
	for i, k := range n.keys {
		key := s.eval(k)
		s.scan(key)
		if !d.set(key, s.eval(n.vals[i])) {
			s.line = n.line
			s.fail("unhashable type: '%s'", pythonType(key))
		}
	}
	return d
}

func (n *unary) eval(s *state) any {
	v := s.eval(n.x)
	if n.op == "not" {
		return !truth(v)
	}
	s.line = n.line
	return s.negate(n.op, v)
}

func (n *binary) eval(s *state) any {
	l := s.eval(n.l)
	r := s.eval(n.r)
	s.line = n.line
	return s.binary(n.op, l, r)
}

func (n *logical) eval(s *state) any {
	l := s.eval(n.l)
	if truth(l) != n.and {
		return l
	}
	return s.eval(n.r)
}

func (n *concat) eval(s *state) any {
	var b strings.Builder
	for _, x := range n.items {
		t := s.str(s.eval(x))
		s.alloc(len(t))
		b.WriteString(t)
	}
	s.alloc(b.Len())
	return b.String()
}

func (n *compare) eval(s *state) any {
	l := s.eval(n.first)
	for i, op := range n.ops {
		r := s.eval(n.rest[i])
		s.line = n.line
		if !s.compare(op, l, r) {
			return false
		}
		l = r
	}
	return true
}

// compare computes l op r for a comparison operator.
func (s *state) compare(op string, l, r any) bool {
	switch op {
	case "==":
		return s.equal(l, r)
	case "!=":
		return !s.equal(l, r)
	case "in":
		return s.contains(r, l)
	case "not in":
		return !s.contains(r, l)
	}
	return s.ordered(op, l, r)
}

func (n *condExpr) eval(s *state) any {
	if truth(s.eval(n.test)) {
		return s.eval(n.then)
	}
	if n.alt == nil {
		return &undefined{"the inline if-expression was false and has no else"}
	}
	return s.eval(n.alt)
}

func (n *getAttr) eval(s *state) any {
	v := s.eval(n.x)
	s.line = n.line
	return s.attribute(v, n.attr)
}

func (n *getItem) eval(s *state) any {
	v := s.eval(n.x)
	key := s.eval(n.key)
	s.line = n.line
	return s.item(v, key)
}

// attribute is v.attr: a method or attribute, or else an item.
func (s *state) attribute(v any, attr string) any {
	s.defined(v)
	if a, ok := s.method(v, attr); ok {
		return a
	}
	if item, ok := s.index(v, attr); ok {
		return item
	}
	return noAttribute(v, attr)
}

// item is v[key]: an item, or else a method or attribute.
func (s *state) item(v, key any) any {
	s.defined(v)
	s.scan(v, key)
	if item, ok := s.index(v, key); ok {
		return item
	}
	attr, ok := text(key)
	if !ok {
		return &undefined{objectType(v) + " has no such element"}
	}
	return s.methodOf(v, attr)
}

// methodOf is a method or attribute, and no item.
func (s *state) methodOf(v any, attr string) any {
	if a, ok := s.method(v, attr); ok {
		return a
	}
	return noAttribute(v, attr)
}

func noAttribute(v any, attr string) any {
	return &undefined{"'" + objectType(v) + "' has no attribute '" + attr + "'"}
}

func objectType(v any) string {
	if v == nil {
		return "None"
	}
	return pythonType(v) + " object"
}

// index is what Python's v[key] gives; ok is false where that raises.
func (s *state) index(v, key any) (item any, ok bool) {
	if d, isDict := v.(*dict); isDict {
		return d.get(key)
	}
	i, isInt := integer(key)
	n, sized := length(v)
	if !isInt || !sized {
		return nil, false
	}
	if i < 0 {
		i += int64(n)
	}
	if i < 0 || i >= int64(n) {
		return nil, false
	}
	switch v := v.(type) {
	case *list:
		return v.items[i], true
	case *tuple:
		return v.items[i], true
	case *rangeValue:
		return v.start + i*v.step, true
	case string:
		return s.substring(v, n, int(i), int(i)+1), true
	case markup:
		return markup(s.substring(string(v), n, int(i), int(i)+1)), true
	}
	return nil, false
}

// substring is the characters from start to stop of a text with n characters.
func (s *state) substring(t string, n, start, stop int) string {
	if len(t) == n {
		return t[start:stop]
	}
	s.step(len(t) / 16)
	from, to, at := len(t), len(t), 0
	for i := range t {
		if at == start {
			from = i
		}
		if at == stop {
			to = i
			break
		}
		at++
	}
	return t[from:to]
}

func (n *slice) eval(s *state) any {
	v := s.eval(n.x)
	bound := func(x expr) any {
		if x == nil {
			return nil
		}
		return s.eval(x)
	}
	start, stop, step := bound(n.start), bound(n.stop), bound(n.step)
	s.line = n.line
	s.defined(v)
	return s.slice(v, start, stop, step)
}

// slice is v[start:stop:step] with nil for what is left out.
func (s *state) slice(v, start, stop, step any) any {
	s.scan(v)
	n, _ := length(v)
	by := int64(1)
	if step != nil {
		by = s.sliceIndex(step)
	}
	if by == 0 {
		s.fail("slice step cannot be zero")
	}
	from, to := s.sliceBounds(n, start, stop, by)
	switch v := v.(type) {
	case string:
		return s.sliceText(v, n, from, to, by)
	case markup:
		return markup(s.sliceText(string(v), n, from, to, by))
	case *list:
		return &list{s.sliceItems(v.items, from, to, by)}
	case *tuple:
		return &tuple{items: s.sliceItems(v.items, from, to, by)}
	case *rangeValue:
		return &rangeValue{v.start + from*v.step, v.start + to*v.step, v.step * by}
	}
	s.fail("'%s' object cannot be sliced", pythonType(v))
	return nil
}

func (s *state) sliceIndex(v any) int64 {
	i, ok := integer(v)
	if !ok {
		s.fail("slice indices must be integers or None, not '%s'", pythonType(v))
	}
	return min(max(i, -maxRange*maxRange), maxRange*maxRange)
}

// sliceBounds are the first and the end position of a slice, as Python's
// slice.indices gives them.
func (s *state) sliceBounds(n int, start, stop any, by int64) (from, to int64) {
	low, high := int64(0), int64(n)
	if by < 0 {
		low, high = -1, int64(n)-1
	}
	clamp := func(v any, missing int64) int64 {
		if v == nil {
			return missing
		}
		i := s.sliceIndex(v)
		if i < 0 {
			i += int64(n)
		}
		return min(max(i, low), high)
	}
	if by < 0 {
		return clamp(start, high), clamp(stop, low)
	}
	return clamp(start, low), clamp(stop, high)
}

func (s *state) sliceText(t string, n int, from, to, by int64) string {
	if by == 1 {
		return s.substring(t, n, int(from), int(max(from, to)))
	}
	runes := []rune(t)
	s.alloc(4 * len(runes))
	var b strings.Builder
	for i := from; by > 0 && i < to || by < 0 && i > to; i += by {
		b.WriteRune(runes[i])
	}
	return b.String()
}

func (s *state) sliceItems(items []any, from, to, by int64) []any {
	var out []any
	for i := from; by > 0 && i < to || by < 0 && i > to; i += by {
		out = append(out, items[i])
	}
	s.allocItems(len(out))
	return out
}

func (n *filterExpr) eval(s *state) any { return n.apply(s, s.eval(n.x)) }

// apply runs the filter on v.
func (n *filterExpr) apply(s *state, v any) any {
	a := s.args(&n.args)
	s.line = n.line
	return s.filter(n.name, v, a)
}

func (s *state) filter(name string, v any, a args) any {
	return invoke(s, "filter", filters, name, v, a)
}

// invoke runs the filter or test of a table.
func invoke[T any](s *state, kind string, table map[string]func(s *state, v any, a args) T, name string, v any, a args) T {
	f, ok := table[name]
	if !ok {
		s.fail("no %s named '%s'", kind, name)
	}
	s.step(1)
	s.scan(v)
	s.scan(a.pos...)
	s.scan(a.named...)
	a.fn = name
	return f(s, v, a)
}

func (n *testExpr) eval(s *state) any {
	v := s.eval(n.x)
	a := s.args(&n.args)
	s.line = n.line
	return s.test(n.name, v, a)
}

func (s *state) test(name string, v any, a args) bool {
	return invoke(s, "test", tests, name, v, a)
}
