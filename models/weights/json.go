package weights

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// jsonReader reads JSON token by token. Unlike json.Unmarshal it sees duplicate
// keys and takes no fraction or exponent for an integer.
type jsonReader struct{ dec *json.Decoder }

// newJSONReader checks that text is one JSON value in UTF-8.
func newJSONReader(text []byte) (*jsonReader, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	// json.Valid first, because it costs no memory. It also is what bounds the
	// nesting and lets the methods below rely on the grammar.
	if !json.Valid(text) {
		err := json.Unmarshal(text, new(json.RawMessage))
		if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
			return nil, fmt.Errorf("byte %d: %w", e.Offset, err)
		}
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return &jsonReader{dec}, nil
}

// each reads an object and calls value for every key; value must read exactly
// the value.
func (o *jsonReader) each(value func(key string) error) error {
	if err := o.delim('{', "an object"); err != nil {
		return err
	}
	return o.members(value)
}

// members reads the rest of an object whose '{' has been read.
func (o *jsonReader) members(value func(key string) error) error {
	seen := map[string]bool{}
	for o.dec.More() {
		key, err := o.text()
		if err != nil {
			return err
		}
		if seen[key] {
			return fmt.Errorf("key %q appears twice", key)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	_, err := o.dec.Token()
	return err
}

// texts reads an object of strings.
func (o *jsonReader) texts() (map[string]string, error) {
	m, err := o.textsOrNull()
	if err == nil && m == nil {
		err = mismatch(nil, "an object")
	}
	return m, err
}

// textsOrNull is texts, or nil for the null that MLX writes for no metadata.
func (o *jsonReader) textsOrNull() (map[string]string, error) {
	tok, err := o.dec.Token()
	switch {
	case err != nil || tok == nil:
		return nil, err
	case tok != json.Delim('{'):
		return nil, mismatch(tok, "an object")
	}
	m := map[string]string{}
	err = o.members(func(key string) error {
		s, err := o.text()
		m[key] = s
		return wrap(err, "key %q", key)
	})
	return m, err
}

// text reads a string.
func (o *jsonReader) text() (string, error) {
	tok, err := o.dec.Token()
	if err != nil {
		return "", err
	}
	s, ok := tok.(string)
	if !ok {
		return "", mismatch(tok, "a string")
	}
	return s, nil
}

// integers reads an array of integers from 0 to 2^63-1.
func (o *jsonReader) integers() ([]int64, error) {
	if err := o.delim('[', "an array"); err != nil {
		return nil, err
	}
	var list []int64
	for o.dec.More() {
		tok, err := o.dec.Token()
		if err != nil {
			return nil, err
		}
		num, ok := tok.(json.Number)
		if !ok {
			return nil, mismatch(tok, "an integer")
		}
		n, err := strconv.ParseUint(num.String(), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("got %s, want an integer from 0 to 2^63-1", num)
		}
		list = append(list, int64(n))
	}
	_, err := o.dec.Token()
	return list, err
}

// skip reads a value of any type.
func (o *jsonReader) skip() error {
	return o.dec.Decode(new(json.RawMessage))
}

// delim reads the opening delimiter of what.
func (o *jsonReader) delim(d json.Delim, what string) error {
	tok, err := o.dec.Token()
	if err == nil && tok != d {
		err = mismatch(tok, what)
	}
	return err
}

// mismatch says that a value beginning with tok is not a want.
func mismatch(tok json.Token, want string) error {
	got := "null"
	switch tok := tok.(type) {
	case json.Delim:
		got = map[json.Delim]string{'{': "an object", '[': "an array"}[tok]
	case string:
		got = fmt.Sprintf("%q", tok)
	case json.Number, bool:
		got = fmt.Sprint(tok)
	}
	return fmt.Errorf("got %s, want %s", got, want)
}

// wrap puts a description in front of err, if there is one.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
