package chat

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind is the class of a token; operators have their spelling as text.
type tokenKind byte

const (
	tokEOF tokenKind = iota
	tokData
	tokBlockBegin
	tokBlockEnd
	tokVarBegin
	tokVarEnd
	tokName
	tokString
	tokNumber
	tokOp
)

var tokenNames = [...]string{"end of template", "text", "begin of statement block", "end of statement block",
	"begin of print statement", "end of print statement", "name", "string", "number", "operator"}

// token is one token: text is its value, number that of a tokNumber.
type token struct {
	kind   tokenKind
	text   string
	number any
	line   int
}

func (t token) String() string {
	switch t.kind {
	case tokName, tokOp:
		return "'" + t.text + "'"
	case tokString:
		return "string " + strconv.Quote(t.text)
	case tokNumber:
		return "number " + t.text
	}
	return tokenNames[t.kind]
}

// lexer cuts a template into tokens by the rules of jinja2's lexer with
// trim_blocks and lstrip_blocks.
type lexer struct {
	name      string
	src       string
	pos       int
	line      int
	lineStart bool // the last token ended a line
	tokens    []token
	brackets  []byte // closing brackets that are due
}

// lex cuts src. It panics with an *Error.
func lex(name, src string) []token {
	src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	l := &lexer{name: name, src: strings.TrimSuffix(src, "\n"), line: 1, lineStart: true}
	for l.pos < len(l.src) {
		l.root()
	}
	l.add(tokEOF, "")
	return l.tokens
}

func (l *lexer) fail(format string, args ...any) {
	panic(&Error{Template: l.name, Line: l.line, Msg: fmt.Sprintf(format, args...)})
}

func (l *lexer) add(kind tokenKind, text string) {
	l.tokens = append(l.tokens, token{kind: kind, text: text, line: l.line})
}

// advance moves to end.
func (l *lexer) advance(end int) {
	if end > l.pos {
		l.line += strings.Count(l.src[l.pos:end], "\n")
		l.lineStart = l.src[end-1] == '\n'
	}
	l.pos = end
}

// root reads the text up to the next tag, and the tag.
func (l *lexer) root() {
	rest := l.src[l.pos:]
	at := nextTag(rest)
	if at < 0 {
		l.add(tokData, rest)
		l.advance(len(l.src))
		return
	}
	open := rest[at+1]
	sign := signAt(rest, at+2)
	l.data(rest[:at], sign, open != '{')
	l.advance(l.pos + at)
	after := l.pos + 2 + len(sign)
	switch open {
	case '{':
		l.add(tokVarBegin, "")
		l.advance(after)
		l.inside("}}", tokVarEnd)
	case '#':
		l.comment(after)
	default:
		if end := rawBegin(l.src, after); end > 0 {
			l.raw(end)
			return
		}
		l.add(tokBlockBegin, "")
		l.advance(after)
		l.inside("%}", tokBlockEnd)
	}
}

// nextTag is the offset of the next {{, {% or {#, or -1.
func nextTag(s string) int {
	for i := 0; ; i++ {
		k := strings.IndexByte(s[i:], '{')
		if k < 0 || i+k+1 >= len(s) {
			return -1
		}
		if i += k; s[i+1] == '{' || s[i+1] == '%' || s[i+1] == '#' {
			return i
		}
	}
}

// signAt is the whitespace sign of a tag, "", "-" or "+".
func signAt(s string, at int) string {
	if at < len(s) && (s[at] == '-' || s[at] == '+') {
		return s[at : at+1]
	}
	return ""
}

// data adds the text before a tag: sign and, for blocks and comments, lstrip_blocks
// decide what of its end is dropped.
func (l *lexer) data(text, sign string, strip bool) {
	switch {
	case sign == "-":
		text = strings.TrimRightFunc(text, isSpace)
	case sign == "" && strip:
		start := strings.LastIndexByte(text, '\n') + 1
		if start > 0 || l.lineStart {
			if strings.TrimLeftFunc(text[start:], isSpace) == "" {
				text = text[:start]
			}
		}
	}
	if text != "" {
		l.add(tokData, text)
	}
}

