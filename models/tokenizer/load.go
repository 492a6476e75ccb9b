package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Load reads the tokenizer of a Hugging Face model folder: tokenizer.json and, where
// present, tokenizer_config.json, special_tokens_map.json, chat_template.jinja,
// generation_config.json, and config.json for the end tokens of older models.
func Load(dir string) (*Tokenizer, error) {
	path := filepath.Join(dir, "tokenizer.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := Parse(raw, path)
	if err != nil {
		return nil, err
	}
	if err := t.readSpecials(dir); err != nil {
		return nil, err
	}
	if err := t.readChatTemplate(dir); err != nil {
		return nil, err
	}
	return t, t.readEOS(dir)
}

// readObject reads an optional JSON object; a missing file is an empty one.
func readObject(path string) (map[string]json.RawMessage, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// readSpecials collects every *_token that is a string or {"content": string}.
// tokenizer_config.json is read last and wins, as in transformers.
func (t *Tokenizer) readSpecials(dir string) error {
	for _, name := range []string{"special_tokens_map.json", "tokenizer_config.json"} {
		path := filepath.Join(dir, name)
		fields, err := readObject(path)
		if err != nil {
			return err
		}
		for key, raw := range fields {
			if !strings.HasSuffix(key, "_token") {
				continue
			}
			if s, ok := tokenString(raw); ok {
				t.specials[key] = s
			}
		}
		// A missing pad_token is common and harmless: PAD then says false.
		for _, role := range []string{"bos_token", "eos_token"} {
			s, ok := t.specials[role]
			if !ok {
				continue
			}
			if _, known := t.TokenToID(s); !known {
				return fmt.Errorf("%s: %s: token %q is not in the vocabulary of %s", path, role, s, t.name)
			}
		}
	}
	return nil
}

// tokenString reads a token given as a string or as an object; null and flags such as
// add_bos_token are none.
func tokenString(raw json.RawMessage) (string, bool) {
	var s string
	if json.Unmarshal(raw, &s) == nil && string(raw) != "null" {
		return s, s != ""
	}
	var j struct {
		Content string `json:"content"`
	}
	if json.Unmarshal(raw, &j) == nil {
		return j.Content, j.Content != ""
	}
	return "", false
}

// readChatTemplate prefers chat_template.jinja; tokenizer_config.json holds a string
// or a list of named templates, of which "default" is taken.
func (t *Tokenizer) readChatTemplate(dir string) error {
	source, err := os.ReadFile(filepath.Join(dir, "chat_template.jinja"))
	if err == nil {
		t.chatTemplate = string(source)
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("tokenizer: %w", err)
	}
	path := filepath.Join(dir, "tokenizer_config.json")
	fields, err := readObject(path)
	if err != nil {
		return err
	}
	raw := fields["chat_template"]
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if json.Unmarshal(raw, &t.chatTemplate) == nil {
		return nil
	}
	var named []struct {
		Name     string `json:"name"`
		Template string `json:"template"`
	}
	if err := json.Unmarshal(raw, &named); err != nil {
		return fmt.Errorf("%s: chat_template: want a string or a list of named templates: %w", path, err)
	}
	for _, n := range named {
		if n.Name == "default" {
			t.chatTemplate = n.Template
			return nil
		}
	}
	return fmt.Errorf("%s: chat_template: the list has no template named default", path)
}

// readEOS reads eos_token_id, one id or a list, from generation_config.json or, if it
// has none, from config.json.
func (t *Tokenizer) readEOS(dir string) error {
	for _, name := range []string{"generation_config.json", "config.json"} {
		path := filepath.Join(dir, name)
		fields, err := readObject(path)
		if err != nil {
			return err
		}
		raw := fields["eos_token_id"]
		if len(raw) == 0 || string(raw) == "null" {
			continue
		}
		var one int32
		if json.Unmarshal(raw, &one) == nil {
			t.eosIDs = []int32{one}
			return nil
		}
		if err := json.Unmarshal(raw, &t.eosIDs); err != nil {
			return fmt.Errorf("%s: eos_token_id: got %.40s, want an id or a list of ids", path, raw)
		}
		return nil
	}
	return nil
}
