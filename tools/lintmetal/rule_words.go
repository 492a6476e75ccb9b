package main

import (
	"regexp"
	"strings"
)

// refused are words that Metal has not, or that the dialect leaves out.
var refused = map[string]string{
	"double":               "Metal has no double",
	"goto":                 "Metal has no goto",
	"virtual":              "Metal has no virtual functions",
	"new":                  "Metal has no heap",
	"delete":               "Metal has no heap",
	"malloc":               "Metal has no heap",
	"throw":                "Metal has no exceptions",
	"try":                  "Metal has no exceptions",
	"catch":                "Metal has no exceptions",
	"dynamic_cast":         "Metal has no run-time types",
	"typeid":               "Metal has no run-time types",
	"thread_local":         "Metal has no thread_local",
	"asm":                  "Metal has no inline assembly",
	"function_constant":    "no function constants: use a template parameter or a field of the args",
	"atomic_float":         "no atomics on floats: their sums depend on the order; use two passes",
	"atomic_ulong":         "Metal has no 64-bit atomics here",
	"memory_order_seq_cst": "Metal has memory_order_relaxed only",
	"__attribute__":        "no attributes of one compiler",
}

var (
	hexNumber   = regexp.MustCompile(`^0[xX]`)
	floatNumber = regexp.MustCompile(`^(0[xX].*[pP.].*|[0-9]*\.[0-9.a-zA-Z+-]*|[0-9]+[eE].*)$`)
	swizzle     = regexp.MustCompile(`^([xyzw]{2,4}|[rgba]{2,4})$`)
)

// words checks single tokens and short sequences of them.
func words(s *source) {
	fields := map[string]bool{}
	for _, f := range s.all() {
		for _, st := range f.structs {
			for _, t := range st.body {
				fields[t.text] = true
			}
		}
	}
	for _, tokens := range s.streams() {
		for i, t := range tokens {
			if what := refused[t.text]; what != "" && t.kind == word {
				s.report(t.line, "%s: %s", t.text, what)
			}
			switch {
			case t.kind == number:
				literal(s, t)
			case t.is("std") && i+1 < len(tokens) && tokens[i+1].is("::"):
				s.report(t.line, "std:: is not Metal's: its library is metal::")
			case t.is("if") && i+1 < len(tokens) && tokens[i+1].is("constexpr"):
				s.report(t.line, "if constexpr is C++17: Metal is C++14")
			case t.is("auto") && binding(tokens[i+1:]):
				s.report(t.line, "structured bindings are C++17: Metal is C++14")
			case t.is("constant") && besideConst(tokens, i):
				s.report(t.line, "constant const: constant is const already")
			case t.is("kernel") && !(i > 0 && tokens[i-1].is("[")):
				s.report(t.line, "a kernel is marked [[kernel]], not kernel")
			case t.is(".") && i+1 < len(tokens) && swizzle.MatchString(tokens[i+1].text) && !fields[tokens[i+1].text]:
				s.report(t.line, "swizzle .%s: the components are .x .y .z .w, one at a time", tokens[i+1].text)
			case t.is("[") && lambda(tokens, i):
				s.report(t.line, "Metal has no lambdas")
			}
		}
	}
}

func binding(rest []token) bool {
	for len(rest) > 0 && rest[0].is("&", "const") {
		rest = rest[1:]
	}
	return len(rest) > 0 && rest[0].is("[")
}

func besideConst(tokens []token, i int) bool {
	return i > 0 && tokens[i-1].is("const") || i+1 < len(tokens) && tokens[i+1].is("const")
}

// literal checks that a floating-point number is a float.
func literal(s *source, t token) {
	if !floatNumber.MatchString(t.text) || hexNumber.MatchString(t.text) && !strings.ContainsAny(t.text, "pP") {
		return
	}
	if !strings.HasSuffix(t.text, "f") {
		s.report(t.line, "%s is a double in C++ and a float in Metal: write %sf", t.text, strings.TrimRight(t.text, "hHFlL"))
	}
}

// lambda reports whether the [ at i starts one: where an expression begins, and
// neither an attribute nor the dimensions of shared_memory.
func lambda(tokens []token, i int) bool {
	if i == 0 || i+1 >= len(tokens) || tokens[i+1].is("[") || tokens[i-1].is("[") || tokens[i-1].text == "operator" {
		return false
	}
	if !tokens[i-1].is("(", ",", "=", "return", "{", "&&", "||", "?", ":", ";") {
		return false
	}
	end, err := match(tokens, i)
	return err == nil && end+1 < len(tokens) && tokens[end+1].is("(", "{")
}
