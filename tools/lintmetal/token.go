package main

import (
	"fmt"
	"strings"
)

// kind classifies a token.
type kind int

const (
	word kind = iota
	number
	text // a string or a character, with its quotes
	punct
)

type token struct {
	kind kind
	text string
	line int
}

func (t token) is(texts ...string) bool {
	for _, s := range texts {
		if t.text == s && t.kind != text {
			return true
		}
	}
	return false
}

// directive is a preprocessor line: its name (define, include, …) and the rest.
type directive struct {
	name string
	line int
	rest []token
	raw  string // the rest as written
}

// puncts are the operators of more than one character, longest first. >> stays
// two tokens, since it mostly closes template arguments, and so do [[ and ]].
var puncts = []string{"<<=", ">>=", "...", "##", "::", "->", "++", "--", "<<", "<=", ">=", "==", "!=", "&&", "||",
	"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="}

// scanner splits the text of a file into tokens and directives.
type scanner struct {
	src  string
	at   int
	line int
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// blank skips spaces and comments, and newlines unless stop is set.
func (s *scanner) blank(stop bool) {
	for s.at < len(s.src) {
		rest := s.src[s.at:]
		switch {
		case strings.HasPrefix(rest, "\\\n"):
			s.line, s.at = s.line+1, s.at+2
		case rest[0] == '\n':
			if stop {
				return
			}
			s.line, s.at = s.line+1, s.at+1
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r':
			s.at++
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			s.at += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				end = len(rest) - 2
			}
			s.line += strings.Count(rest[:end], "\n")
			s.at += end + 2
		default:
			return
		}
	}
}

// next returns the token at s.at, where there is one.
func (s *scanner) next() (token, error) {
	rest, begin := s.src[s.at:], s.at
	t := token{kind: punct, line: s.line}
	switch c := rest[0]; {
	case c == '"' || c == '\'':
		t.kind = text
		end := 1
		for end < len(rest) && rest[end] != c && rest[end] != '\n' {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(rest) || rest[end] != c {
			return t, fmt.Errorf("%d: a string without an end", s.line)
		}
		s.at += end + 1
	case c >= '0' && c <= '9' || c == '.' && len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9':
		t.kind = number
		s.at++
		for s.at < len(s.src) && (isWord(s.src[s.at]) || s.src[s.at] == '.' || s.exponentSign(begin)) {
			s.at++
		}
	case isWord(c):
		t.kind = word
		for s.at < len(s.src) && isWord(s.src[s.at]) {
			s.at++
		}
	default:
		s.at++
		for _, p := range puncts {
			if strings.HasPrefix(rest, p) {
				s.at += len(p) - 1
				break
			}
		}
	}
	t.text = s.src[begin:s.at]
	return t, nil
}

// exponentSign reports whether s.at is at the sign of the exponent of the number
// that starts at begin.
func (s *scanner) exponentSign(begin int) bool {
	if c := s.src[s.at]; c != '+' && c != '-' {
		return false
	}
	hex := strings.HasPrefix(s.src[begin:], "0x")
	switch s.src[s.at-1] {
	case 'e', 'E':
		return !hex
	case 'p', 'P':
		return hex
	}
	return false
}

// scan returns the tokens outside directives, and the directives.
func scan(src string) (tokens []token, directives []directive, err error) {
	s := &scanner{src: src, line: 1}
	fresh := true // no token on this line yet
	for {
		line := s.line
		s.blank(false)
		if s.at >= len(s.src) {
			return tokens, directives, nil
		}
		fresh = fresh || s.line != line
		if s.src[s.at] == '#' && fresh {
			d, err := s.directive()
			if err != nil {
				return nil, nil, err
			}
			directives = append(directives, d)
			continue
		}
		fresh = false
		t, err := s.next()
		if err != nil {
			return nil, nil, err
		}
		tokens = append(tokens, t)
	}
}

func (s *scanner) directive() (directive, error) {
	d := directive{line: s.line}
	s.at++
	from := -1
	for {
		s.blank(true)
		if s.at >= len(s.src) || s.src[s.at] == '\n' {
			if from >= 0 {
				d.raw = strings.TrimSpace(s.src[from:s.at])
			}
			return d, nil
		}
		t, err := s.next()
		if err != nil {
			return d, err
		}
		if d.name == "" {
			d.name, from = t.text, s.at
			continue
		}
		d.rest = append(d.rest, t)
	}
}
