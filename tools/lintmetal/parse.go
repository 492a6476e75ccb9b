package main

import (
	"fmt"
	"strings"
)

// parser finds the functions, structs and instantiations of a file. It reads
// declarations only as far as the rules need.
type parser struct {
	s      *source
	tokens []token
	at     int
}

var closers = map[string]string{"(": ")", "{": "}", "[": "]"}

// match returns the index of the bracket that closes the one at i.
func match(tokens []token, i int) (int, error) {
	var open []string
	for j := i; j < len(tokens); j++ {
		t := tokens[j]
		if t.kind != punct {
			continue
		}
		if c, ok := closers[t.text]; ok {
			open = append(open, c)
			continue
		}
		if t.is(")", "}", "]") {
			if open[len(open)-1] != t.text {
				return 0, fmt.Errorf("%d: %s closes what %s should", t.line, t.text, open[len(open)-1])
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				return j, nil
			}
		}
	}
	return 0, fmt.Errorf("%d: %s is not closed", tokens[i].line, tokens[i].text)
}

// closeAngle returns the index of the > for the < at i, or -1 where that is a
// comparison.
func closeAngle(tokens []token, i int) int {
	depth := 0
	for j := i; j < len(tokens); j++ {
		switch {
		case tokens[j].is("<"):
			depth++
		case tokens[j].is(">"):
			if depth--; depth == 0 {
				return j
			}
		case tokens[j].is(";", "{", "}", ")", "&&", "||", "?", "=") && !(tokens[j].is("=") && depth == 1 && j > i+1 && tokens[j-1].kind == word):
			return -1
		case tokens[j].is("("):
			k, err := match(tokens, j)
			if err != nil {
				return -1
			}
			j = k
		}
	}
	return -1
}

// split cuts tokens at the commas outside brackets and template arguments.
func split(tokens []token) [][]token {
	var parts [][]token
	begin, depth := 0, 0
	for i := 0; i < len(tokens); i++ {
		switch t := tokens[i]; {
		case t.is("(", "[", "{"):
			depth++
		case t.is(")", "]", "}"):
			depth--
		case t.is("<") && i > 0 && tokens[i-1].kind == word:
			if j := closeAngle(tokens, i); j >= 0 {
				i = j
			}
		case t.is(",") && depth == 0:
			parts = append(parts, tokens[begin:i])
			begin = i + 1
		}
	}
	if begin < len(tokens) || len(parts) > 0 {
		parts = append(parts, tokens[begin:])
	}
	return parts
}

// declarations reads those of one scope, up to the token end.
func (p *parser) declarations(scope string, end int) error {
	begin := p.at
	for p.at < end {
		t := p.tokens[p.at]
		switch {
		case p.at == begin && t.kind == word && strings.HasPrefix(t.text, "instantiate_"):
			close, err := p.close(p.at + 1)
			if err != nil {
				return err
			}
			p.s.calls = append(p.s.calls, call{t.text, t.line, split(p.tokens[p.at+2 : close])})
			p.at = close + 1
			begin = p.at
		case t.is("(", "["):
			close, err := p.close(p.at)
			if err != nil {
				return err
			}
			p.at = close + 1
		case t.is(";"):
			p.function(scope, p.tokens[begin:p.at], nil)
			p.at++
			begin = p.at
		case t.is("{"):
			ended, err := p.braces(scope, begin)
			if err != nil {
				return err
			}
			if ended {
				begin = p.at
			}
		default:
			p.at++
		}
	}
	return nil
}

func (p *parser) close(i int) (int, error) {
	if i >= len(p.tokens) || !p.tokens[i].is("(", "[", "{") {
		return 0, fmt.Errorf("%d: %s without arguments", p.tokens[i-1].line, p.tokens[i-1].text)
	}
	return match(p.tokens, i)
}

// braces handles the { at p.at of the declaration that starts at begin, and
// reports whether it ends the declaration.
func (p *parser) braces(scope string, begin int) (bool, error) {
	close, err := match(p.tokens, p.at)
	if err != nil {
		return false, err
	}
	head, body := p.tokens[begin:p.at], p.tokens[p.at+1:close]
	kind, name := classify(head)
	switch kind {
	case "struct":
		p.s.structs = append(p.s.structs, &structure{name, head[0].line, body})
		p.at++
		if err := p.declarations(name, close); err != nil {
			return false, err
		}
	case "namespace":
		p.at++
		if err := p.declarations(scope, close); err != nil {
			return false, err
		}
	case "function":
		p.function(scope, head, body)
	}
	p.at = close + 1
	return kind != "value", nil
}

// skipTemplate returns the index after template <…>, and whether there is one.
func skipTemplate(head []token) (int, bool) {
	if len(head) < 2 || !head[0].is("template") || !head[1].is("<") {
		return 0, false
	}
	end := closeAngle(head, 1)
	if end < 0 {
		return 0, false
	}
	return end + 1, true
}

// classify tells what a declaration with a brace is, and its name if it is a
// struct: with the template arguments of a specialisation.
func classify(head []token) (kind, name string) {
	i, _ := skipTemplate(head)
	if i < len(head) && head[i].is("struct", "class", "union") {
		for _, t := range head[i+1:] {
			if t.is(":") {
				break
			}
			name += t.text
		}
		return "struct", name
	}
	for _, t := range head[i:] {
		switch {
		case t.is("namespace"):
			return "namespace", ""
		case t.is("=", "enum"):
			return "value", ""
		case t.is("("):
			return "function", ""
		}
	}
	return "value", ""
}

// function records a function if head is one.
func (p *parser) function(scope string, head, body []token) {
	begin, isTemplate := skipTemplate(head)
	for i := begin; i < len(head); i++ {
		if head[i].is("typedef", "using", "=") {
			return
		}
		if head[i].is("[") { // an attribute
			end, err := match(head, i)
			if err != nil {
				return
			}
			i = end
			continue
		}
		if !head[i].is("(") || i == begin || head[i-1].kind != word {
			continue
		}
		end, err := match(head, i)
		if err != nil {
			return
		}
		if head[i-1].is("__attribute__", "alignas", "static_assert") {
			i = end
			continue
		}
		f := &function{in: p.s, scope: scope, name: head[i-1].text, line: head[i-1].line, head: head[begin : i-1],
			params: split(head[i+1 : end]), body: body, template: isTemplate}
		for _, t := range f.head {
			f.kernel = f.kernel || t.is("kernel")
		}
		p.s.functions = append(p.s.functions, f)
		return
	}
}
