package chat

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// methodFormat is Python's str.format.
func methodFormat(s *state, t string, a args) any {
	f := &braceFormat{s: s, pos: a.pos, named: a.dict()}
	out := f.format(t, 2)
	s.alloc(len(out))
	return out
}

// methodFormatMap is Python's str.format_map.
func methodFormatMap(s *state, t string, a args) any {
	d, ok := a.bind(s, "mapping")[0].(*dict)
	if !ok {
		s.fail("%s needs a mapping", a.fn)
	}
	return (&braceFormat{s: s, named: d}).format(t, 2)
}

// braceFormat is one run of str.format.
type braceFormat struct {
	s      *state
	pos    []any
	named  *dict
	auto   int  // the next field without a number
	manual bool // a field had a number
}

// format replaces the fields of t; depth bounds fields in the specs of fields.
func (f *braceFormat) format(t string, depth int) string {
	if depth == 0 {
		f.s.fail("format: fields nested too deep")
	}
	var b strings.Builder
	for t != "" {
		i := strings.IndexAny(t, "{}")
		if i < 0 {
			b.WriteString(t)
			break
		}
		b.WriteString(t[:i])
		if i+1 < len(t) && t[i+1] == t[i] {
			b.WriteByte(t[i])
			t = t[i+2:]
			continue
		}
		if t[i] == '}' {
			f.s.fail("format: single '}' in format string")
		}
		end := fieldEnd(t, i+1)
		if end < 0 {
			f.s.fail("format: expected '}' before end of string")
		}
		b.WriteString(f.field(t[i+1:end], depth))
		t = t[end+1:]
		f.s.fits(b.Len())
	}
	return b.String()
}

// fieldEnd is the offset of the brace that ends the field that starts at at.
func fieldEnd(t string, at int) int {
	for open := 1; at < len(t); at++ {
		switch t[at] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return at
			}
		}
	}
	return -1
}

// field formats name!conversion:spec.
func (f *braceFormat) field(t string, depth int) string {
	name, spec, _ := strings.Cut(t, ":")
	name, conversion, converted := strings.Cut(name, "!")
	v := f.lookup(name)
	if strings.Contains(spec, "{") {
		spec = f.format(spec, depth-1)
	}
	if converted {
		var b strings.Builder
		switch conversion {
		case "s":
			b.WriteString(f.s.str(v))
		case "r":
			f.s.repr(&b, v)
		default:
			f.s.fail("format: unknown conversion '%s'", conversion)
		}
		v = b.String()
	}
	return f.s.formatValue(v, spec)
}

// lookup finds the value of a field: a number or a name, with attributes and items.
func (f *braceFormat) lookup(field string) any {
	end := strings.IndexAny(field, ".[")
	if end < 0 {
		end = len(field)
	}
	v := f.first(field[:end])
	for rest := field[end:]; rest != ""; {
		if rest[0] == '.' {
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			v, rest = f.s.attribute(v, rest[1:1+end]), rest[1+end:]
			continue
		}
		end := strings.IndexByte(rest, ']')
		if rest[0] != '[' || end < 0 {
			f.s.fail("format: bad field '%s'", field)
		}
		var key any = rest[1:end]
		if i, err := strconv.ParseInt(rest[1:end], 10, 64); err == nil {
			key = i
		}
		v, rest = f.s.item(v, key), rest[end+1:]
	}
	return v
}

func (f *braceFormat) first(name string) any {
	i, err := strconv.Atoi(name)
	switch {
	case name == "":
		i = f.auto
		f.auto++
	case err != nil:
		v, ok := f.named.get(name)
		if !ok {
			f.s.fail("format: no argument '%s'", name)
		}
		return v
	default:
		f.manual = true
	}
	if f.manual && f.auto > 0 {
		f.s.fail("format: fields with and without numbers")
	}
	if i < 0 || i >= len(f.pos) {
		f.s.fail("format: no argument %d", i)
	}
	return f.pos[i]
}

// formatValue is Python's format(v, spec).
func (s *state) formatValue(v any, text string) string {
	if text == "" {
		return s.str(v)
	}
	f, ok := parseSpec(text)
	if !ok {
		s.fail("format: invalid format specifier '%s'", text)
	}
	switch v := v.(type) {
	case string, markup:
		return s.formatText(f, s.str(v))
	case float64:
		return s.formatFloat(f, v)
	}
	b, ok := bigInt(v)
	if !ok {
		s.fail("format: unsupported format string for %s", pythonType(v))
	}
	return s.formatInt(f, b)
}

