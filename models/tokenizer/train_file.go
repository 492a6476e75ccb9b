package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// This file writes what Train learned as tokenizer.json. The vocabulary goes out in
// the order of ids, which encoding/json's maps cannot do.

// object is a JSON object with a fixed order of keys.
type object []struct {
	key   string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, v := range []any{f.key, f.value} {
			if j > 0 {
				b.WriteByte(':')
			}
			raw, err := marshal(v)
			if err != nil {
				return nil, err
			}
			b.Write(raw)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshal is json.Marshal without the escaping of HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

func byteLevelPart(trim bool) object {
	return object{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", trim}, {"use_regex", false}}
}

// file renders the tokenizer.
func (tr *trainer) file() ([]byte, error) {
	added := []object{}
	for id, s := range tr.options.SpecialTokens {
		added = append(added, object{{"id", id}, {"content", s}, {"single_word", false}, {"lstrip", false},
			{"rstrip", false}, {"normalized", false}, {"special", true}})
	}
	vocab := make(object, 0, len(tr.tokens))
	for id, s := range tr.tokens {
		vocab = append(vocab, object{{s, id}}...)
	}
	merges := [][2]string{}
	for _, m := range tr.merges {
		merges = append(merges, [2]string{tr.tokens[m[0]], tr.tokens[m[1]]})
	}
	split := object{{"type", "Split"}, {"pattern", object{{"Regex", tr.options.Pattern}}},
		{"behavior", "Isolated"}, {"invert", false}}
	out, err := marshal(object{
		{"version", "1.0"}, {"truncation", nil}, {"padding", nil},
		{"added_tokens", added},
		{"normalizer", nil},
		{"pre_tokenizer", object{{"type", "Sequence"}, {"pretokenizers", []object{split, byteLevelPart(true)}}}},
		{"post_processor", tr.postProcessor()},
		{"decoder", byteLevelPart(true)},
		{"model", object{{"type", "BPE"}, {"dropout", nil}, {"unk_token", nil}, {"continuing_subword_prefix", nil},
			{"end_of_word_suffix", nil}, {"fuse_unk", false}, {"byte_fallback", false}, {"ignore_merges", false},
			{"vocab", vocab}, {"merges", merges}}},
	})
	if err != nil {
		return nil, fmt.Errorf("tokenizer: Train: %w", err)
	}
	return append(out, '\n'), nil
}

// postProcessor keeps the spaces in offsets and puts the BOS in front, if there is one.
func (tr *trainer) postProcessor() object {
	bos := tr.options.BOS
	if bos == "" {
		return byteLevelPart(false)
	}
	special := object{{"SpecialToken", object{{"id", bos}, {"type_id", 0}}}}
	special2 := object{{"SpecialToken", object{{"id", bos}, {"type_id", 1}}}}
	sequence := func(id string, kind int) object {
		return object{{"Sequence", object{{"id", id}, {"type_id", kind}}}}
	}
	template := object{{"type", "TemplateProcessing"},
		{"single", []object{special, sequence("A", 0)}},
		{"pair", []object{special, sequence("A", 0), special2, sequence("B", 1)}},
		{"special_tokens", object{{bos, object{{"id", bos}, {"ids", []int32{tr.ids[bos]}}, {"tokens", []string{bos}}}}}},
	}
	return object{{"type", "Sequence"}, {"processors", []object{byteLevelPart(false), template}}}
}
