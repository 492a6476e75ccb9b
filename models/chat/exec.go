package chat

import (
	"fmt"
	"slices"
	"time"
)

// state is one render.
type state struct {
	t       *Template
	vars    map[string]any
	scope   *scope
	out     *output
	line    int
	depth   int
	steps   int
	bytes   int
	now     time.Time
	spans   []Span
	lost    bool // a generation block wrote where its place in the text is unknown
	writing bool // inside of a generation block
}

func (s *state) fail(format string, args ...any) {
	panic(&Error{Template: s.t.name, Line: s.line, Msg: fmt.Sprintf(format, args...)})
}

// output is text under construction; root is the rendered text itself.
type output struct {
	text []byte
	root bool
}

func (s *state) write(t string) {
	s.alloc(len(t))
	if len(s.out.text)+len(t) > maxText {
		s.fail("the text is over the limit of %d bytes", maxText)
	}
	s.out.text = append(s.out.text, t...)
}

// scope holds the variables of a block; the block of a for loop, a macro and a few
// other tags each have one.
type scope struct {
	vars   map[string]any
	parent *scope
}

func (sc *scope) lookup(name string) (any, bool) {
	for ; sc != nil; sc = sc.parent {
		if v, ok := sc.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

func (sc *scope) set(name string, v any) {
	if sc.vars == nil {
		sc.vars = map[string]any{}
	}
	sc.vars[name] = v
}

// run executes statements.
func (s *state) run(body []stmt) control {
	s.enter()
	defer s.leave()
	for _, st := range body {
		s.step(1)
		if ctl := st.exec(s); ctl != ctlNext {
			return ctl
		}
	}
	return ctlNext
}

// runInner executes statements in a scope of their own.
func (s *state) runInner(body []stmt) control {
	outer := s.scope
	s.scope = &scope{parent: outer}
	ctl := s.run(body)
	s.scope = outer
	return ctl
}

// capture returns the text that run writes.
func (s *state) capture(run func() control) (string, control) {
	outer := s.out
	s.out = &output{}
	ctl := run()
	t := string(s.out.text)
	s.out = outer
	s.alloc(len(t))
	return t, ctl
}

// captureInner is capture in a scope of its own, with filters on the text.
func (s *state) captureInner(body []stmt, filters []*filterExpr) (any, control) {
	outer := s.scope
	s.scope = &scope{parent: outer}
	t, ctl := s.capture(func() control { return s.run(body) })
	var v any = t
	if ctl == ctlNext {
		for _, f := range filters {
			v = f.apply(s, v)
		}
	}
	s.scope = outer
	return v, ctl
}

func (n textStmt) exec(s *state) control {
	s.write(n.text)
	return ctlNext
}

func (n *outputStmt) exec(s *state) control {
	s.line = n.line
	v := s.eval(n.x)
	s.line = n.line
	s.write(s.str(v))
	return ctlNext
}

func (n *setStmt) exec(s *state) control {
	s.line = n.line
	v := s.eval(n.x)
	s.line = n.line
	s.assign(&n.target, v)
	return ctlNext
}

// assign binds a target to v.
func (s *state) assign(t *target, v any) {
	switch {
	case t.tuple:
		items := s.items(v)
		if len(items) != len(t.items) {
			s.fail("cannot unpack %d values into %d names", len(items), len(t.items))
		}
		for i := range t.items {
			s.assign(&t.items[i], items[i])
		}
	case t.attr != "":
		ns, ok := (&name{t.name}).eval(s).(*namespace)
		if !ok {
			s.fail("cannot assign the attribute '%s': '%s' is no namespace", t.attr, t.name)
		}
		s.allocItems(6)
		ns.d.set(t.attr, v)
	default:
		s.allocItems(4)
		s.scope.set(t.name, v)
	}
}

func (n *setBlock) exec(s *state) control {
	v, ctl := s.captureInner(n.body, n.filters)
	if ctl == ctlNext {
		s.line = n.line
		s.assign(&n.target, v)
	}
	return ctl
}

func (n *filterBlock) exec(s *state) control {
	v, ctl := s.captureInner(n.body, n.filters)
	if ctl == ctlNext {
		s.write(s.str(v))
	}
	return ctl
}

func (n *ifStmt) exec(s *state) control {
	s.line = n.line
	for i, test := range n.tests {
		if truth(s.eval(test)) {
			return s.run(n.then[i])
		}
	}
	return s.run(n.then[len(n.tests)])
}

func (n *forStmt) exec(s *state) control {
	s.line = n.line
	iter := s.eval(n.iter)
	s.line = n.line
	if n.recursive {
		s.write(n.render(s, s.scope, iter, 0))
		return ctlNext
	}
	return n.loop(s, iter, nil, 0)
}

// render runs a recursive loop and returns its text.
func (n *forStmt) render(s *state, outer *scope, iter any, depth int) string {
	at := s.scope
	s.scope = outer
	t, _ := s.capture(func() control { return n.loop(s, iter, outer, depth) })
	s.scope = at
	return t
}

// loop runs the body for every item. outer is the scope of a recursive loop. Like
// jinja2 it runs the else part if no item's body ran to its end.
func (n *forStmt) loop(s *state, iter any, outer *scope, depth int) control {
	around := s.scope
	items := s.items(iter)
	if n.test != nil {
		items = slices.DeleteFunc(slices.Clone(items), func(item any) bool {
			s.scope = &scope{parent: around}
			s.line = n.line
			s.assign(&n.target, item)
			return !truth(s.eval(n.test))
		})
	}
	l := &loopValue{node: n, outer: outer, items: items, depth: depth, changed: missing{}}
	complete := false // some item's body ran to its end
	for i, item := range items {
		s.scope = &scope{parent: around}
		s.scope.set("loop", l)
		l.index = i
		s.line = n.line
		s.step(1)
		s.assign(&n.target, item)
		ctl := s.run(n.body)
		complete = complete || ctl == ctlNext
		if ctl == ctlBreak {
			break
		}
	}
	s.scope = around
	if complete {
		return ctlNext
	}
	return s.runInner(n.alt)
}

// loopValue is the variable loop of a for block.
type loopValue struct {
	node    *forStmt
	outer   *scope // of a recursive loop
	items   []any
	index   int
	depth   int
	changed any // the arguments of the last loop.changed()
}

// recurse is loop(items).
func (l *loopValue) recurse(s *state, a args) any {
	if l.outer == nil {
		s.fail("the loop must have the 'recursive' marker to be called")
	}
	a.fn = "loop"
	return l.node.render(s, l.outer, a.bind(s, "iterable")[0], l.depth+1)
}

func (n *withStmt) exec(s *state) control {
	s.line = n.line
	outer := s.scope
	inner := &scope{parent: outer}
	values := s.evalAll(n.values)
	s.scope = inner
	for i := range n.targets {
		s.assign(&n.targets[i], values[i])
	}
	ctl := s.run(n.body)
	s.scope = outer
	return ctl
}

func (n *macroStmt) exec(s *state) control {
	s.allocItems(4)
	s.scope.set(n.def.name, &macro{n.def, s.scope})
	return ctlNext
}

func (n *callBlock) exec(s *state) control {
	s.line = n.line
	fn := s.eval(n.call.fn)
	a := s.args(&n.call.args)
	if slices.Contains(a.names, "caller") {
		s.fail("a call block with an argument 'caller'")
	}
	a.names = append(a.names, "caller")
	a.named = append(a.named, &macro{n.def, s.scope})
	s.line = n.line
	s.write(s.str(s.call(fn, a)))
	return ctlNext
}

func (n *generationStmt) exec(s *state) control {
	if s.writing {
		return s.runInner(n.body)
	}
	s.writing = true
	start := len(s.out.text)
	s.runInner(n.body)
	s.writing = false
	if !s.out.root {
		s.lost = true
	} else if end := len(s.out.text); end > start {
		s.spans = append(s.spans, Span{start, end})
	}
	return ctlNext
}

func (n controlStmt) exec(*state) control { return n.ctl }
