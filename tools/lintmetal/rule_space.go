package main

// spaces checks that every pointer and reference says what it points to.
func spaces(s *source) {
	for _, f := range s.functions {
		for _, p := range f.params {
			for i, t := range p {
				if t.is("*", "&") && !(i > 0 && p[i-1].is("operator")) && !spaced(p[:i]) {
					s.report(t.line, "%s: %s %s has no address space: device, constant, threadgroup or thread", f.name, t.text, nameAfter(p, i))
				}
			}
		}
	}
	for _, tokens := range s.streams() {
		for i, t := range tokens {
			if !t.is("*", "&") || i == 0 || i+1 >= len(tokens) || inParams(s, &tokens[i]) {
				continue
			}
			if typeOf := pointerType(tokens, i); typeOf != nil && !spaced(typeOf) {
				s.report(t.line, "%s %s has no address space: device, constant, threadgroup or thread", t.text, nameAfter(tokens, i))
			}
		}
	}
}

func spaced(tokens []token) bool {
	for _, t := range tokens {
		if t.is("device", "constant", "threadgroup", "thread") {
			return true
		}
	}
	return false
}

func nameAfter(tokens []token, i int) string {
	for _, t := range tokens[i+1:] {
		if t.kind == word && !t.is("const") {
			return t.text
		}
		if !t.is("const", "*", "&") {
			break
		}
	}
	return "of a type"
}

// inParams reports whether t is of a function's parameters, which spaces checks
// on their own: the parameters are slices of the file's tokens.
func inParams(s *source, t *token) bool {
	for _, f := range s.functions {
		for _, p := range f.params {
			for i := range p {
				if &p[i] == t {
					return true
				}
			}
		}
	}
	return false
}

// pointerType returns the type before the * or & at i if that makes a pointer
// or a reference, and nil if it is an operator. Before a name it does where a
// statement or a declaration begins with the type; before ) > , and const it
// always does, for an operator has an operand.
func pointerType(tokens []token, i int) []token {
	begin := i
	for begin > 0 {
		t := tokens[begin-1]
		if t.kind == word && !t.is("return", "case", "else", "operator") || t.is("::", "*") {
			begin--
			continue
		}
		if t.is(">") {
			open := openAngle(tokens, begin-1)
			if open < 0 {
				break
			}
			begin = open
			continue
		}
		break
	}
	if begin == i {
		return nil
	}
	next := tokens[i+1]
	if next.is(")", ">", ",", "const") {
		return tokens[begin:i]
	}
	if next.kind != word || i+2 >= len(tokens) || !tokens[i+2].is("=", ";", ",", "[", "(", ":", "{") {
		return nil
	}
	if begin == 0 || tokens[begin-1].is(";", "{", "}", "]") || tokens[begin-1].is("(") && begin > 1 && tokens[begin-2].is("for") {
		return tokens[begin:i]
	}
	return nil
}

// openAngle returns the index of the < that the > at i closes, or -1.
func openAngle(tokens []token, i int) int {
	depth := 0
	for j := i; j >= 0; j-- {
		switch {
		case tokens[j].is(">"):
			depth++
		case tokens[j].is("<"):
			if depth--; depth == 0 {
				return j
			}
		case tokens[j].is(";", "{", "}"):
			return -1
		}
	}
	return -1
}
