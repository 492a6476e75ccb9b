package chat

import (
	"slices"
	"strings"
)

// args are the values of a call's arguments; fn names the function in errors.
type args struct {
	fn    string
	pos   []any
	names []string
	named []any
}

// missing stands for an argument that was not given.
type missing struct{}

// bind assigns arguments to parameters in their order. The name of a parameter that
// may be left out ends in "?": its value is then missing.
func (a args) bind(s *state, params ...string) []any {
	if len(a.pos) > len(params) {
		s.fail("%s takes at most %d arguments, got %d", a.fn, len(params), len(a.pos))
	}
	out := make([]any, len(params))
	for i := range out {
		out[i] = missing{}
	}
	copy(out, a.pos)
	for i, name := range a.names {
		k := slices.IndexFunc(params, func(p string) bool { return strings.TrimSuffix(p, "?") == name })
		if k < 0 {
			s.fail("%s has no argument '%s'", a.fn, name)
		}
		if out[k] != (missing{}) {
			s.fail("%s got the argument '%s' twice", a.fn, name)
		}
		out[k] = a.named[i]
	}
	for i, p := range params {
		if out[i] == (missing{}) && !strings.HasSuffix(p, "?") {
			s.fail("%s needs the argument '%s'", a.fn, p)
		}
	}
	return out
}

// take removes and returns a named argument.
func (a *args) take(name string) (any, bool) {
	i := slices.Index(a.names, name)
	if i < 0 {
		return nil, false
	}
	v := a.named[i]
	a.names = slices.Delete(slices.Clone(a.names), i, i+1)
	a.named = slices.Delete(slices.Clone(a.named), i, i+1)
	return v, true
}

// dict is the named arguments as a dict.
func (a args) dict() *dict {
	d := newDict()
	for i, name := range a.names {
		d.set(name, a.named[i])
	}
	return d
}

func given(v any) bool { return v != missing{} }

// intOr is an optional integer argument.
func (a args) intOr(s *state, v any, standard int64) int64 {
	if !given(v) {
		return standard
	}
	i, ok := integer(v)
	if !ok {
		s.defined(v)
		s.fail("%s: expected an integer, got '%s'", a.fn, pythonType(v))
	}
	return i
}

// textArg is an argument that has to be a string.
func (a args) textArg(s *state, v any) string {
	t, ok := text(v)
	if !ok {
		s.defined(v)
		s.fail("%s: expected a string, got '%s'", a.fn, pythonType(v))
	}
	return t
}

// truthOr is an optional truth value.
func truthOr(v any, standard bool) bool {
	if !given(v) {
		return standard
	}
	return truth(v)
}

// args evaluates the arguments of a call.
func (s *state) args(n *argExprs) args {
	var a args
	if len(n.pos) > 0 {
		a.pos = s.evalAll(n.pos)
	}
	for i, name := range n.names {
		a.names = append(a.names, name)
		a.named = append(a.named, s.eval(n.named[i]))
	}
	if n.star != nil {
		a.pos = append(a.pos, s.items(s.eval(n.star))...)
	}
	if n.starMap != nil {
		v := s.eval(n.starMap)
		d, ok := v.(*dict)
		if !ok {
			s.fail("argument after ** must be a mapping, not %s", pythonType(v))
		}
		for i, k := range d.keys {
			s.scan(k)
			name, ok := text(k)
			if !ok || slices.Contains(a.names, name) {
				s.fail("keys of ** must be strings, each once")
			}
			a.names = append(a.names, name)
			a.named = append(a.named, d.vals[i])
		}
	}
	return a
}

func (n *call) eval(s *state) any {
	fn := s.eval(n.fn)
	a := s.args(&n.args)
	s.line = n.line
	return s.call(fn, a)
}

// call calls v.
func (s *state) call(v any, a args) any {
	s.defined(v)
	s.step(1)
	s.enter()
	defer s.leave()
	switch fn := v.(type) {
	case function:
		s.scan(a.pos...)
		s.scan(a.named...)
		a.fn = fn.name
		return fn.call(s, a)
	case *macro:
		return s.callMacro(fn, a)
	case *loopValue:
		return fn.recurse(s, a)
	case *joiner:
		a.fn = "joiner"
		a.bind(s)
		if !fn.used {
			fn.used = true
			return ""
		}
		return fn.sep
	}
	s.fail("'%s' object is not callable", pythonType(v))
	return nil
}

