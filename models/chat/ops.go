package chat

import (
	"math"
	"math/big"
	"strings"
)

// binary computes l op r for an arithmetic operator.
func (s *state) binary(op string, l, r any) any {
	if lt, ok := text(l); ok && op == "%" {
		_, safe := l.(markup)
		return s.percent(lt, r, safe)
	}
	s.defined(l)
	s.defined(r)
	if v, ok := s.intOp(op, l, r); ok {
		return v
	}
	lf, lok := float(l)
	rf, rok := float(r)
	if lok && rok {
		return s.floatOp(op, lf, rf)
	}
	switch op {
	case "+":
		if v, ok := s.join(l, r); ok {
			return v
		}
	case "*":
		if v, ok := s.repeat(l, r); ok {
			return v
		}
		if v, ok := s.repeat(r, l); ok {
			return v
		}
	}
	s.fail("unsupported operand types for %s: '%s' and '%s'", op, pythonType(l), pythonType(r))
	return nil
}

// defined fails if v is undefined.
func (s *state) defined(v any) {
	if u, ok := v.(*undefined); ok {
		s.fail("%s", u.msg)
	}
}

// intOp is an operation on two integers, or bools.
func (s *state) intOp(op string, l, r any) (any, bool) {
	li, lsmall := l.(int64)
	ri, rsmall := r.(int64)
	if lsmall && rsmall && isSmall(li) && isSmall(ri) {
		switch op {
		case "+":
			return li + ri, true
		case "-":
			return li - ri, true
		case "*":
			return li * ri, true
		}
	}
	lb, lok := bigInt(l)
	rb, rok := bigInt(r)
	if !lok || !rok || op == "/" {
		return nil, false
	}
	s.compute(lb, rb)
	out := new(big.Int)
	switch op {
	case "+":
		out.Add(lb, rb)
	case "-":
		out.Sub(lb, rb)
	case "*":
		out.Mul(lb, rb)
	case "**":
		if rb.Sign() < 0 {
			return nil, false
		}
		s.boundPower(lb, rb)
		out.Exp(lb, rb, nil)
	default:
		if rb.Sign() == 0 {
			s.fail("integer division or modulo by zero")
		}
		quotient, rest := new(big.Int).QuoRem(lb, rb, out)
		if rest.Sign() != 0 && rest.Sign() != rb.Sign() {
			quotient.Sub(quotient, big.NewInt(1))
			rest.Add(rest, rb)
		}
		if op == "//" {
			out = quotient
		}
	}
	if out.BitLen() > maxBits {
		s.fail("an integer of more than %d bits", maxBits)
	}
	s.compute(out)
	return normalInt(out), true
}

// isSmall says that sums and products of i with its like fit int64.
func isSmall(i int64) bool { return -1<<31 < i && i < 1<<31 }

// boundPower fails if base ** exp is too large to compute.
func (s *state) boundPower(base, exp *big.Int) {
	if base.BitLen() > 1 && (!exp.IsInt64() || exp.Int64() > maxBits || int64(base.BitLen()-1)*exp.Int64() > maxBits) {
		s.fail("an integer of more than %d bits", maxBits)
	}
}

func (s *state) floatOp(op string, l, r float64) any {
	switch op {
	case "+":
		return l + r
	case "-":
		return l - r
	case "*":
		return l * r
	case "**":
		if l == 0 && r < 0 {
			s.fail("0.0 cannot be raised to a negative power")
		}
		if l < 0 && r != math.Trunc(r) {
			s.fail("a negative number to a fractional power is complex, which is not supported")
		}
		v := math.Pow(l, r)
		if math.IsInf(v, 0) && !math.IsInf(l, 0) && !math.IsInf(r, 0) {
			s.fail("result of ** is too large")
		}
		return v
	}
	if r == 0 {
		s.fail("float division or modulo by zero")
	}
	if op == "/" {
		return l / r
	}
	mod := math.Mod(l, r)
	div := (l - mod) / r
	if mod != 0 {
		if (r < 0) != (mod < 0) {
			mod += r
			div--
		}
	} else {
		mod = math.Copysign(0, r)
	}
	if op == "%" {
		return mod
	}
	if div == 0 {
		return math.Copysign(0, l/r)
	}
	floor := math.Floor(div)
	if div-floor > 0.5 {
		floor++
	}
	return floor
}

