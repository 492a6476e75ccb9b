package chat

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

var simpleEscapes = map[byte]string{'\n': "", '\\': "\\", '\'': "'", '"': "\"", 'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v"}

// unescape decodes the backslashes of a string literal as Python's unicode-escape
// codec does. jinja2 first spells characters beyond ASCII as escapes, so a
// backslash before one of them quotes that spelling.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			i++
			continue
		}
		if i+1 == len(s) {
			return "", fmt.Errorf("\\ at end of string")
		}
		c := s[i+1]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i+1:])
			b.WriteString(asciiSpelling(r))
			i += 1 + n
			continue
		}
		if e, ok := simpleEscapes[c]; ok {
			b.WriteString(e)
			i += 2
			continue
		}
		n, err := numericEscape(&b, s[i+1:])
		if err != nil {
			return "", err
		}
		i += 1 + n
	}
	return b.String(), nil
}

func asciiSpelling(r rune) string {
	switch {
	case r < 0x100:
		return fmt.Sprintf("\\x%02x", r)
	case r < 0x10000:
		return fmt.Sprintf("\\u%04x", r)
	}
	return fmt.Sprintf("\\U%08x", r)
}

// numericEscape decodes the escape after a backslash that starts s, returning its length. An
// unknown one stands for itself, backslash included.
func numericEscape(b *strings.Builder, s string) (int, error) {
	size := 0
	switch s[0] {
	case 'x':
		size = 2
	case 'u':
		size = 4
	case 'U':
		size = 8
	case 'N':
		return 0, fmt.Errorf("\\N{name} is not supported")
	case '0', '1', '2', '3', '4', '5', '6', '7':
		n := 1
		for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
			n++
		}
		v, _ := strconv.ParseUint(s[:n], 8, 32)
		b.WriteRune(rune(v))
		return n, nil
	default:
		b.WriteByte('\\')
		b.WriteByte(s[0])
		return 1, nil
	}
	if len(s) < 1+size {
		return 0, fmt.Errorf("truncated \\%c escape", s[0])
	}
	v, err := strconv.ParseUint(s[1:1+size], 16, 32)
	if err != nil {
		return 0, fmt.Errorf("truncated \\%c escape", s[0])
	}
	if v > utf8.MaxRune {
		return 0, fmt.Errorf("illegal Unicode character \\%s", s[:1+size])
	}
	b.WriteRune(rune(v))
	return 1 + size, nil
}
