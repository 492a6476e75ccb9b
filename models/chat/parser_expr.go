package chat

import (
	"slices"
	"strings"
)

// tupleRules say how far a tuple reaches.
type tupleRules struct {
	cond   bool     // its items may be conditional expressions
	parens bool     // it is in parentheses, so it may be empty
	ends   []string // names that end it
}

// tuple reads expressions with commas between them: a tuple, or the one expression.
func (p *parser) tuple(r tupleRules) expr {
	var items []expr
	isTuple := false
	for {
		if p.cur().kind == tokVarEnd || p.cur().kind == tokBlockEnd || p.isOp(")") || p.isName(r.ends...) {
			break
		}
		if r.cond {
			items = append(items, p.expression())
		} else {
			items = append(items, p.or())
		}
		if !p.skipOp(",") {
			break
		}
		isTuple = true
	}
	if !isTuple && len(items) == 1 {
		return items[0]
	}
	if len(items) == 0 && !r.parens {
		p.fail("expected an expression, got %v", p.cur())
	}
	return &tupleExpr{items}
}

func (p *parser) expression() expr {
	p.nest()
	defer func() { p.depth-- }()
	mark := len(p.unknown)
	x := p.or()
	for p.skipName("if") {
		n := &condExpr{then: x, test: p.or()}
		if p.skipName("else") {
			n.alt = p.expression()
		}
		x = n
		p.unknown = p.unknown[:mark]
	}
	return x
}

func (p *parser) or() expr {
	x := p.and()
	for p.skipName("or") {
		x = &logical{false, x, p.and()}
	}
	return x
}

func (p *parser) and() expr {
	x := p.not()
	for p.skipName("and") {
		x = &logical{true, x, p.not()}
	}
	return x
}

func (p *parser) not() expr {
	line := p.cur().line
	if p.skipName("not") {
		p.nest()
		defer func() { p.depth-- }()
		return &unary{line, "not", p.not()}
	}
	return p.comparison()
}

func (p *parser) comparison() expr {
	line := p.cur().line
	first := p.sum()
	var n *compare
	for {
		t := p.cur()
		op := ""
		switch {
		case t.kind == tokOp && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, t.text):
			op = t.text
			p.pos++
		case p.skipName("in"):
			op = "in"
		case p.isName("not") && p.tokens[p.pos+1].kind == tokName && p.tokens[p.pos+1].text == "in":
			op = "not in"
			p.pos += 2
		}
		if op == "" {
			if n == nil {
				return first
			}
			return n
		}
		if n == nil {
			n = &compare{line: line, first: first}
		}
		n.ops = append(n.ops, op)
		n.rest = append(n.rest, p.sum())
	}
}

// chain reads operands with left-associative operators between them.
func (p *parser) chain(operand func() expr, ops ...string) expr {
	x := operand()
	for p.cur().kind == tokOp && slices.Contains(ops, p.cur().text) {
		op := p.next()
		x = &binary{op.line, op.text, x, operand()}
	}
	return x
}

func (p *parser) sum() expr     { return p.chain(p.concat, "+", "-") }
func (p *parser) product() expr { return p.chain(p.power, "*", "/", "//", "%") }
func (p *parser) power() expr   { return p.chain(func() expr { return p.unary(true) }, "**") }

func (p *parser) concat() expr {
	items := []expr{p.product()}
	for p.skipOp("~") {
		items = append(items, p.product())
	}
	if len(items) == 1 {
		return items[0]
	}
	return &concat{items}
}

func (p *parser) unary(filters bool) expr {
	p.nest()
	defer func() { p.depth-- }()
	t := p.cur()
	var x expr
	if p.isOp("-") || p.isOp("+") {
		p.pos++
		x = &unary{t.line, t.text, p.unary(false)}
	} else {
		x = p.primary()
	}
	x = p.postfix(x)
	for filters {
		t := p.cur()
		switch {
		case p.skipOp("|"):
			x = p.filter(x)
		case p.skipName("is"):
			x = p.test(x)
		case p.isOp("("):
			x = &call{t.line, x, p.callArgs()}
		default:
			return x
		}
	}
	return x
}

var literals = map[string]any{"true": true, "True": true, "false": false, "False": false, "none": nil, "None": nil}

func (p *parser) primary() expr {
	t := p.next()
	switch {
	case t.kind == tokName:
		if v, ok := literals[t.text]; ok {
			return constant{v}
		}
		for _, m := range p.macros {
			m.usesCaller = m.usesCaller || t.text == "caller"
			m.usesKwargs = m.usesKwargs || t.text == "kwargs"
			m.usesVarargs = m.usesVarargs || t.text == "varargs"
		}
		return &name{t.text}
	case t.kind == tokString:
		text := t.text
		for p.cur().kind == tokString {
			text += p.next().text
		}
		return constant{text}
	case t.kind == tokNumber:
		return constant{t.number}
	case t.kind == tokOp && t.text == "(":
		x := p.tuple(tupleRules{cond: true, parens: true})
		p.expectOp(")")
		return x
	case t.kind == tokOp && t.text == "[":
		n := &listExpr{}
		for !p.isOp("]") {
			n.items = append(n.items, p.expression())
			if !p.skipOp(",") {
				break
			}
		}
		p.expectOp("]")
		return n
	case t.kind == tokOp && t.text == "{":
		n := &dictExpr{line: t.line}
		for !p.isOp("}") {
			n.keys = append(n.keys, p.expression())
			p.expectOp(":")
			n.vals = append(n.vals, p.expression())
			if !p.skipOp(",") {
				break
			}
		}
		p.expectOp("}")
		return n
	}
	p.failAt(t.line, "unexpected %v", t)
	return nil
}