// join is + of strings, lists and tuples.
func (s *state) join(l, r any) (any, bool) {
	lt, lok := text(l)
	rt, rok := text(r)
	if lok && rok {
		s.alloc(len(lt) + len(rt))
		_, lsafe := l.(markup)
		_, rsafe := r.(markup)
		if lsafe || rsafe {
			return s.htmlEscape(l) + s.htmlEscape(r), true
		}
		return lt + rt, true
	}
	a, b, ok := bothItems(l, r)
	if !ok {
		return nil, false
	}
	items := s.concatItems(a, b)
	if _, isList := l.(*list); isList {
		return &list{items}, true
	}
	return &tuple{items: items}, true
}

func (s *state) concatItems(a, b []any) []any {
	s.allocItems(len(a) + len(b))
	return append(append(make([]any, 0, len(a)+len(b)), a...), b...)
}

// repeat is a sequence times a number.
func (s *state) repeat(seq, times any) (any, bool) {
	n, ok := integer(times)
	if !ok {
		return nil, false
	}
	n = min(max(n, 0), maxText+1)
	switch v := seq.(type) {
	case string:
		s.alloc(len(v) * int(n))
		return strings.Repeat(v, int(n)), true
	case markup:
		s.alloc(len(v) * int(n))
		return markup(strings.Repeat(string(v), int(n))), true
	case *list:
		return &list{s.repeatItems(v.items, int(n))}, true
	case *tuple:
		return &tuple{items: s.repeatItems(v.items, int(n))}, true
	}
	return nil, false
}

func (s *state) repeatItems(items []any, n int) []any {
	s.allocItems(len(items) * n)
	out := make([]any, 0, len(items)*n)
	for range n {
		out = append(out, items...)
	}
	return out
}

// negate is -v, or +v.
func (s *state) negate(op string, v any) any {
	s.defined(v)
	if f, ok := v.(float64); ok {
		if op == "-" {
			f = -f
		}
		return f
	}
	b, ok := bigInt(v)
	if !ok {
		s.fail("bad operand type for unary %s: '%s'", op, pythonType(v))
	}
	if op == "-" {
		b = new(big.Int).Neg(b)
	}
	return normalInt(b)
}

// equal is Python's ==.
func (s *state) equal(l, r any) bool {
	s.step(1)
	s.scan(l)
	if lt, ok := text(l); ok {
		rt, ok := text(r)
		return ok && lt == rt
	}
	if isNumber(l) && isNumber(r) {
		return numberOrder(l, r) == 0
	}
	switch l := l.(type) {
	case nil:
		return r == nil
	case *undefined:
		_, ok := r.(*undefined)
		return ok
	case *list, *tuple:
		a, b, ok := bothItems(l, r)
		return ok && s.equalItems(a, b)
	case *dict:
		r, ok := r.(*dict)
		return ok && s.equalDicts(l, r)
	case *rangeValue:
		r, ok := r.(*rangeValue)
		return ok && l.len() == r.len() && (l.len() == 0 || l.start == r.start && (l.len() == 1 || l.step == r.step))
	case *view:
		if r, ok := r.(*view); ok && l.kind == r.kind && l.kind != "dict_values" {
			if l.kind == "dict_items" {
				return s.equalDicts(l.d, r.d)
			}
			return len(l.d.keys) == len(r.d.keys) && s.hasKeys(r.d, l.d.keys)
		}
	}
	return s.same(l, r)
}

func (s *state) hasKeys(d *dict, keys []any) bool {
	s.step(len(keys))
	s.scan(keys...)
	for _, k := range keys {
		if _, ok := d.get(k); !ok {
			return false
		}
	}
	return true
}

// same is Python's "is".
func (s *state) same(l, r any) bool {
	lf, lok := l.(function)
	rf, rok := r.(function)
	if lok || rok {
		return lok && rok && lf.name == rf.name
	}
	return l == r
}

