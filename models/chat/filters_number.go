package chat

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// parseInt is Python's int(text, base).
func parseInt(t string, base int) (any, bool) {
	t = strings.TrimFunc(t, isSpace)
	negative := strings.HasPrefix(t, "-")
	if negative || strings.HasPrefix(t, "+") {
		t = t[1:]
	}
	for prefix, of := range map[string]int{"0b": 2, "0o": 8, "0x": 16} {
		if base == of && len(t) > 2 && strings.EqualFold(t[:2], prefix) {
			t = strings.TrimPrefix(t[2:], "_")
		}
	}
	if t == "" || t[0] == '_' || t[len(t)-1] == '_' || t[0] == '-' || t[0] == '+' || strings.Contains(t, "__") || len(t) > maxBits {
		return nil, false
	}
	b, ok := new(big.Int).SetString(strings.ReplaceAll(t, "_", ""), base)
	if !ok || b.BitLen() > maxBits {
		return nil, false
	}
	if negative {
		b.Neg(b)
	}
	return normalInt(b), true
}

// parseFloat is Python's float(text).
func parseFloat(t string) (float64, bool) {
	t = strings.TrimFunc(t, isSpace)
	if strings.ContainsAny(t, "xXpP") || strings.HasPrefix(t, "_") || strings.HasSuffix(t, "_") || strings.Contains(t, "__") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(t, "_", ""), 64)
	return f, err == nil || math.IsInf(f, 0)
}

// truncated is int(f); ok is false for NaN, and infinity fails.
func (s *state) truncated(f float64) (any, bool) {
	if math.IsNaN(f) {
		return nil, false
	}
	b, ok := floatInt(math.Trunc(f))
	if !ok {
		s.fail("int: cannot convert infinity to an integer")
	}
	return normalInt(b), true
}

func filterInt(s *state, v any, a args) any {
	p := a.bind(s, "default?", "base?")
	s.defined(v)
	standard := p[0]
	if !given(standard) {
		standard = int64(0)
	}
	base := a.intOr(s, p[1], 10)
	if base < 2 || base > 36 {
		s.fail("int: base %d is not in 2 to 36", base)
	}
	if t, ok := text(v); ok {
		if i, ok := parseInt(t, int(base)); ok {
			return i
		}
		f, ok := parseFloat(t)
		if i, fits := floatInt(math.Trunc(f)); ok && fits {
			return normalInt(i)
		}
		return standard
	}
	if f, ok := v.(float64); ok {
		if i, ok := s.truncated(f); ok {
			return i
		}
		return standard
	}
	if b, ok := bigInt(v); ok {
		return normalInt(b)
	}
	return standard
}

func filterFloat(s *state, v any, a args) any {
	p := a.bind(s, "default?")
	s.defined(v)
	if t, ok := text(v); ok {
		if f, ok := parseFloat(t); ok {
			return f
		}
	} else if f, ok := float(v); ok {
		return f
	}
	if given(p[0]) {
		return p[0]
	}
	return 0.0
}

func filterAbs(s *state, v any, a args) any {
	a.bind(s)
	s.defined(v)
	if f, ok := v.(float64); ok {
		return math.Abs(f)
	}
	b, ok := bigInt(v)
	if !ok {
		s.fail("abs: bad operand type '%s'", pythonType(v))
	}
	return normalInt(new(big.Int).Abs(b))
}

func filterRound(s *state, v any, a args) any {
	p := a.bind(s, "precision?", "method?")
	digits := a.intOr(s, p[0], 0)
	method := "common"
	if given(p[1]) {
		method = a.textArg(s, p[1])
	}
	s.defined(v)
	if !isNumber(v) {
		s.fail("round: '%s' is no number", pythonType(v))
	}
	if digits > 300 || digits < -300 {
		s.fail("round: precision %d is out of range", digits)
	}
	f, isFloat := v.(float64)
	switch method {
	case "common":
		if isFloat {
			return roundFloat(f, int(digits))
		}
		b, _ := bigInt(v)
		return roundInt(b, digits)
	case "ceil", "floor":
		scale := s.binary("**", int64(10), digits)
		g, _ := float(s.binary("*", v, scale))
		if math.IsInf(g, 0) || math.IsNaN(g) {
			s.fail("round: cannot convert %s to an integer", floatRepr(g))
		}
		if g = math.Floor(g); method == "ceil" {
			g, _ = float(s.binary("*", v, scale))
			g = math.Ceil(g)
		}
		i, _ := floatInt(g)
		return s.binary("/", normalInt(i), scale)
	}
	s.fail("round: method must be common, ceil or floor")
	return nil
}

// roundFloat rounds half to even by the exact value of f.
func roundFloat(f float64, digits int) float64 {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return f
	}
	if digits >= 0 {
		out, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', digits, 64), 64)
		return out
	}
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-digits)), nil))
	q := new(big.Rat).Quo(new(big.Rat).SetFloat64(f), scale)
	out, _ := new(big.Rat).Mul(new(big.Rat).SetInt(roundRat(q)), scale).Float64()
	return math.Copysign(out, f)
}

// roundInt rounds half to even to a power of ten.
func roundInt(b *big.Int, digits int64) any {
	if digits >= 0 {
		return normalInt(b)
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(-digits), nil)
	return normalInt(new(big.Int).Mul(roundRat(new(big.Rat).SetFrac(b, scale)), scale))
}

// roundRat is the nearest integer, the even one of two.
func roundRat(q *big.Rat) *big.Int {
	two := big.NewInt(2)
	twice := new(big.Int).Mul(q.Num(), two)
	twice.Add(twice, q.Denom())
	out, rest := new(big.Int).DivMod(twice, new(big.Int).Mul(q.Denom(), two), new(big.Int))
	if rest.Sign() == 0 && out.Bit(0) == 1 {
		out.Sub(out, big.NewInt(1))
	}
	return out
}

func filterSum(s *state, v any, a args) any {
	p := a.bind(s, "attribute?", "start?")
	var sum any = int64(0)
	if given(p[1]) {
		sum = p[1]
	}
	if _, ok := text(sum); ok {
		s.fail("sum: strings cannot be summed; use join")
	}
	get := s.getter(orNil(p[0]), nil)
	for _, item := range s.items(v) {
		sum = s.binary("+", sum, get(item))
	}
	return sum
}
