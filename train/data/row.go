// One line of a file: its keys, its kind, its fields, checked.

package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind is the form of the rows of a file, told from the keys of its first row.
type Kind int

const (
	// KindText rows are {"text": string}: every token counts in the loss.
	KindText Kind = iota + 1
	// KindCompletion rows are {"prompt": string, "completion": string, "tools"?: any}.
	KindCompletion
	// KindChat rows are {"messages": [{"role": string, …}, …], "tools"?: any}.
	KindChat
	// KindLabels rows are {"input_ids": [int], "labels": [int]} as in Hugging
	// Face: labels[i] belongs to input_ids[i], -100 leaves it out of the loss.
	KindLabels
	// KindPromptLength rows are {"input_ids": [int], "prompt_length": int}:
	// the first prompt_length tokens are left out of the loss.
	KindPromptLength
	// KindTokens rows are {"input_ids": [int]}: every token counts.
	KindTokens
)

// String returns the keys of the kind.
func (k Kind) String() string {
	switch k {
	case KindText:
		return "text"
	case KindCompletion:
		return "prompt+completion"
	case KindChat:
		return "messages"
	case KindLabels:
		return "input_ids+labels"
	case KindPromptLength:
		return "input_ids+prompt_length"
	case KindTokens:
		return "input_ids"
	}
	return "unknown"
}

// Features renames keys of the rows, as mlx-lm's prompt_feature,
// completion_feature, text_feature and chat_feature do. An empty string is the
// usual key: prompt, completion, text, messages.
type Features struct {
	Prompt, Completion, Text, Chat string
}

func (f Features) withDefaults() Features {
	for _, feature := range []struct {
		key   *string
		usual string
	}{{&f.Prompt, "prompt"}, {&f.Completion, "completion"}, {&f.Text, "text"}, {&f.Chat, "messages"}} {
		if *feature.key == "" {
			*feature.key = feature.usual
		}
	}
	return f
}

const (
	keyIDs          = "input_ids"
	keyLabels       = "labels"
	keyPromptLength = "prompt_length"
	keyTools        = "tools"

	ignoreLabel = -100
)

// row is a JSON object by key; null values count as missing.
type row map[string]json.RawMessage

// parseRow reads one line. count is the number of keys as Python would count
// them, null values included.
func parseRow(line []byte) (r row, count int, err error) {
	if !utf8.Valid(line) {
		return nil, 0, errors.New("text is not valid UTF-8")
	}
	if err := json.Unmarshal(line, &r); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, 0, fmt.Errorf("broken JSON at byte %d: %w", syntax.Offset, err)
		}
		return nil, 0, fmt.Errorf("row is a JSON %s, want an object", jsonType(line))
	}
	if r == nil {
		return nil, 0, errors.New("row is a JSON null, want an object")
	}
	count = len(r)
	for key, raw := range r {
		if string(raw) == "null" {
			delete(r, key)
		}
	}
	if len(r) == 0 {
		return nil, 0, errors.New("empty row")
	}
	return r, count, nil
}

func (r row) has(keys ...string) bool {
	for _, key := range keys {
		if _, ok := r[key]; !ok {
			return false
		}
	}
	return true
}

// kind tells the form of a row. Token ids win over text; among text forms the
// order is mlx-lm's. Other keys are ignored.
func (r row) kind(f Features) (Kind, error) {
	switch {
	case r.has(keyIDs, keyLabels, keyPromptLength):
		return 0, fmt.Errorf("row has both %q and %q, keep one", keyLabels, keyPromptLength)
	case r.has(keyIDs, keyLabels):
		return KindLabels, nil
	case r.has(keyIDs, keyPromptLength):
		return KindPromptLength, nil
	case r.has(keyIDs):
		return KindTokens, nil
	case r.has(f.Prompt, f.Completion):
		return KindCompletion, nil
	case r.has(f.Chat):
		return KindChat, nil
	case r.has(f.Text):
		return KindText, nil
	}
	keys := make([]string, 0, len(r))
	for key := range r {
		keys = append(keys, fmt.Sprintf("%.40q", key))
	}
	slices.Sort(keys)
	if len(keys) > 8 {
		keys = append(keys[:8], "…")
	}
	return 0, fmt.Errorf("row has the keys %s, want %q, %q and %q, %q, or %q",
		strings.Join(keys, ", "), f.Text, f.Prompt, f.Completion, f.Chat, keyIDs)
}

