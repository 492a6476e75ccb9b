package chat

import (
	"fmt"
	"slices"
	"strings"
)

// parser builds the tree of a template, as jinja2's parser does.
type parser struct {
	name   string
	tokens []token
	pos    int
	depth  int
	macros []*macroDef // the macros and call blocks that are open
	loops  int         // for loops that break and continue could leave
	fors   int         // for loops that are open, macros or not
	open   []string    // tags that are open
	// Filters and tests that do not exist. jinja2 lets one pass below a condition and
	// fails if it is reached.
	unknown    []*Error
	generation bool // there is a generation block
}

// parse builds the tree of tokens. It panics with an *Error.
func parse(name string, tokens []token) (body []stmt, generation bool) {
	p := &parser{name: name, tokens: tokens}
	body = p.statements()
	if p.cur().kind != tokEOF {
		p.fail("unexpected %v", p.cur())
	}
	if len(p.unknown) > 0 {
		panic(p.unknown[0])
	}
	return body, p.generation
}

func (p *parser) fail(format string, args ...any) { p.failAt(p.cur().line, format, args...) }

func (p *parser) failAt(line int, format string, args ...any) {
	panic(&Error{Template: p.name, Line: line, Msg: fmt.Sprintf(format, args...)})
}

func (p *parser) cur() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != tokEOF {
		p.pos++
	}
	return t
}

func (p *parser) isOp(op string) bool { return p.cur().kind == tokOp && p.cur().text == op }

func (p *parser) isName(names ...string) bool {
	return p.cur().kind == tokName && slices.Contains(names, p.cur().text)
}

