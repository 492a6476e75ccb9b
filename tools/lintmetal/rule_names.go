package main

import (
	"regexp"
	"strings"
)

// instantiation is one kernel of a file.
type instantiation struct {
	name, function string
	line           int
}

// instantiations expands the macros of the file around instantiate_kernel.
func instantiations(s *source) []instantiation {
	var all []instantiation
	for _, c := range s.calls {
		expand(s, c, 0, func(k instantiation) { all = append(all, k) })
	}
	return all
}

func expand(s *source, c call, depth int, emit func(instantiation)) {
	if c.name == "instantiate_kernel" {
		if len(c.args) < 2 {
			s.report(c.line, "instantiate_kernel takes a name, a function and its template arguments")
			return
		}
		name := ""
		for _, t := range c.args[0] {
			name += strings.Trim(t.text, `"`)
		}
		if len(c.args) < 3 {
			s.report(c.line, "kernel %s: no template arguments; 0 where the function has no types", name)
		}
		emit(instantiation{name, c.args[1][0].text, c.line})
		return
	}
	params, body := macro(s, c.name)
	if params == nil || depth > 8 {
		s.report(c.line, "%s is not a macro of this file", c.name)
		return
	}
	tokens := substitute(params, c.args, body)
	for i := 0; i < len(tokens); i++ {
		if tokens[i].kind != word || !strings.HasPrefix(tokens[i].text, "instantiate_") || i+1 >= len(tokens) || !tokens[i+1].is("(") {
			continue
		}
		end, err := match(tokens, i+1)
		if err != nil {
			return
		}
		expand(s, call{tokens[i].text, c.line, split(tokens[i+2 : end])}, depth+1, emit)
		i = end
	}
}

// macro returns the parameters and the body of a function-like macro.
func macro(s *source, name string) (params []string, body []token) {
	for _, f := range s.all() {
		for _, d := range f.directives {
			if d.name != "define" || len(d.rest) < 2 || d.rest[0].text != name || !d.rest[1].is("(") {
				continue
			}
			end, err := match(d.rest, 1)
			if err != nil {
				return nil, nil
			}
			params = []string{}
			for _, p := range split(d.rest[2:end]) {
				params = append(params, p[0].text)
			}
			return params, d.rest[end+1:]
		}
	}
	return nil, nil
}

// substitute puts arguments for parameters: # makes a string, ## joins words.
func substitute(params []string, args [][]token, body []token) []token {
	value := func(t token) ([]token, bool) {
		for i, p := range params {
			if t.kind == word && t.text == p && i < len(args) {
				return args[i], true
			}
		}
		return []token{t}, false
	}
	var out []token
	for i := 0; i < len(body); i++ {
		t := body[i]
		switch {
		case t.is("#") && i+1 < len(body):
			i++
			v, _ := value(body[i])
			s := ""
			for _, a := range v {
				s += a.text
			}
			out = append(out, token{text, `"` + s + `"`, t.line})
		case t.is("##") && i+1 < len(body) && len(out) > 0:
			i++
			v, _ := value(body[i])
			if len(v) > 0 {
				out[len(out)-1].text += v[0].text
				out = append(out, v[1:]...)
			}
		default:
			v, _ := value(t)
			out = append(out, v...)
		}
	}
	return out
}

// names checks the kernels' names within the file; unique checks them across
// files.
func names(s *source) {
	kernels := map[string]bool{}
	for _, f := range s.functions {
		if f.kernel {
			kernels[f.name] = false
		}
	}
	pattern := regexp.MustCompile(`^` + s.stem + `(_[a-z0-9]+)*$`)
	for _, k := range instantiations(s) {
		if !pattern.MatchString(k.name) {
			s.report(k.line, "kernel %q: the name is the file's stem %s, then _ and lower-case words", k.name, s.stem)
		}
		if _, ok := kernels[k.function]; !ok {
			s.report(k.line, "kernel %q: %s is not a kernel of this file", k.name, k.function)
		}
		kernels[k.function] = true
	}
	for _, f := range s.functions {
		if f.kernel && !kernels[f.name] {
			s.report(f.line, "%s is never instantiated", f.name)
		}
	}
}

// unique reports names that two instantiations have.
func unique(files []*source) {
	first := map[string]finding{}
	for _, s := range files {
		for _, k := range instantiations(s) {
			if f, dup := first[k.name]; dup {
				s.report(k.line, "kernel %q is instantiated in %s:%d too", k.name, f.path, f.line)
				continue
			}
			first[k.name] = finding{s.path, k.line, ""}
		}
	}
}