// text returns a string field.
func (r row) text(key string) (string, error) {
	var s string
	if err := json.Unmarshal(r[key], &s); err != nil {
		return "", fmt.Errorf("%q is a JSON %s, want a string", key, jsonType(r[key]))
	}
	return s, nil
}

// ids returns a field that is an array of integers of 32 bits.
func (r row) ids(key string) ([]int32, error) {
	raw := bytes.TrimSpace(r[key])
	if len(raw) == 0 || raw[0] != '[' {
		return nil, fmt.Errorf("%q is a JSON %s, want an array of integers", key, jsonType(raw))
	}
	out := make([]int32, 0, bytes.Count(raw, []byte{','})+1)
	// The array is valid JSON already, so cutting at commas is safe: an element
	// with a comma inside is no integer and fails below.
	body := bytes.TrimSpace(raw[1 : len(raw)-1])
	for len(body) > 0 {
		item, rest, more := bytes.Cut(body, []byte{','})
		v, ok := integer(bytes.TrimSpace(item))
		if !ok {
			return nil, fmt.Errorf("%s[%d] is %s, want an integer of 32 bits", key, len(out), brief(item))
		}
		out = append(out, v)
		if !more {
			break
		}
		body = rest
	}
	return out, nil
}

// integer reads a JSON integer without fraction or exponent.
func integer(text []byte) (int32, bool) {
	digits, sign := text, int64(1)
	if len(text) > 0 && text[0] == '-' {
		digits, sign = text[1:], -1
	}
	if len(digits) == 0 || len(digits) > 10 {
		return 0, false
	}
	var v int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	v *= sign
	return int32(v), v >= math.MinInt32 && v <= math.MaxInt32
}

// promptLength returns the prompt_length of a row with n tokens.
func (r row) promptLength(n int) (int, error) {
	v, ok := integer(r[keyPromptLength])
	if !ok {
		return 0, fmt.Errorf("%q is %s, want an integer", keyPromptLength, brief(r[keyPromptLength]))
	}
	if v < 0 || int(v) > n {
		return 0, fmt.Errorf("%q is %d, want 0 to %d, the length of %q", keyPromptLength, v, n, keyIDs)
	}
	return int(v), nil
}

// messages checks the outer form of a conversation and returns it as it came:
// what is inside a message is the chat template's business.
func (r row) messages(key string) (json.RawMessage, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(r[key], &list); err != nil {
		return nil, fmt.Errorf("%q is a JSON %s, want an array of messages", key, jsonType(r[key]))
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%q is empty", key)
	}
	for i, raw := range list {
		var message map[string]json.RawMessage
		if json.Unmarshal(raw, &message) != nil || message == nil {
			return nil, fmt.Errorf("%s[%d] is a JSON %s, want an object", key, i, jsonType(raw))
		}
		role, ok := message["role"]
		if !ok {
			return nil, fmt.Errorf("%s[%d] has no \"role\"", key, i)
		}
		if jsonType(role) != "string" {
			return nil, fmt.Errorf("%s[%d]: \"role\" is a JSON %s, want a string", key, i, jsonType(role))
		}
	}
	return r[key], nil
}

// brief shows the start of a JSON value in an error message.
func brief(raw []byte) string {
	return fmt.Sprintf("%.20s", strings.Join(strings.Fields(string(raw)), " "))
}

// jsonType names the type of a JSON value for error messages.
func jsonType(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}
