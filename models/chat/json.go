package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// maxJSONDepth is how deep a JSON value may be nested.
const maxJSONDepth = 200

// FromJSON makes a Value of JSON. Objects keep the order of their keys, and 1.0 is
// not 1.
func FromJSON(raw json.RawMessage) (Value, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	v, err := decode(dec, 0)
	if err != nil {
		return Value{}, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return Value{}, fmt.Errorf("JSON goes on after its value at byte %d", dec.InputOffset())
	}
	return Value{v}, nil
}

// jsonType names a decoded value's type in JSON's terms.
func jsonType(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case *list:
		return "a list"
	case *dict:
		return "an object"
	}
	return "a number"
}

func decode(dec *json.Decoder, depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("JSON is nested more than %d deep", maxJSONDepth)
	}
	tok, err := nextToken(dec)
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case json.Number:
		return decodeNumber(string(tok))
	case json.Delim:
		if tok == '[' {
			l := &list{}
			for dec.More() {
				v, err := decode(dec, depth+1)
				if err != nil {
					return nil, err
				}
				l.items = append(l.items, v)
			}
			_, err := nextToken(dec)
			return l, err
		}
		d := newDict()
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, fmt.Errorf("JSON: %w", err)
			}
			v, err := decode(dec, depth+1)
			if err != nil {
				return nil, err
			}
			d.set(key, v)
		}
		_, err := nextToken(dec)
		return d, err
	}
	return tok, nil // nil, bool or string
}

// nextToken reads a token that must be there.
func nextToken(dec *json.Decoder) (json.Token, error) {
	tok, err := dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("JSON: %w", err)
	}
	return tok, nil
}

func decodeNumber(text string) (any, error) {
	if strings.ContainsAny(text, ".eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil && !math.IsInf(f, 0) {
			return nil, fmt.Errorf("JSON: number %s: %w", text, err)
		}
		return f, nil
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, nil
	}
	b := new(big.Int)
	if len(text) <= maxBits/3 {
		b.SetString(text, 10)
	}
	if b.Sign() == 0 || b.BitLen() > maxBits {
		return nil, fmt.Errorf("JSON: an integer of %d digits is too large", len(text))
	}
	return b, nil
}

// jsonWriter is Python's json.dumps with the options of tojson.
type jsonWriter struct {
	s           *state
	b           strings.Builder
	ascii, sort bool
	indent      *string // of one level; nil for one line
	item, colon string
}

// filterToJSON is the tojson of transformers, which escapes nothing for HTML.
func filterToJSON(s *state, v any, a args) any {
	p := a.bind(s, "ensure_ascii?", "indent?", "separators?", "sort_keys?")
	w := &jsonWriter{s: s, ascii: truthOr(p[0], false), sort: truthOr(p[3], false), item: ", ", colon: ": "}
	if given(p[1]) && p[1] != nil {
		indent, ok := text(p[1])
		if !ok {
			indent = strings.Repeat(" ", int(min(max(a.intOr(s, p[1], 0), 0), maxItems)))
		}
		w.indent, w.item = &indent, ","
	}
	if given(p[2]) && p[2] != nil {
		sep := s.items(p[2])
		if len(sep) != 2 {
			s.fail("tojson: separators needs two texts")
		}
		w.item, w.colon = a.textArg(s, sep[0]), a.textArg(s, sep[1])
	}
	w.value(v, 1)
	s.alloc(w.b.Len())
	return w.b.String()
}

func (w *jsonWriter) value(v any, level int) {
	w.s.enter()
	defer w.s.leave()
	w.s.step(1)
	w.s.fits(w.b.Len())
	switch v := v.(type) {
	case string:
		w.text(v)
	case markup:
		w.text(string(v))
	case *list:
		w.list(v.items, level)
	case *tuple:
		w.list(v.items, level)
	case *dict:
		w.dict(v, level)
	default:
		t, ok := jsonScalar(v)
		if !ok {
			w.s.fail("tojson: object of type %s is not JSON serializable", pythonType(v))
		}
		w.b.WriteString(t)
	}
}

// jsonScalar spells a value that is no text and no container.
func jsonScalar(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "null", true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case *big.Int:
		return v.String(), true
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN", true
		case math.IsInf(v, 1):
			return "Infinity", true
		case math.IsInf(v, -1):
			return "-Infinity", true
		}
		return floatRepr(v), true
	}
	return "", false
}

// line ends one line and indents the next.
func (w *jsonWriter) line(level int) {
	if w.indent != nil {
		w.s.step(len(*w.indent) * level / 16)
		w.b.WriteByte('\n')
		w.b.WriteString(strings.Repeat(*w.indent, level))
		w.s.fits(w.b.Len())
	}
}

func (w *jsonWriter) list(items []any, level int) {
	w.b.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			w.b.WriteString(w.item)
		}
		w.line(level)
		w.value(item, level+1)
	}
	if len(items) > 0 {
		w.line(level - 1)
	}
	w.b.WriteByte(']')
}

func (w *jsonWriter) dict(d *dict, level int) {
	order := make([]int, len(d.keys))
	for i := range order {
		order[i] = i
	}
	if w.sort {
		slices.SortStableFunc(order, func(i, j int) int { return w.s.order(d.keys[i], d.keys[j]) })
	}
	w.b.WriteByte('{')
	for n, i := range order {
		if n > 0 {
			w.b.WriteString(w.item)
		}
		w.line(level)
		key, ok := text(d.keys[i])
		if !ok {
			if key, ok = jsonScalar(d.keys[i]); !ok {
				w.s.fail("tojson: keys must be str, int, float, bool or None, not %s", pythonType(d.keys[i]))
			}
		}
		w.text(key)
		w.b.WriteString(w.colon)
		w.value(d.vals[i], level+1)
	}
	if len(order) > 0 {
		w.line(level - 1)
	}
	w.b.WriteByte('}')
}

func (w *jsonWriter) text(t string) {
	w.s.step(len(t) / 4)
	w.b.WriteByte('"')
	for _, r := range t {
		switch {
		case r == '"' || r == '\\':
			w.b.WriteByte('\\')
			w.b.WriteRune(r)
		case r == '\n':
			w.b.WriteString(`\n`)
		case r == '\r':
			w.b.WriteString(`\r`)
		case r == '\t':
			w.b.WriteString(`\t`)
		case r == '\b':
			w.b.WriteString(`\b`)
		case r == '\f':
			w.b.WriteString(`\f`)
		case r < 0x20 || w.ascii && r > 0x7e:
			w.escape(r)
		default:
			w.b.WriteRune(r)
		}
	}
	w.b.WriteByte('"')
}

func (w *jsonWriter) escape(r rune) {
	if high, low := utf16.EncodeRune(r); r > 0xffff {
		fmt.Fprintf(&w.b, `\u%04x\u%04x`, high, low)
		return
	}
	fmt.Fprintf(&w.b, `\u%04x`, r)
}