// callMacro runs a macro and returns its text.
func (s *state) callMacro(m *macro, a args) any {
	def := m.def
	inner := &scope{parent: m.scope}
	line := s.line
	values := make([]any, len(def.params))
	n := copy(values, a.pos)
	for i := n; i < len(values); i++ {
		values[i] = missing{}
		if v, ok := a.take(def.params[i]); ok {
			values[i] = v
		}
	}
	s.macroExtras(def, inner, &a, n)
	outer := s.scope
	s.scope = inner
	for i, param := range def.params {
		v := values[i]
		if !given(v) {
			if k := i - len(def.params) + len(def.defaults); k >= 0 {
				v = s.eval(def.defaults[k])
			} else {
				v = &undefined{"parameter '" + param + "' was not provided"}
			}
		}
		inner.set(param, v)
	}
	t, _ := s.capture(func() control { return s.run(def.body) })
	s.scope = outer
	s.line = line
	return t
}

// macroExtras binds what a macro's body uses beside its parameters.
func (s *state) macroExtras(def *macroDef, inner *scope, a *args, taken int) {
	what := "macro '" + def.name + "'"
	if def.usesCaller && !slices.Contains(def.params, "caller") {
		caller, ok := a.take("caller")
		if !ok || caller == nil {
			caller = &undefined{"no caller defined"}
		}
		inner.set("caller", caller)
	}
	if def.usesKwargs && !slices.Contains(def.params, "kwargs") {
		inner.set("kwargs", a.dict())
	} else if len(a.names) > 0 {
		s.fail("%s takes no keyword argument '%s'", what, a.names[0])
	}
	if def.usesVarargs && !slices.Contains(def.params, "varargs") {
		inner.set("varargs", &tuple{items: a.pos[taken:]})
	} else if len(a.pos) > taken {
		s.fail("%s takes at most %d arguments, got %d", what, len(def.params), len(a.pos))
	}
}

// globals are the functions of every template.
var globals = map[string]any{
	"range":           function{"range", globalRange},
	"dict":            function{"dict", globalDict},
	"namespace":       function{"namespace", func(s *state, a args) any { return &namespace{globalDict(s, a).(*dict)} }},
	"cycler":          function{"cycler", globalCycler},
	"joiner":          function{"joiner", globalJoiner},
	"raise_exception": function{"raise_exception", raiseException},
	"strftime_now":    function{"strftime_now", strftimeNow},
	"lipsum":          unsupported("lipsum"),
	"self":            unsupported("self"),
}

func raiseException(s *state, a args) any {
	v := a.bind(s, "message")
	s.fail("%s", s.str(v[0]))
	return nil
}

func globalRange(s *state, a args) any {
	v := a.bind(s, "start", "stop?", "step?")
	r := &rangeValue{0, a.intOr(s, v[0], 0), 1}
	if given(v[1]) {
		r = &rangeValue{r.stop, a.intOr(s, v[1], 0), a.intOr(s, v[2], 1)}
	}
	if r.step == 0 {
		s.fail("range: the step is zero")
	}
	for _, i := range []int64{r.start, r.stop, r.step} {
		if i > 1<<40 || i < -1<<40 {
			s.fail("range: %d is too large", i)
		}
	}
	if r.len() > maxRange {
		s.fail("range of %d items is over the limit of %d", r.len(), maxRange)
	}
	return r
}

// globalDict makes a dict of a mapping or of pairs, and of named arguments.
func globalDict(s *state, a args) any {
	d := newDict()
	if len(a.pos) > 1 {
		s.fail("%s takes at most 1 argument, got %d", a.fn, len(a.pos))
	}
	for _, v := range a.pos {
		s.defined(v)
		if from, ok := v.(*dict); ok {
			d = s.clone(from)
			continue
		}
		for _, pair := range s.items(v) {
			kv := s.items(pair)
			s.scan(kv...)
			if len(kv) != 2 || !d.set(kv[0], kv[1]) {
				s.fail("%s needs pairs of a key and a value", a.fn)
			}
		}
	}
	for i, name := range a.names {
		d.set(name, a.named[i])
	}
	s.allocItems(6 * len(d.keys))
	return d
}

func globalCycler(s *state, a args) any {
	if len(a.pos) == 0 || len(a.names) > 0 {
		s.fail("cycler needs items")
	}
	return &cycler{items: a.pos}
}

func globalJoiner(s *state, a args) any {
	v := a.bind(s, "sep?")
	if !given(v[0]) {
		v[0] = ", "
	}
	return &joiner{sep: v[0]}
}
