package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// source is a parsed .metal file or header.
type source struct {
	path       string // as messages print it
	stem       string
	text       string
	tokens     []token
	directives []directive
	functions  []*function
	structs    []*structure
	calls      []call // instantiate_…(…) at the top of the file
	includes   []*source
	found      []finding
}

// function is a definition, or a declaration without a body.
type function struct {
	in       *source
	scope    string // the struct around it with its template arguments, "" outside
	name     string
	line     int
	head     []token // from the start of the declaration to the name
	params   [][]token
	body     []token // without the braces
	template bool
	kernel   bool
}

// structure is a struct with its body.
type structure struct {
	name string
	line int
	body []token
}

// call is a macro call at the top of a file.
type call struct {
	name string
	line int
	args [][]token
}

// finding is a broken rule.
type finding struct {
	path string
	line int
	what string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.what) }

func (s *source) report(line int, format string, args ...any) {
	s.found = append(s.found, finding{s.path, line, fmt.Sprintf(format, args...)})
}

// loader parses each file once. Quoted includes are looked up beside the file,
// then in root.
type loader struct {
	root  string // the folder of the kernels
	files map[string]*source
}

func (l *loader) load(path string) (*source, error) {
	if s := l.files[path]; s != nil {
		return s, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &source{path: path, text: string(data)}
	s.stem = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	l.files[path] = s
	if s.tokens, s.directives, err = scan(s.text); err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	if err := (&parser{s: s, tokens: s.tokens}).declarations("", len(s.tokens)); err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	for _, d := range s.directives {
		if d.name != "include" || len(d.rest) != 1 || d.rest[0].kind != text {
			continue
		}
		name := strings.Trim(d.rest[0].text, `"`)
		if name == "kernel.h" { // the dialect itself
			for _, h := range []string{"dtype.h", "simd.h"} {
				if err := l.include(s, h); err != nil {
					return nil, err
				}
			}
			continue
		}
		if err := l.include(s, name); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, d.line, err)
		}
	}
	return s, nil
}

func (l *loader) include(s *source, name string) error {
	path := filepath.Join(filepath.Dir(s.path), name)
	if _, err := os.Stat(path); err != nil {
		path = filepath.Join(l.root, name)
	}
	h, err := l.load(path)
	if err != nil {
		return err
	}
	s.includes = append(s.includes, h)
	return nil
}

// all is the file and what it includes, each once.
func (s *source) all() []*source {
	var list []*source
	seen := map[*source]bool{}
	var visit func(*source)
	visit = func(f *source) {
		if seen[f] {
			return
		}
		seen[f] = true
		for _, h := range f.includes {
			visit(h)
		}
		list = append(list, f)
	}
	visit(s)
	return list
}

// streams are the tokens of the file in pieces: outside directives, then the
// bodies of the macros.
func (s *source) streams() [][]token {
	all := [][]token{s.tokens}
	for _, d := range s.directives {
		if d.name == "define" || d.name == "if" || d.name == "elif" {
			all = append(all, d.rest)
		}
	}
	return all
}
