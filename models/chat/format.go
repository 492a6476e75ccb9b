package chat

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// formatSpec is how a value is laid out, for % and for str.format.
type formatSpec struct {
	fill        string
	align       byte // '<', '>', '^', '=' or 0
	zeros       bool // the width began with 0: numbers align by '='
	sign        byte // '+', '-', ' ' or 0
	alt         bool
	noMinusZero bool   // no sign for what rounds to zero
	group       string // between thousands
	width       int
	precision   int // -1 if not given
	verb        byte
}

// maxWidth bounds widths and precisions.
const maxWidth = 1 << 16

// pad lays out a sign, or a prefix, and the rest.
func (f *formatSpec) pad(sign, body string, standard byte) string {
	n := f.width - utf8.RuneCountInString(sign) - utf8.RuneCountInString(body)
	if n <= 0 {
		return sign + body
	}
	align := f.align
	if align == 0 {
		align = standard
	}
	fill := f.fill
	if fill == "" {
		fill = " "
	}
	switch align {
	case '<':
		return sign + body + strings.Repeat(fill, n)
	case '^':
		return strings.Repeat(fill, n/2) + sign + body + strings.Repeat(fill, n-n/2)
	case '=':
		return sign + strings.Repeat(fill, n) + body
	}
	return strings.Repeat(fill, n) + sign + body
}

// signed is the sign to write for a number.
func (f *formatSpec) signed(negative bool) string {
	switch {
	case negative:
		return "-"
	case f.sign != 0 && f.sign != '-':
		return string(f.sign)
	}
	return ""
}

// integer lays out a whole number; minDigits is the least number of digits.
func (f *formatSpec) integer(b *big.Int, minDigits int) string {
	base, prefix := 10, ""
	switch f.verb {
	case 'x', 'X':
		base, prefix = 16, "0"+string(f.verb)
	case 'o':
		base, prefix = 8, "0o"
	case 'b':
		base, prefix = 2, "0b"
	}
	digits := new(big.Int).Abs(b).Text(base)
	if f.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	if n := minDigits - len(digits); n > 0 {
		digits = strings.Repeat("0", n) + digits
	}
	sign := f.signed(b.Sign() < 0)
	if f.alt {
		sign += prefix
	}
	size := 3
	if base != 10 {
		size = 4
	}
	return f.number(sign, digits, "", size)
}

// number lays out digits, which are grouped by size, between what comes before
// and after them. Zeros that fill the width are grouped too.
func (f *formatSpec) number(sign, digits, rest string, size int) string {
	if f.group != "" && digits != "" {
		n := len(digits)
		if f.fill == "0" && f.align == '=' {
			for room := f.width - len(sign) - len(rest); n+(n-1)/size < room; {
				n++
			}
		}
		digits = grouped(strings.Repeat("0", n-len(digits))+digits, f.group, size)
	}
	return f.pad(sign, digits+rest, '>')
}

// grouped puts a separator between every size digits.
func grouped(digits, separator string, size int) string {
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%size == 0 {
			b.WriteString(separator)
		}
		b.WriteByte(digits[i])
	}
	return b.String()
}

// float lays out a number by one of e, f, g and %, or by 0: like repr, and with
// a precision like g with a digit behind the point.
func (f *formatSpec) float(v float64) string {
	verb, precision := f.verb|0x20, f.precision
	suffix := ""
	switch f.verb {
	case 0:
		if verb = 'r'; precision >= 0 {
			verb = 'g'
		}
	case '%':
		v, verb, suffix = v*100, 'f', "%"
	}
	if precision < 0 {
		precision = 6
	}
	var body string
	switch abs := math.Abs(v); {
	case math.IsInf(v, 0):
		body = "inf"
	case math.IsNaN(v):
		body = "nan"
	case verb == 'r':
		body = f.general(abs, -1, 16)
	case verb == 'g':
		body = f.general(abs, max(precision, 1)-1, max(precision, 1))
	default:
		body = strconv.FormatFloat(abs, verb, precision, 64)
		if f.alt && precision == 0 {
			body = pointed(body)
		}
	}
	negative := math.Signbit(v) && !math.IsNaN(v) && !(f.noMinusZero && strings.Trim(mantissa(body), "0.") == "")
	if f.verb >= 'A' && f.verb <= 'Z' {
		body = strings.ToUpper(body)
	}
	whole := len(body) - len(strings.TrimLeft(body, "0123456789"))
	return f.number(f.signed(negative), body[:whole], body[whole:]+suffix, 3)
}