// parseSpec reads [[fill]align][sign][z][#][0][width][,][.precision][type].
func parseSpec(t string) (*formatSpec, bool) {
	f := &formatSpec{precision: -1}
	_, n := utf8.DecodeRuneInString(t)
	isAlign := func(i int) bool { return i < len(t) && strings.IndexByte("<>=^", t[i]) >= 0 }
	switch {
	case isAlign(n):
		f.fill, f.align, t = t[:n], t[n], t[n+1:]
	case isAlign(0):
		f.align, t = t[0], t[1:]
	}
	take := func(set string) byte {
		if t == "" || strings.IndexByte(set, t[0]) < 0 {
			return 0
		}
		c := t[0]
		t = t[1:]
		return c
	}
	number := func() (n int) {
		for t != "" && isDecimal(t[0]) && n <= maxWidth {
			n, t = n*10+int(t[0]-'0'), t[1:]
		}
		return n
	}
	f.sign = take("+- ")
	f.noMinusZero = take("z") != 0
	f.alt = take("#") != 0
	if f.fill == "" && take("0") != 0 {
		f.fill = "0"
		f.zeros = f.align == 0
	}
	f.width = number()
	if c := take(",_"); c != 0 {
		f.group = string(c)
	}
	if take(".") != 0 {
		if t == "" || !isDecimal(t[0]) {
			return nil, false
		}
		f.precision = number()
	}
	f.verb = take("bcdeEfFgGnosxX%")
	groups := map[string]string{"": "bcdeEfFgGnosxX%", ",": "deEfFgG%", "_": "bdeEfFgGoxX%"}[f.group]
	ok := f.verb == 0 || strings.IndexByte(groups, f.verb) >= 0
	return f, ok && t == "" && f.width <= maxWidth && f.precision <= maxWidth
}

func (s *state) formatText(f *formatSpec, t string) string {
	if f.verb != 0 && f.verb != 's' || f.sign != 0 || f.group != "" || f.alt || f.noMinusZero {
		s.fail("format: a number format for a string")
	}
	if f.align == '=' {
		s.fail("format: '=' alignment not allowed for a string")
	}
	if n := utf8.RuneCountInString(t); f.precision >= 0 && f.precision < n {
		t = s.substring(t, n, 0, f.precision)
	}
	s.alloc(len(t))
	return f.pad("", t, '<')
}

func (s *state) formatInt(f *formatSpec, b *big.Int) string {
	switch f.verb {
	case 0, 'd', 'n', 'b', 'o', 'x', 'X', 'c':
		if f.precision >= 0 {
			s.fail("format: precision not allowed for an integer")
		}
		if f.noMinusZero {
			s.fail("format: 'z' not allowed for an integer")
		}
		if f.verb == 'c' {
			return s.formatCharacter(f, b)
		}
		f.padZeros()
		return f.integer(b, 0)
	case 's':
		s.fail("format: format code 's' for an integer")
	}
	x, ok := float(b)
	if !ok {
		s.fail("format: an integer of %d bits is too large for a float", b.BitLen())
	}
	return s.formatFloat(f, x)
}

func (s *state) formatCharacter(f *formatSpec, b *big.Int) string {
	if f.sign != 0 || f.alt {
		s.fail("format: no sign or '#' with 'c'")
	}
	if !b.IsInt64() || b.Int64() < 0 || b.Int64() > utf8.MaxRune {
		s.fail("format: %%c arg not in range")
	}
	f.padZeros()
	return f.pad("", string(rune(b.Int64())), '>')
}

// padZeros lets the zeros of a width such as 08 stand between sign and digits.
func (f *formatSpec) padZeros() {
	if f.zeros {
		f.align = '='
	}
}

func (s *state) formatFloat(f *formatSpec, v float64) string {
	switch f.verb {
	case 'b', 'c', 'd', 'o', 's', 'x', 'X':
		s.fail("format: unknown format code '%c' for a float", f.verb)
	case 'n':
		f.verb = 'g'
	}
	f.padZeros()
	return f.float(v)
}