// bothItems is the items of two lists, or of two tuples.
func bothItems(l, r any) (a, b []any, ok bool) {
	switch l := l.(type) {
	case *list:
		if r, ok := r.(*list); ok {
			return l.items, r.items, true
		}
	case *tuple:
		if r, ok := r.(*tuple); ok {
			return l.items, r.items, true
		}
	}
	return nil, nil, false
}

func (s *state) equalItems(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	s.enter()
	defer s.leave()
	for i, x := range a {
		if !s.same(x, b[i]) && !s.equal(x, b[i]) {
			return false
		}
	}
	return true
}

func (s *state) equalDicts(a, b *dict) bool {
	if len(a.keys) != len(b.keys) {
		return false
	}
	s.enter()
	defer s.leave()
	s.scan(a.keys...)
	for i, k := range a.keys {
		v, ok := b.get(k)
		if !ok || !s.same(a.vals[i], v) && !s.equal(a.vals[i], v) {
			return false
		}
	}
	return true
}

func isNumber(v any) bool {
	_, ok := float(v)
	return ok
}

// numberOrder compares numbers exactly; 2 stands for unordered.
func numberOrder(l, r any) int {
	lf, lIsFloat := l.(float64)
	rf, rIsFloat := r.(float64)
	if lIsFloat && math.IsNaN(lf) || rIsFloat && math.IsNaN(rf) {
		return 2
	}
	if lIsFloat && math.IsInf(lf, 0) || rIsFloat && math.IsInf(rf, 0) || lIsFloat && rIsFloat {
		lf, _ = float(l)
		rf, _ = float(r)
		switch {
		case lf < rf:
			return -1
		case lf > rf:
			return 1
		}
		return 0
	}
	return exactNumber(l).Cmp(exactNumber(r))
}

func exactNumber(v any) *big.Rat {
	if f, ok := v.(float64); ok {
		return new(big.Rat).SetFloat64(f)
	}
	b, _ := bigInt(v)
	return new(big.Rat).SetInt(b)
}

// ordered computes l op r for <, <=, > and >=.
func (s *state) ordered(op string, l, r any) bool {
	s.step(1)
	s.scan(l)
	s.defined(l)
	s.defined(r)
	if isNumber(l) && isNumber(r) {
		li, lok := l.(int64)
		ri, rok := r.(int64)
		if lok && rok {
			return satisfies(op, li, ri)
		}
		c := numberOrder(l, r)
		return c != 2 && satisfies(op, c, 0)
	}
	if lt, ok := text(l); ok {
		if rt, ok := text(r); ok {
			return satisfies(op, strings.Compare(lt, rt), 0)
		}
	}
	a, b, ok := bothItems(l, r)
	if !ok {
		s.fail("'%s' not supported between instances of '%s' and '%s'", op, pythonType(l), pythonType(r))
	}
	s.enter()
	defer s.leave()
	for i := range min(len(a), len(b)) {
		if !s.same(a[i], b[i]) && !s.equal(a[i], b[i]) {
			return s.ordered(op, a[i], b[i])
		}
	}
	return satisfies(op, len(a), len(b))
}

func satisfies[T int | int64](op string, l, r T) bool {
	switch op {
	case "<":
		return l < r
	case "<=":
		return l <= r
	case ">":
		return l > r
	}
	return l >= r
}

// contains is Python's item in box.
func (s *state) contains(box, item any) bool {
	switch b := box.(type) {
	case string, markup:
		haystack, _ := text(b)
		needle, ok := text(item)
		if !ok {
			s.fail("'in <string>' requires string as left operand, not %s", pythonType(item))
		}
		s.scan(box, item)
		return strings.Contains(haystack, needle)
	case *dict:
		s.scan(item)
		_, ok := b.index[s.hash(item)]
		return ok
	case *rangeValue:
		if i, ok := item.(int64); ok {
			at := i - b.start
			return at%b.step == 0 && at/b.step >= 0 && at/b.step < b.len()
		}
	case *view:
		if b.kind == "dict_keys" {
			return s.contains(b.d, item)
		}
	}
	items, ok := s.iterate(box)
	if !ok {
		s.fail("argument of type '%s' is not iterable", pythonType(box))
	}
	for _, x := range items {
		if s.same(x, item) || s.equal(x, item) {
			return true
		}
	}
	return false
}