// general writes v ≥ 0 with digits+1 digits (as many as tell it apart if digits
// is negative), with an exponent below 1e-4 and from 10^limit on.
func (f *formatSpec) general(v float64, digits, limit int) string {
	sci := strconv.FormatFloat(v, 'e', digits, 64)
	exp, _ := strconv.Atoi(sci[strings.IndexByte(sci, 'e')+1:])
	if f.verb == 0 && digits >= 0 {
		limit-- // room for the digit behind the point
	}
	if exp < -4 || exp >= limit {
		m := mantissa(sci)
		tail := sci[len(m):]
		if digits >= 0 && !f.alt && strings.IndexByte(m, '.') >= 0 {
			m = strings.TrimRight(strings.TrimRight(m, "0"), ".")
		}
		if f.alt {
			m = pointed(m)
		}
		return m + tail
	}
	if digits >= 0 {
		digits -= exp
	}
	fixed := strconv.FormatFloat(v, 'f', digits, 64)
	if digits > 0 && !f.alt {
		fixed = strings.TrimRight(strings.TrimRight(fixed, "0"), ".")
	}
	switch {
	case f.verb == 0 && strings.IndexByte(fixed, '.') < 0:
		fixed += ".0"
	case f.alt:
		fixed = pointed(fixed)
	}
	return fixed
}

// mantissa is a number without its exponent.
func mantissa(number string) string {
	m, _, _ := strings.Cut(number, "e")
	return m
}

// pointed is a number with a decimal point, before the exponent if it has one.
func pointed(number string) string {
	if strings.IndexByte(number, '.') >= 0 {
		return number
	}
	m := mantissa(number)
	return m + "." + number[len(m):]
}

// percent is Python's text % value.
func (s *state) percent(t string, value any, safe bool) any {
	p := &percentFormat{s: s, args: []any{value}, safe: safe}
	if tuple, ok := value.(*tuple); ok {
		p.args, p.used = tuple.items, len(tuple.items) == 0
	} else {
		switch value.(type) {
		case *dict, *list, *rangeValue, *undefined:
			p.used = true // Python takes what has items for a mapping
		}
	}
	s.step(len(t) / 16)
	p.format(t)
	if p.next < len(p.args) && !p.used {
		s.fail("%%: not all arguments converted during string formatting")
	}
	s.alloc(p.b.Len())
	if safe {
		return markup(p.b.String())
	}
	return p.b.String()
}

// percentFormat is one run of %.
type percentFormat struct {
	s    *state
	b    strings.Builder
	args []any
	next int
	used bool // arguments may be left over
	safe bool
}

func (p *percentFormat) arg() any {
	if p.next >= len(p.args) {
		p.s.fail("%%: not enough arguments for format string")
	}
	p.next++
	return p.args[p.next-1]
}

func (p *percentFormat) format(t string) {
	for {
		i := strings.IndexByte(t, '%')
		if i < 0 {
			p.b.WriteString(t)
			return
		}
		p.b.WriteString(t[:i])
		t = p.directive(t[i+1:])
		p.s.fits(p.b.Len())
	}
}

