package main

import "strings"

// suspends reports whether a function of Metal's waits for other threads.
func suspends(name string) bool {
	return name == "threadgroup_barrier" || strings.HasPrefix(name, "simdgroup_") && !strings.HasPrefix(name, "simdgroup_matrix") &&
		!strings.HasPrefix(name, "simdgroup_float") && !strings.HasPrefix(name, "simdgroup_half") && !strings.HasPrefix(name, "simdgroup_bfloat") &&
		!strings.HasPrefix(name, "simdgroup_index") ||
		strings.HasPrefix(name, "simd_") || strings.HasPrefix(name, "quad_")
}

// graph is who calls whom among the functions of a file and its headers.
type graph struct {
	all     []*function
	callees map[*function][]*function
	waits   map[*function]bool // it suspends, or calls one that does
}

func graphOf(s *source) *graph {
	g := &graph{callees: map[*function][]*function{}, waits: map[*function]bool{}}
	for _, f := range s.all() {
		for _, fn := range f.functions {
			if fn.body != nil {
				g.all = append(g.all, fn)
			}
		}
	}
	for _, f := range g.all {
		for i, t := range f.body {
			if t.kind != word {
				continue
			}
			if args, ok := calledWith(f.body, i); ok {
				g.waits[f] = g.waits[f] || suspends(t.text)
				g.callees[f] = append(g.callees[f], g.targets(f, i, args)...)
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for _, f := range g.all {
			for _, c := range g.callees[f] {
				if g.waits[c] && !g.waits[f] {
					g.waits[f], changed = true, true
				}
			}
		}
	}
	return g
}

// calledWith returns the number of arguments if the word at i is called.
func calledWith(body []token, i int) (int, bool) {
	j := i + 1
	if j < len(body) && body[j].is("<") {
		if j = closeAngle(body, j) + 1; j == 0 {
			return 0, false
		}
	}
	if j >= len(body) || !body[j].is("(") || body[i].is("if", "for", "while", "switch", "return", "sizeof") {
		return 0, false
	}
	end, err := match(body, j)
	if err != nil {
		return 0, false
	}
	return len(split(body[j+1 : end])), true
}

// targets are the functions that the call at i of f's body can mean. A qualified
// name means the specialisation with these very arguments, or the primary
// template, or any of them if the arguments are parameters themselves; and any
// struct if the qualifier is a template parameter.
func (g *graph) targets(f *function, i, args int) []*function {
	name, scope := f.body[i].text, ""
	qualified := i > 1 && f.body[i-1].is("::")
	if qualified {
		begin := i - 2
		if f.body[begin].is(">") {
			if begin = openAngle(f.body, begin) - 1; begin < 0 {
				return nil
			}
		}
		for _, t := range f.body[begin : i-1] {
			scope += t.text
		}
	}
	var exact, family, any []*function
	for _, c := range g.all {
		if c.name != name || len(c.params) != args {
			continue
		}
		switch {
		case c.scope == scope || !qualified && c.scope == f.scope:
			exact = append(exact, c)
		case baseOf(c.scope) == baseOf(scope) && (dependent(scope) || c.scope == baseOf(scope)):
			family = append(family, c)
		default:
			any = append(any, c)
		}
	}
	member := i > 0 && f.body[i-1].is(".", "->")
	switch {
	case len(exact) > 0:
		return exact
	case len(family) > 0:
		return family
	case qualified && !strings.Contains(scope, "<") && !g.isStruct(scope) || member:
		return any
	}
	return nil
}

// dependent reports whether the template arguments of scope are parameters,
// which begin with a capital.
func dependent(scope string) bool {
	_, args, _ := strings.Cut(scope, "<")
	return args == "" || args[0] >= 'A' && args[0] <= 'Z'
}

func baseOf(scope string) string {
	base, _, _ := strings.Cut(scope, "<")
	return base
}

func (g *graph) isStruct(scope string) bool {
	for _, f := range g.all {
		if scope != "" && baseOf(f.scope) == baseOf(scope) {
			return true
		}
	}
	return false
}

// flow checks recursion and early returns.
func flow(s *source) {
	g := graphOf(s)
	for _, f := range s.functions {
		if f.body == nil {
			continue
		}
		if path := g.cycle(f); path != "" {
			s.report(f.line, "%s: Metal has no recursion: %s", f.name, path)
		}
		if g.waits[f] {
			g.returns(s, f)
		}
	}
}

// cycle describes a way from f to itself, "" for none.
func (g *graph) cycle(f *function) string {
	seen := map[*function]bool{}
	var walk func(at *function, path string) string
	walk = func(at *function, path string) string {
		for _, c := range g.callees[at] {
			if c == f {
				return path + " calls " + c.name
			}
			if seen[c] {
				continue
			}
			seen[c] = true
			if found := walk(c, path+" calls "+c.name); found != "" {
				return found
			}
		}
		return ""
	}
	return walk(f, f.name)
}

// returns reports the conditional returns of f that leave threads behind which
// wait later: in the text, or in the next turn of a loop around the return.
func (g *graph) returns(s *source, f *function) {
	var waits []int
	for i, t := range f.body {
		if args, ok := calledWith(f.body, i); ok && t.kind == word {
			w := suspends(t.text)
			for _, c := range g.targets(f, i, args) {
				w = w || g.waits[c]
			}
			if w {
				waits = append(waits, i)
			}
		}
	}
	for i, t := range f.body {
		if !t.is("return") || !conditional(f.body, i) {
			continue
		}
		from, to := loopAround(f.body, i)
		for _, w := range waits {
			if w > i && !sameStatement(f.body, i, w) || w >= from && w < to && w < i {
				s.report(t.line, "%s: return before the %s of line %d: guard with if instead", f.name, f.body[w].text, f.body[w].line)
				break
			}
		}
	}
}

// sameStatement reports whether w is part of the return at i itself.
func sameStatement(body []token, i, w int) bool {
	for _, t := range body[i:w] {
		if t.is(";") {
			return false
		}
	}
	return true
}

// conditional reports whether the statement at i is in a block, or hangs on an
// if, else or loop without one.
func conditional(body []token, i int) bool {
	depth := 0
	for _, t := range body[:i] {
		if t.is("{") {
			depth++
		} else if t.is("}") {
			depth--
		}
	}
	return depth > 0 || i > 0 && body[i-1].is(")", "else", ":")
}

// loopAround returns the range of the outermost loop that contains i, an empty
// one if there is none.
func loopAround(body []token, i int) (from, to int) {
	for j := 0; j < i; j++ {
		if !body[j].is("for", "while", "do") {
			continue
		}
		begin := j + 1
		if !body[j].is("do") {
			end, err := match(body, begin)
			if err != nil {
				return 0, 0
			}
			begin = end + 1
		}
		end := begin
		if body[begin].is("{") {
			end, _ = match(body, begin)
		} else {
			for end < len(body) && !body[end].is(";") {
				end++
			}
		}
		if i < end {
			return begin, end
		}
	}
	return 0, 0
}