// skipSpace is the offset of the first rune from at on that is no space.
func skipSpace(s string, at int) int {
	return len(s) - len(strings.TrimLeftFunc(s[at:], isSpace))
}

// rawBegin is the offset after a {% raw %} whose inside starts at at, or 0.
func rawBegin(s string, at int) int {
	at = skipSpace(s, at)
	if !strings.HasPrefix(s[at:], "raw") {
		return 0
	}
	at = skipSpace(s, at+3)
	if strings.HasPrefix(s[at:], "%}") {
		return at + 2
	}
	if strings.HasPrefix(s[at:], "-%}") {
		return skipSpace(s, at+3)
	}
	return 0
}

// raw reads the text from start up to {% endraw %}.
func (l *lexer) raw(start int) {
	for at := start; start < len(l.src); at += 2 {
		k := strings.Index(l.src[at:], "{%")
		if k < 0 {
			l.fail("missing end of raw directive")
		}
		at += k
		sign := signAt(l.src, at+2)
		name := skipSpace(l.src, at+2+len(sign))
		if !strings.HasPrefix(l.src[name:], "endraw") {
			continue
		}
		end := tagEnd(l.src, skipSpace(l.src, name+len("endraw")), "%}")
		if end == 0 {
			continue
		}
		l.advance(start)
		l.data(l.src[start:at], sign, true)
		l.advance(end)
		return
	}
	l.advance(start)
}

// tagEnd is the offset after a tag's end at at, with the space that goes with it, or
// 0 if there is none.
func tagEnd(s string, at int, end string) int {
	rest := s[at:]
	switch {
	case strings.HasPrefix(rest, "-"+end):
		return skipSpace(s, at+1+len(end))
	case end != "}}" && strings.HasPrefix(rest, "+"+end):
		return at + 1 + len(end)
	case end != "}}" && strings.HasPrefix(rest, end+"\n"):
		return at + len(end) + 1
	case strings.HasPrefix(rest, end):
		return at + len(end)
	}
	return 0
}

func (l *lexer) comment(start int) {
	if k := strings.Index(l.src[start:], "#}"); k >= 0 {
		at := start + k
		if at > start && (l.src[at-1] == '-' || l.src[at-1] == '+') {
			at--
		}
		l.advance(tagEnd(l.src, at, "#}"))
		return
	}
	if start < len(l.src) { // jinja2 lets one pass that is the template's very end
		l.fail("missing end of comment tag")
	}
	l.advance(start)
}

// inside reads the tokens of a tag.
func (l *lexer) inside(end string, kind tokenKind) {
	l.brackets = l.brackets[:0]
	for {
		if l.pos >= len(l.src) {
			return // the parser reports the end of the template
		}
		if len(l.brackets) == 0 {
			if at := tagEnd(l.src, l.pos, end); at > 0 {
				l.add(kind, "")
				l.advance(at)
				return
			}
		}
		if at := skipSpace(l.src, l.pos); at > l.pos {
			l.advance(at)
			continue
		}
		switch c := l.src[l.pos]; {
		case c >= '0' && c <= '9':
			l.number()
		case c == '\'' || c == '"':
			l.string(c)
		default:
			if n := nameLen(l.src[l.pos:]); n > maxName {
				l.fail("a name of %d bytes is over the limit of %d", n, maxName)
			} else if n > 0 {
				l.add(tokName, l.src[l.pos:l.pos+n])
				l.advance(l.pos + n)
			} else {
				l.operator()
			}
		}
	}
}

func nameLen(s string) int {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nl, unicode.Pc)) {
			return i
		}
	}
	return len(s)
}

// operators, the longer first.
var operators = []string{"**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"}