func (p *parser) postfix(x expr) expr {
	for {
		t := p.cur()
		switch {
		case p.skipOp("."):
			attr := p.next()
			_, isInt := attr.number.(int64)
			switch {
			case attr.kind == tokName:
				x = &getAttr{t.line, x, attr.text}
			case isInt:
				x = &getItem{t.line, x, constant{attr.number}}
			default:
				p.failAt(attr.line, "expected a name or a number after '.', got %v", attr)
			}
		case p.skipOp("["):
			x = p.subscript(x, t.line)
		case p.isOp("("):
			x = &call{t.line, x, p.callArgs()}
		default:
			return x
		}
	}
}

// subscript reads what follows a bracket.
func (p *parser) subscript(x expr, line int) expr {
	var items []expr
	for !p.isOp("]") {
		if len(items) > 0 {
			p.expectOp(",")
		}
		if !p.isOp(":") {
			items = append(items, p.expression())
		}
		if p.isOp(":") {
			if len(items) > 1 {
				p.fail("slices of several dimensions are not supported")
			}
			n := &slice{line: line, x: x}
			if len(items) == 1 {
				n.start = items[0]
			}
			p.pos++
			n.stop = p.sliceBound()
			if p.skipOp(":") {
				n.step = p.sliceBound()
			}
			p.expectOp("]")
			return n
		}
	}
	p.expectOp("]")
	if len(items) == 1 {
		return &getItem{line, x, items[0]}
	}
	return &getItem{line, x, &tupleExpr{items}}
}

func (p *parser) sliceBound() expr {
	if p.isOp(":") || p.isOp("]") {
		return nil
	}
	return p.expression()
}

func (p *parser) callArgs() argExprs {
	var a argExprs
	p.expectOp("(")
	for !p.isOp(")") {
		t := p.cur()
		bad := false
		switch {
		case p.skipOp("*"):
			bad = a.star != nil || a.starMap != nil
			a.star = p.expression()
		case p.skipOp("**"):
			bad = a.starMap != nil
			a.starMap = p.expression()
		case t.kind == tokName && p.tokens[p.pos+1].kind == tokOp && p.tokens[p.pos+1].text == "=":
			bad = a.starMap != nil || slices.Contains(a.names, t.text)
			p.pos += 2
			a.names = append(a.names, t.text)
			a.named = append(a.named, p.expression())
		default:
			bad = a.star != nil || a.starMap != nil || len(a.names) > 0
			a.pos = append(a.pos, p.expression())
		}
		if bad {
			p.failAt(t.line, "invalid order of arguments")
		}
		if !p.skipOp(",") {
			break
		}
	}
	p.expectOp(")")
	return a
}

// dotted reads the name of a filter or a test.
func (p *parser) dotted() token {
	t := p.expect(tokName)
	parts := []string{t.text}
	for p.skipOp(".") {
		parts = append(parts, p.expect(tokName).text)
	}
	t.text = strings.Join(parts, ".")
	return t
}

// filter reads a filter's name and arguments.
func (p *parser) filter(x expr) *filterExpr {
	t := p.dotted()
	n := &filterExpr{line: t.line, x: x, name: t.text}
	if p.isOp("(") {
		n.args = p.callArgs()
	}
	if _, ok := filters[n.name]; !ok {
		p.unknown = append(p.unknown, &Error{p.name, t.line, "no filter named '" + n.name + "'"})
	}
	return n
}

// test reads a test's name and arguments after "is".
func (p *parser) test(x expr) expr {
	line := p.cur().line
	negated := p.skipName("not")
	t := p.dotted()
	n := &testExpr{line: t.line, x: x, name: t.text}
	next := p.cur()
	switch {
	case p.isOp("("):
		n.args = p.callArgs()
	case p.isName("is"):
		p.fail("tests cannot be chained with 'is'")
	case next.kind == tokName && !p.isName("else", "or", "and"), next.kind == tokString, next.kind == tokNumber, p.isOp("["), p.isOp("{"):
		n.args.pos = []expr{p.postfix(p.primary())}
	}
	if _, ok := tests[n.name]; !ok {
		p.unknown = append(p.unknown, &Error{p.name, t.line, "no test named '" + n.name + "'"})
	}
	if negated {
		return &unary{line, "not", n}
	}
	return n
}
