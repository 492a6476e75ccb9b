package chat

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Value is a value of a template. The zero Value is Python's None.
type Value struct{ v any }

// String makes a Value of a text.
func String(s string) Value { return Value{s} }

// Bool makes a Value of a truth value.
func Bool(b bool) Value { return Value{b} }

// The evaluator's values are of these Go types: nil for None, bool, int64, *big.Int
// beyond int64, float64, string, and those below.
type (
	// markup is a string that HTML escaping leaves alone.
	markup string
	list   struct{ items []any }
	// tuple may name its items, as the groups of groupby do.
	tuple struct {
		items  []any
		fields []string
	}
	rangeValue struct{ start, stop, step int64 }
	// view is a dict's keys(), values() or items().
	view struct {
		kind string
		d    *dict
	}
	// generator runs fill when it is first read, and yields each item once.
	generator struct {
		kind   string
		fill   func() []any
		items  []any
		filled bool
	}
	// undefined is what a name or attribute that does not exist gives. It prints as
	// nothing; most other uses are the error msg.
	undefined struct{ msg string }
	namespace struct{ d *dict }
	macro     struct {
		def   *macroDef
		scope *scope
	}
	// function is a function or bound method of the interpreter.
	function struct {
		name string
		call func(s *state, a args) any
	}
	cycler struct {
		items []any
		pos   int
	}
	joiner struct {
		sep  any
		used bool
	}
)

// dict keeps the order in which keys came.
type dict struct {
	keys, vals []any
	index      map[any]int
}

func newDict() *dict { return &dict{index: map[any]int{}} }

// Keys of unlike types that Python holds equal have one hash key.
type (
	noneKey      struct{}
	undefinedKey struct{}
	bigKey       string
	tupleKey     string
)

// hashKey is v as key of a Go map; ok is false if v is not hashable.
func hashKey(v any) (key any, ok bool) {
	switch v := v.(type) {
	case nil:
		return noneKey{}, true
	case bool:
		if v {
			return int64(1), true
		}
		return int64(0), true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<63 {
			return int64(v), true
		}
		if b, exact := floatInt(v); exact {
			return bigKey(b.String()), true
		}
		return v, true
	case *big.Int:
		return bigKey(v.String()), true
	case markup:
		return string(v), true
	case *undefined:
		return undefinedKey{}, true
	case *tuple:
		var b strings.Builder
		if !tupleText(&b, v, 0) {
			return nil, false
		}
		return tupleKey(b.String()), true
	case *list, *dict, *view:
		return nil, false
	}
	return v, true
}

// hash is hashKey that fails.
func (s *state) hash(v any) any {
	k, ok := hashKey(v)
	if !ok {
		s.fail("unhashable type: '%s'", pythonType(v))
	}
	return k
}

// maxKey and maxKeyDepth bound the spelling of a tuple that is a key.
const (
	maxKey      = 1 << 12
	maxKeyDepth = 16
)

// tupleText spells a tuple's items; it is false if one is not hashable, or the tuple
// too large to be a key.
func tupleText(b *strings.Builder, t *tuple, depth int) bool {
	for _, item := range t.items {
		if inner, ok := item.(*tuple); ok {
			b.WriteByte('(')
			if depth == maxKeyDepth || !tupleText(b, inner, depth+1) {
				return false
			}
			b.WriteByte(')')
		} else {
			long, _ := text(item)
			k, ok := hashKey(item)
			if !ok || len(long) > maxKey {
				return false
			}
			keyText(b, k)
		}
		if b.Len() > maxKey {
			return false
		}
	}
	return true
}

// keyText spells a hash key unambiguously.
func keyText(b *strings.Builder, k any) {
	text := ""
	switch k := k.(type) {
	case string:
		text = "s" + k
	case int64:
		text = "i" + strconv.FormatInt(k, 10)
	case float64:
		text = "f" + strconv.FormatFloat(k, 'g', -1, 64)
	case bigKey:
		text = "b" + string(k)
	case noneKey:
		text = "n"
	default:
		text = "o" + pythonType(k)
	}
	b.WriteString(strconv.Itoa(len(text)))
	b.WriteByte(':')
	b.WriteString(text)
}

func (d *dict) get(key any) (any, bool) {
	k, ok := hashKey(key)
	if !ok {
		return nil, false
	}
	i, ok := d.index[k]
	if !ok {
		return nil, false
	}
	return d.vals[i], true
}

// set adds or replaces; it is false if the key is not hashable.
func (d *dict) set(key, val any) bool {
	k, ok := hashKey(key)
	if !ok {
		return false
	}
	if i, ok := d.index[k]; ok {
		d.vals[i] = val
		return true
	}
	d.index[k] = len(d.keys)
	d.keys = append(d.keys, key)
	d.vals = append(d.vals, val)
	return true
}