// directive formats what follows a % and returns the text after it.
func (p *percentFormat) directive(t string) string {
	f := formatSpec{precision: -1}
	var keyed any = missing{}
	if strings.HasPrefix(t, "(") {
		end := strings.IndexByte(t, ')')
		d, ok := p.args[0].(*dict)
		if end < 0 || len(p.args) != 1 || !ok {
			p.s.fail("%%: format requires a mapping")
		}
		if keyed, ok = d.get(t[1:end]); !ok {
			p.s.fail("%%: no key '%s'", t[1:end])
		}
		t = t[end+1:]
	}
	zero := false
	for ; t != "" && strings.IndexByte("#0- +", t[0]) >= 0; t = t[1:] {
		switch t[0] {
		case '#':
			f.alt = true
		case '0':
			zero = true
		case '-':
			f.align = '<'
		case ' ', '+':
			if f.sign != '+' {
				f.sign = t[0]
			}
		}
	}
	f.width, t = p.size(t)
	if f.width < 0 {
		f.align, f.width = '<', -f.width
	}
	if strings.HasPrefix(t, ".") {
		f.precision, t = p.size(t[1:])
		f.precision = max(f.precision, 0)
	}
	t = strings.TrimLeft(t, "hlL")
	if t == "" {
		p.s.fail("%%: incomplete format")
	}
	f.verb = t[0]
	if zero && f.align == 0 && strings.IndexByte("diouxXeEfFgG", f.verb) >= 0 {
		f.fill, f.align = "0", '='
	}
	if f.verb == '%' {
		p.b.WriteByte('%')
		return t[1:]
	}
	v := keyed
	if !given(v) {
		v = p.arg()
	}
	p.b.WriteString(p.value(&f, v))
	return t[1:]
}

// size reads a width or a precision.
func (p *percentFormat) size(t string) (int, string) {
	if strings.HasPrefix(t, "*") {
		n, ok := integer(p.arg())
		if !ok || n > maxWidth || n < -maxWidth {
			p.s.fail("%%: * wants an integer of at most %d", maxWidth)
		}
		return int(n), t[1:]
	}
	n := 0
	for ; t != "" && isDecimal(t[0]); t = t[1:] {
		if n = n*10 + int(t[0]-'0'); n > maxWidth {
			p.s.fail("%%: width or precision over %d", maxWidth)
		}
	}
	return n, t
}

// value formats one value for %.
func (p *percentFormat) value(f *formatSpec, v any) string {
	s := p.s
	switch f.verb {
	case 's', 'r', 'a':
		return p.text(f, v)
	case 'd', 'i', 'u', 'x', 'X', 'o':
		s.defined(v)
		b, ok := bigInt(v)
		if x, isFloat := v.(float64); isFloat && strings.IndexByte("diu", f.verb) >= 0 {
			b, ok = floatInt(math.Trunc(x))
		}
		if !ok {
			s.fail("%%%c format: a number is required, not %s", f.verb, pythonType(v))
		}
		return f.integer(b, f.precision)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		s.defined(v)
		x, ok := float(v)
		if !ok {
			s.fail("%%%c format: must be a real number, not %s", f.verb, pythonType(v))
		}
		return f.float(x)
	case 'c':
		c, ok := text(v)
		if i, isInt := integer(v); isInt && i >= 0 && i <= utf8.MaxRune {
			c, ok = string(rune(i)), true
		}
		if !ok || utf8.RuneCountInString(c) != 1 {
			s.fail("%%c requires an integer or one character")
		}
		return f.pad("", c, '>')
	}
	s.fail("%%: unsupported format character '%c'", f.verb)
	return ""
}

func (p *percentFormat) text(f *formatSpec, v any) string {
	s := p.s
	t := ""
	switch {
	case f.verb == 'a':
		s.fail("%%a is not supported")
	case f.verb == 'r':
		var b strings.Builder
		s.repr(&b, v)
		t = b.String()
	case p.safe:
		t = string(s.htmlEscape(v))
	default:
		t = s.str(v)
	}
	if n := utf8.RuneCountInString(t); f.precision >= 0 && f.precision < n {
		t = s.substring(t, n, 0, f.precision)
	}
	s.alloc(len(t))
	return f.pad("", t, '>')
}