func (l *lexer) operator() {
	i := slices.IndexFunc(operators, func(op string) bool { return strings.HasPrefix(l.src[l.pos:], op) })
	if i < 0 {
		r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
		l.fail("unexpected character %q", r)
	}
	op := operators[i]
	switch op {
	case "(":
		l.brackets = append(l.brackets, ')')
	case "[":
		l.brackets = append(l.brackets, ']')
	case "{":
		l.brackets = append(l.brackets, '}')
	case ")", "]", "}":
		n := len(l.brackets)
		if n == 0 {
			l.fail("unexpected '%s'", op)
		}
		if l.brackets[n-1] != op[0] {
			l.fail("unexpected '%s', expected '%c'", op, l.brackets[n-1])
		}
		l.brackets = l.brackets[:n-1]
	}
	l.add(tokOp, op)
	l.advance(l.pos + len(op))
}

// digits is the offset after digits with single underscores between them.
func digits(s string, at int, isDigit func(c byte) bool) int {
	for at < len(s) && (isDigit(s[at]) || s[at] == '_' && at+1 < len(s) && isDigit(s[at+1]) && isDigit(s[at-1])) {
		at++
	}
	return at
}

func isDecimal(c byte) bool { return c >= '0' && c <= '9' }

// number reads an integer or a float.
func (l *lexer) number() {
	s, start := l.src, l.pos
	if end := l.floatEnd(); end > 0 {
		f, err := strconv.ParseFloat(strings.ReplaceAll(s[start:end], "_", ""), 64)
		if err != nil {
			l.fail("number %s is too large", s[start:end])
		}
		l.tokens = append(l.tokens, token{tokNumber, s[start:end], f, l.line})
		l.advance(end)
		return
	}
	end := start + 1
	switch {
	case s[start] != '0':
		end = digits(s, end, isDecimal)
	case end < len(s) && strings.IndexByte("bBoOxX", s[end]) >= 0:
		base := map[byte]int{'b': 2, 'o': 8, 'x': 16}[s[end]|0x20]
		isDigit := func(c byte) bool {
			_, err := strconv.ParseUint(string(rune(c)), base, 8)
			return err == nil
		}
		at := end + 1
		if at < len(s) && s[at] == '_' {
			at++
		}
		if at < len(s) && isDigit(s[at]) {
			end = digits(s, at, isDigit)
		}
	default:
		end = digits(s, end, func(c byte) bool { return c == '0' })
	}
	text := strings.ReplaceAll(s[start:end], "_", "")
	n := new(big.Int)
	if len(text) > 2 && text[0] == '0' && text[1] > '9' {
		n.SetString(text, 0)
	} else {
		n.SetString(text, 10)
	}
	if n.BitLen() > maxBits {
		l.fail("an integer of %d digits is too large", len(text))
	}
	l.tokens = append(l.tokens, token{tokNumber, s[start:end], normalInt(n), l.line})
	l.advance(end)
}

// floatEnd is the offset after the float at the position, or 0 if it is no float.
func (l *lexer) floatEnd() int {
	s, start := l.src, l.pos
	if start > 0 && s[start-1] == '.' {
		return 0
	}
	end, isFloat := digits(s, start, isDecimal), false
	if end+1 < len(s) && s[end] == '.' && isDecimal(s[end+1]) {
		end, isFloat = digits(s, end+1, isDecimal), true
	}
	if end < len(s) && s[end]|0x20 == 'e' {
		at := end + 1
		if at < len(s) && (s[at] == '+' || s[at] == '-') {
			at++
		}
		if at < len(s) && isDecimal(s[at]) {
			end, isFloat = digits(s, at, isDecimal), true
		}
	}
	if !isFloat {
		return 0
	}
	return end
}

func (l *lexer) string(quote byte) {
	for at := l.pos + 1; at < len(l.src); at++ {
		switch l.src[at] {
		case '\\':
			at++
		case quote:
			text, err := unescape(l.src[l.pos+1 : at])
			if err != nil {
				l.fail("string: %v", err)
			}
			l.add(tokString, text)
			l.advance(at + 1)
			return
		}
	}
	l.fail("unexpected character %q", quote)
}