func (s *state) clone(d *dict) *dict {
	s.allocItems(6 * len(d.keys))
	s.scan(d.keys...)
	c := newDict()
	for i, k := range d.keys {
		c.set(k, d.vals[i])
	}
	return c
}

func (r *rangeValue) len() int64 {
	switch {
	case r.step > 0 && r.start < r.stop:
		return (r.stop-r.start-1)/r.step + 1
	case r.step < 0 && r.start > r.stop:
		return (r.start-r.stop-1)/-r.step + 1
	}
	return 0
}

// pythonType is the name of v's Python type.
func pythonType(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case markup:
		return "Markup"
	case *list:
		return "list"
	case *tuple:
		return "tuple"
	case *dict:
		return "dict"
	case *rangeValue:
		return "range"
	case *view:
		return v.kind
	case *generator:
		return v.kind
	case *undefined:
		return "Undefined"
	case *namespace:
		return "Namespace"
	case *macro:
		return "Macro"
	case *loopValue:
		return "LoopContext"
	case *cycler:
		return "Cycler"
	case *joiner:
		return "Joiner"
	}
	return "function"
}

// text is v's text if it is a string.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case markup:
		return string(v), true
	}
	return "", false
}

// integer is v as an integer if it is one, or a bool; integers beyond int64 are cut to
// its limits, which is what slices and counts need.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return v, true
	case *big.Int:
		if v.Sign() < 0 {
			return math.MinInt64, true
		}
		return math.MaxInt64, true
	}
	return 0, false
}

// normalInt is an int64 where the value fits.
func normalInt(b *big.Int) any {
	if b.IsInt64() {
		return b.Int64()
	}
	return b
}

// bigInt is v as a big integer if it is one, or a bool.
func bigInt(v any) (*big.Int, bool) {
	if b, ok := v.(*big.Int); ok {
		return b, true
	}
	if i, ok := integer(v); ok {
		return big.NewInt(i), true
	}
	return nil, false
}

// floatInt is f as an integer; exact is false if f is none.
func floatInt(f float64) (b *big.Int, exact bool) {
	if math.IsInf(f, 0) || math.IsNaN(f) || f != math.Trunc(f) {
		return nil, false
	}
	b, _ = big.NewFloat(f).Int(nil)
	return b, true
}

// float is v as a float if it is a number.
func float(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	}
	i, ok := integer(v)
	return float64(i), ok
}

// truth is Python's bool(v).
func truth(v any) bool {
	switch v := v.(type) {
	case nil, *undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case markup:
		return v != ""
	}
	n, ok := length(v)
	return !ok || n > 0
}

// length is Python's len(v), if v has one.
func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case markup:
		return utf8.RuneCountInString(string(v)), true
	case *list:
		return len(v.items), true
	case *tuple:
		return len(v.items), true
	case *dict:
		return len(v.keys), true
	case *view:
		return len(v.d.keys), true
	case *rangeValue:
		return int(v.len()), true
	case *undefined:
		return 0, true
	case *loopValue:
		return len(v.items), true
	}
	return 0, false
}

// iterate lists the items of v; ok is false if v is not iterable.
func (s *state) iterate(v any) (items []any, ok bool) {
	switch v := v.(type) {
	case string:
		return s.runes(v, false), true
	case markup:
		return s.runes(string(v), true), true
	case *list:
		items = v.items
	case *tuple:
		items = v.items
	case *dict:
		items = v.keys
	case *undefined:
		return nil, true
	case *rangeValue:
		n := v.len()
		s.allocItems(int(n))
		for i := range n {
			items = append(items, v.start+i*v.step)
		}
		return items, true
	case *view:
		return s.viewItems(v), true
	case *generator:
		if !v.filled {
			v.filled = true
			v.items = v.fill()
		}
		items, v.items = v.items, nil
	default:
		return nil, false
	}
	s.step(len(items))
	return items, true
}

func (s *state) viewItems(v *view) []any {
	s.step(len(v.d.keys))
	switch v.kind {
	case "dict_keys":
		return v.d.keys
	case "dict_values":
		return v.d.vals
	}
	s.allocItems(3 * len(v.d.keys))
	items := make([]any, len(v.d.keys))
	for i, k := range v.d.keys {
		items[i] = &tuple{items: []any{k, v.d.vals[i]}}
	}
	return items
}

// runes lists the characters of a string.
func (s *state) runes(text string, safe bool) []any {
	s.allocItems(2 * len(text))
	items := make([]any, 0, len(text))
	for i, r := range text {
		n := utf8.RuneLen(r)
		if r == utf8.RuneError {
			_, n = utf8.DecodeRuneInString(text[i:])
		}
		if safe {
			items = append(items, markup(text[i:i+n]))
		} else {
			items = append(items, text[i:i+n])
		}
	}
	return items
}

// items is iterate that fails.
func (s *state) items(v any) []any {
	items, ok := s.iterate(v)
	if !ok {
		s.fail("'%s' object is not iterable", pythonType(v))
	}
	return items
}