func (p *parser) skipOp(op string) bool {
	if p.isOp(op) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) skipName(name string) bool {
	if p.isName(name) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expect(kind tokenKind) token {
	if p.cur().kind != kind {
		p.fail("expected %s, got %v", tokenNames[kind], p.cur())
	}
	return p.next()
}

func (p *parser) expectOp(op string) {
	if !p.skipOp(op) {
		p.fail("expected '%s', got %v", op, p.cur())
	}
}

func (p *parser) expectName(name string) {
	if !p.skipName(name) {
		p.fail("expected '%s', got %v", name, p.cur())
	}
}

// nest guards one level of the parser's recursion.
func (p *parser) nest() {
	if p.depth++; p.depth > maxNest {
		p.fail("nested more than %d deep", maxNest)
	}
}

// statements reads text and tags up to one of the end tags, whose name is then the
// current token, or to the end of the template if there are none.
func (p *parser) statements(ends ...string) []stmt {
	p.nest()
	defer func() { p.depth-- }()
	var body []stmt
	for {
		t := p.cur()
		switch t.kind {
		case tokData:
			p.pos++
			body = append(body, textStmt{t.text})
		case tokVarBegin:
			p.pos++
			x := p.tuple(tupleRules{cond: true})
			p.expect(tokVarEnd)
			body = append(body, &outputStmt{t.line, x})
		case tokBlockBegin:
			p.pos++
			if p.isName(ends...) {
				return body
			}
			body = p.statement(body)
			p.expect(tokBlockEnd)
		case tokEOF:
			if len(ends) > 0 {
				p.fail("unexpected end of template: '%s' is open, looking for '%s'", p.open[len(p.open)-1], strings.Join(ends, "' or '"))
			}
			return body
		default:
			p.fail("unexpected %v", t)
		}
	}
}

// block reads the rest of a tag and the statements up to one of the end tags.
func (p *parser) block(tag string, ends ...string) []stmt {
	p.skipOp(":")
	p.expect(tokBlockEnd)
	p.open = append(p.open, tag)
	body := p.statements(ends...)
	p.open = p.open[:len(p.open)-1]
	return body
}

// closed is block for a tag with one end, which it reads too.
func (p *parser) closed(tag string) []stmt {
	body := p.block(tag, "end"+tag)
	p.pos++
	return body
}

// outsideLoops is closed for a body that is no part of the loops around it.
func (p *parser) outsideLoops(tag string) []stmt {
	loops := p.loops
	p.loops = 0
	body := p.closed(tag)
	p.loops = loops
	return body
}

// statement reads one tag with all that belongs to it and appends it to body.
func (p *parser) statement(body []stmt) []stmt {
	tag := p.cur()
	if tag.kind != tokName {
		p.fail("expected the name of a tag, got %v", tag)
	}
	p.pos++
	switch tag.text {
	case "set":
		return append(body, p.set(tag.line))
	case "if":
		return append(body, p.ifChain(tag.line))
	case "for":
		return append(body, p.forLoop(tag.line))
	case "with":
		return append(body, p.with(tag.line))
	case "macro":
		return append(body, p.macro())
	case "call":
		return append(body, p.callBlock(tag.line))
	case "filter":
		return append(body, &filterBlock{p.filterChain(), p.closed("filter")})
	case "generation":
		p.generation = true
		return append(body, &generationStmt{p.outsideLoops("generation")})
	case "print":
		for first := true; p.cur().kind != tokBlockEnd; first = false {
			if !first {
				p.expectOp(",")
			}
			body = append(body, &outputStmt{tag.line, p.expression()})
		}
		return body
	case "break", "continue":
		if p.loops == 0 {
			p.failAt(tag.line, "'%s' outside loop", tag.text)
		}
		if tag.text == "break" {
			return append(body, controlStmt{ctlBreak})
		}
		return append(body, controlStmt{ctlContinue})
	}
	if n := len(p.open); n > 0 {
		p.failAt(tag.line, "unknown tag '%s'; the innermost open tag is '%s'", tag.text, p.open[n-1])
	}
	p.failAt(tag.line, "unknown tag '%s'", tag.text)
	return nil
}

func (p *parser) set(line int) stmt {
	target := p.target(true)
	if p.skipOp("=") {
		return &setStmt{line, target, p.tuple(tupleRules{cond: true})}
	}
	var filters []*filterExpr
	if p.skipOp("|") {
		filters = p.filterChain()
	}
	return &setBlock{line, target, filters, p.closed("set")}
}

// filterChain reads filters with bars between them.
func (p *parser) filterChain() []*filterExpr {
	filters := []*filterExpr{p.filter(nil)}
	for p.skipOp("|") {
		filters = append(filters, p.filter(nil))
	}
	return filters
}

func (p *parser) ifChain(line int) stmt {
	mark := len(p.unknown)
	n := &ifStmt{line: line}
	for {
		n.tests = append(n.tests, p.tuple(tupleRules{}))
		n.then = append(n.then, p.block("if", "elif", "else", "endif"))
		switch p.next().text {
		case "elif":
			continue
		case "else":
			n.then = append(n.then, p.closed("if"))
		default:
			n.then = append(n.then, nil)
		}
		p.unknown = p.unknown[:mark]
		return n
	}
}

func (p *parser) forLoop(line int) stmt {
	n := &forStmt{line: line}
	p.fors++
	n.target = p.target(false, "in")
	p.expectName("in")
	p.fors--
	n.iter = p.tuple(tupleRules{ends: []string{"recursive"}})
	if p.skipName("if") {
		n.test = p.expression()
	}
	n.recursive = p.skipName("recursive")
	p.fors++
	p.loops++
	n.body = p.block("for", "endfor", "else")
	p.loops--
	p.fors--
	if p.next().text == "else" {
		n.alt = p.closed("for")
	}
	return n
}

func (p *parser) with(line int) stmt {
	n := &withStmt{line: line}
	for p.cur().kind != tokBlockEnd {
		if len(n.targets) > 0 {
			p.expectOp(",")
		}
		n.targets = append(n.targets, p.target(false))
		p.expectOp("=")
		n.values = append(n.values, p.expression())
	}
	n.body = p.closed("with")
	return n
}

func (p *parser) macro() stmt {
	def := &macroDef{name: p.expect(tokName).text}
	p.signature(def)
	p.macroBody(def, "macro")
	return &macroStmt{def}
}

func (p *parser) callBlock(line int) stmt {
	def := &macroDef{}
	if p.isOp("(") {
		p.signature(def)
	}
	c, ok := p.expression().(*call)
	if !ok {
		p.failAt(line, "expected a call after 'call'")
	}
	p.macroBody(def, "call")
	return &callBlock{line, c, def}
}

// macroBody reads the body of a macro, which is no part of the loops around it.
func (p *parser) macroBody(def *macroDef, tag string) {
	p.macros = append(p.macros, def)
	def.body = p.outsideLoops(tag)
	p.macros = p.macros[:len(p.macros)-1]
	if i := slices.Index(def.params, "caller"); i >= 0 && def.usesCaller && i < len(def.params)-len(def.defaults) {
		p.fail("the parameter 'caller' of a macro needs a default")
	}
}

func (p *parser) signature(def *macroDef) {
	p.expectOp("(")
	for !p.isOp(")") {
		if len(def.params) > 0 {
			p.expectOp(",")
		}
		param := p.expect(tokName)
		if slices.Contains(def.params, param.text) {
			p.failAt(param.line, "duplicate parameter '%s'", param.text)
		}
		if p.skipOp("=") {
			def.defaults = append(def.defaults, p.expression())
		} else if len(def.defaults) > 0 {
			p.fail("parameter '%s' without default after one with a default", param.text)
		}
		def.params = append(def.params, param.text)
	}
	p.expectOp(")")
}

// target reads what an assignment binds; attrs allows attributes of namespaces.
func (p *parser) target(attrs bool, ends ...string) target {
	var items []target
	tuple := false
	for {
		if len(items) > 0 && (p.isOp("=") || p.isOp(")") || p.isName(ends...) || p.cur().kind == tokBlockEnd) {
			break
		}
		items = append(items, p.targetItem(attrs))
		if !p.skipOp(",") {
			break
		}
		tuple = true
	}
	if !tuple {
		return items[0]
	}
	return target{items: items, tuple: true}
}

func (p *parser) targetItem(attrs bool) target {
	t := p.cur()
	if p.skipOp("(") {
		p.nest()
		defer func() { p.depth-- }()
		inner := p.target(false)
		p.expectOp(")")
		return inner
	}
	if t.kind != tokName {
		p.fail("cannot assign to %v", t)
	}
	if slices.Contains([]string{"true", "false", "none", "True", "False", "None"}, t.text) {
		p.fail("cannot assign to '%s'", t.text)
	}
	p.pos++
	if attrs && p.skipOp(".") {
		return target{name: t.text, attr: p.expect(tokName).text}
	}
	if t.text == "loop" && p.fors > 0 {
		p.failAt(t.line, "cannot assign to the variable 'loop' of a for loop")
	}
	return target{name: t.text}
}
