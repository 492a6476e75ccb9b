package main

import (
	"fmt"
	"strings"
)

// builtins are the attributes of a kernel's parameters besides buffer.
var builtins = map[string]bool{
	"thread_position_in_grid": true, "thread_position_in_threadgroup": true, "threadgroup_position_in_grid": true,
	"threads_per_threadgroup": true, "dispatch_threads_per_threadgroup": true, "threads_per_grid": true,
	"threadgroups_per_grid": true, "thread_index_in_threadgroup": true, "thread_index_in_simdgroup": true,
	"simdgroup_index_in_threadgroup": true, "simdgroups_per_threadgroup": true, "threads_per_simdgroup": true,
	"dispatch_simdgroups_per_threadgroup": true, "thread_execution_width": true, "thread_index_in_quadgroup": true,
	"quadgroup_index_in_threadgroup": true, "quadgroups_per_threadgroup": true,
}

// signatures checks the parameters of kernels: inputs, outputs, the args
// struct, built-ins.
func signatures(s *source) {
	for _, f := range s.functions {
		if !f.kernel {
			for _, p := range f.params {
				if name, _ := attribute(p); name != "" {
					s.report(p[0].line, "%s: [[%s]] on a parameter of a helper: pass it as a plain value", f.name, name)
				}
			}
			continue
		}
		if !f.template {
			s.report(f.line, "%s: a kernel is a template; without types, template <int = 0>", f.name)
		}
		c := &signature{f: f, args: -1}
		for i, p := range f.params {
			c.param(i, p)
		}
		if c.args < 0 {
			s.report(f.line, "%s: no constant …Args& after the buffers", f.name)
		}
	}
}

type signature struct {
	f       *function
	buffers int
	output  bool // an output came
	args    int
}

func (c *signature) param(i int, p []token) {
	report := func(format string, a ...any) {
		c.f.in.report(p[0].line, "%s: parameter %d "+format, append([]any{c.f.name, i}, a...)...)
	}
	name, index := attribute(p)
	switch {
	case name == "":
		report("has no attribute")
	case name == "buffer":
		if c.args >= 0 {
			report("is a buffer after the args struct")
		}
		if want := fmt.Sprint(c.buffers); index != want {
			report("is [[buffer(%s)]], want [[buffer(%s)]]: in order, without gaps", index, want)
		}
		c.buffers++
		c.buffer(p, i, report)
	case !builtins[name]:
		report("has the unknown attribute [[%s]]", name)
	case c.args < 0:
		report("is a built-in before the args struct")
	}
}

func (c *signature) buffer(p []token, i int, report func(string, ...any)) {
	has := func(s ...string) bool {
		for _, t := range p {
			if t.is(s...) {
				return true
			}
		}
		return false
	}
	switch {
	case has("constant") && has("&"):
		c.args = i
		if !has("*") && !argsType(p) {
			report("is the args struct, but its type is not called …Args")
		}
	case has("device") && has("*"):
		if has("const") && c.output {
			report("is an input after an output")
		}
		c.output = c.output || !has("const")
	default:
		report("is neither device T*, device const T* nor constant …Args&")
	}
}

func argsType(p []token) bool {
	for _, t := range p {
		if t.kind == word && strings.HasSuffix(t.text, "Args") {
			return true
		}
	}
	return false
}

// attribute returns the name of the parameter's attribute and its argument.
func attribute(p []token) (name, arg string) {
	for i := 0; i+2 < len(p); i++ {
		if p[i].is("[") && p[i+1].is("[") {
			name = p[i+2].text
			if i+4 < len(p) && p[i+3].is("(") {
				arg = p[i+4].text
			}
		}
	}
	return name, arg
}

// memory checks the places of shared_memory and of static.
func memory(s *source) {
	for _, f := range s.functions {
		suspended := false
		depth := 0
		for i, t := range f.body {
			switch {
			case t.is("{"):
				depth++
			case t.is("}"):
				depth--
			case t.is("static"):
				s.report(t.line, "%s: Metal has no static locals", f.name)
			case t.is("shared_memory"):
				if !f.kernel {
					s.report(t.line, "%s: shared_memory outside a kernel: pass a threadgroup pointer", f.name)
				}
				if depth > 0 || i > 0 && !f.body[i-1].is(";", "}") {
					s.report(t.line, "%s: shared_memory inside a block: declare it at the top of the kernel", f.name)
				}
				if suspended {
					s.report(t.line, "%s: shared_memory after a barrier or a simd function", f.name)
				}
			case t.is("threadgroup") && f.kernel && localArray(f.body[i:]):
				s.report(t.line, "%s: threadgroup memory is declared with shared_memory", f.name)
			case t.kind == word && suspends(t.text):
				suspended = true
			}
		}
	}
}

// localArray reports whether threadgroup T name [ or ; follows.
func localArray(rest []token) bool {
	for _, t := range rest[1:] {
		if t.is("[", ";") {
			return true
		}
		if t.kind != word {
			return false
		}
	}
	return false
}
