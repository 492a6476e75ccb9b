package main

import (
	"strconv"
	"strings"
)

// fieldSize are the types that an args struct may have, with their sizes.
var fieldSize = map[string]int{
	"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4, "float": 4,
	"int64_t": 8, "uint64_t": 8,
}

// headers checks what a file includes, and the args structs of headers.
func headers(s *source) {
	metal := strings.HasSuffix(s.path, ".metal")
	if !strings.HasPrefix(s.text, "//") {
		s.report(1, "the file does not open with a comment: what is computed, from which buffers")
	}
	first := true
	for _, d := range s.directives {
		switch {
		case d.name == "pragma" && !metal && d.raw == "once", d.name == "pragma" && strings.HasPrefix(d.raw, "unroll"):
		case d.name == "pragma":
			s.report(d.line, "#pragma %s: once in headers and unroll are the ones in use", d.raw)
		case d.name == "include":
			if metal && first && d.raw != `"kernel.h"` {
				s.report(d.line, "the first include is \"kernel.h\", not %s", d.raw)
			}
			if len(d.rest) != 1 || d.rest[0].kind != text {
				s.report(d.line, "#include %s: kernels include headers of kernels/ only", d.raw)
			}
			first = false
		}
	}
	if metal && first {
		s.report(1, "the first include is \"kernel.h\"; there is none")
	}
	for _, st := range s.structs {
		if strings.HasSuffix(st.name, "Args") {
			if metal {
				s.report(st.line, "%s belongs into the stem's .h, where the host sees it", st.name)
			}
			layout(s, st, metal)
		}
	}
}

// layout checks the fields of an args struct: fixed-width, and each where the
// one before ends.
func layout(s *source, st *structure, metal bool) {
	for _, d := range s.directives {
		if d.name == "include" && !metal {
			s.report(d.line, "a header with an args struct includes nothing: the host reads it as C")
		}
	}
	at, align := 0, 1
	for _, field := range fieldsOf(st.body) {
		t := field[0]
		size := fieldSize[t.text]
		if size == 0 {
			s.report(t.line, "%s: a field of type %s: fields are intN_t, uintN_t or float", st.name, t.text)
			return
		}
		for _, name := range split(field[1:]) {
			if len(name) == 0 || name[0].kind != word {
				s.report(t.line, "%s: a field that is not a type and a name", st.name)
				return
			}
			if at%size != 0 {
				s.report(t.line, "%s: %d bytes of padding before %s: put 8-byte fields first, and reserved ones where bytes are left",
					st.name, size-at%size, name[0].text)
			}
			n, ok := count(s, name[1:])
			if !ok {
				s.report(t.line, "%s: the size of %s is not a number or a #define of this file", st.name, name[0].text)
				return
			}
			at = (at+size-1)/size*size + size*n
		}
		align = max(align, size)
	}
	if at%align != 0 {
		s.report(st.line, "%s: %d bytes of padding at its end: add a reserved field", st.name, align-at%align)
	}
}

func fieldsOf(body []token) [][]token {
	var all [][]token
	begin := 0
	for i, t := range body {
		if t.is(";") {
			if i > begin {
				all = append(all, body[begin:i])
			}
			begin = i + 1
		}
	}
	return all
}

// count multiplies the dimensions [a][b]…: numbers, and macros of the file with
// one.
func count(s *source, dims []token) (int, bool) {
	n := 1
	for len(dims) > 0 {
		if len(dims) < 3 || !dims[0].is("[") || !dims[2].is("]") {
			return 0, false
		}
		d, err := strconv.Atoi(dims[1].text)
		for _, m := range s.directives {
			if m.name == "define" && len(m.rest) == 2 && m.rest[0].text == dims[1].text {
				d, err = strconv.Atoi(m.rest[1].text)
			}
		}
		if err != nil || d <= 0 {
			return 0, false
		}
		n *= d
		dims = dims[3:]
	}
	return n, true
}
