package chat

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// str is Python's str(v).
func (s *state) str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case markup:
		return string(v)
	case *undefined:
		return ""
	}
	var b strings.Builder
	s.repr(&b, v)
	s.alloc(b.Len())
	return b.String()
}

// soft is str that keeps markup.
func (s *state) soft(v any) any {
	if m, ok := v.(markup); ok {
		return m
	}
	return s.str(v)
}

// repr writes Python's repr(v).
func (s *state) repr(b *strings.Builder, v any) {
	s.enter()
	defer s.leave()
	s.step(1)
	s.fits(b.Len())
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		if v {
			b.WriteString("True")
		} else {
			b.WriteString("False")
		}
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case *big.Int:
		s.compute(v, v)
		b.WriteString(v.String())
	case float64:
		b.WriteString(floatRepr(v))
	case string:
		s.step(len(v) / 4)
		stringRepr(b, v)
	case markup:
		b.WriteString("Markup(")
		stringRepr(b, string(v))
		b.WriteByte(')')
	case *list:
		s.reprItems(b, "[", v.items, "]")
	case *tuple:
		if len(v.items) == 1 {
			s.reprItems(b, "(", v.items, ",)")
		} else {
			s.reprItems(b, "(", v.items, ")")
		}
	case *dict:
		s.reprDict(b, v)
	case *view:
		b.WriteString(v.kind)
		s.reprItems(b, "([", s.viewItems(v), "])")
	case *rangeValue:
		fmt.Fprintf(b, "range(%d, %d", v.start, v.stop)
		if v.step != 1 {
			fmt.Fprintf(b, ", %d", v.step)
		}
		b.WriteByte(')')
	case *undefined:
		b.WriteString("Undefined")
	case *namespace:
		b.WriteString("<Namespace ")
		s.reprDict(b, v.d)
		b.WriteByte('>')
	case *macro:
		if v.def.name == "" {
			b.WriteString("<Macro anonymous>")
		} else {
			fmt.Fprintf(b, "<Macro '%s'>", v.def.name)
		}
	case *loopValue:
		fmt.Fprintf(b, "<LoopContext %d/%d>", v.index+1, len(v.items))
	default:
		// Python prints an address here, which no template can mean.
		s.fail("a %s has no text", pythonType(v))
	}
}

func (s *state) reprItems(b *strings.Builder, open string, items []any, end string) {
	b.WriteString(open)
	for i, item := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		s.repr(b, item)
	}
	b.WriteString(end)
}

func (s *state) reprDict(b *strings.Builder, d *dict) {
	b.WriteByte('{')
	for i, k := range d.keys {
		if i > 0 {
			b.WriteString(", ")
		}
		s.repr(b, k)
		b.WriteString(": ")
		s.repr(b, d.vals[i])
	}
	b.WriteByte('}')
}

// floatRepr is the shortest text that reads back as f, in Python's style.
func floatRepr(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	sci := strconv.FormatFloat(f, 'e', -1, 64)
	exp, _ := strconv.Atoi(sci[strings.IndexByte(sci, 'e')+1:])
	if exp < -4 || exp >= 16 {
		return sci
	}
	fixed := strconv.FormatFloat(f, 'f', -1, 64)
	if strings.IndexByte(fixed, '.') < 0 {
		fixed += ".0"
	}
	return fixed
}

// stringRepr writes a string literal as Python prints it.
func stringRepr(b *strings.Builder, text string) {
	quote := byte('\'')
	if strings.IndexByte(text, '\'') >= 0 && strings.IndexByte(text, '"') < 0 {
		quote = '"'
	}
	b.WriteByte(quote)
	for _, r := range text {
		switch {
		case r == rune(quote) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(b, `\x%02x`, r)
		case r < utf8.RuneSelf || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(asciiSpelling(r))
		}
	}
	b.WriteByte(quote)
}

// isSpace is Python's str.isspace of one character.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// htmlEscape is v as markup.
func (s *state) htmlEscape(v any) markup {
	if m, ok := v.(markup); ok {
		return m
	}
	out := htmlEscaper.Replace(s.str(v))
	s.alloc(len(out))
	return markup(out)
}

var htmlEscaper = strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", "\"", "&#34;")
