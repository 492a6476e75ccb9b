package tokenizer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// miniature is a whole tokenizer.json; tests replace parts of it.
const miniature = `{"added_tokens":[{"id":4,"content":"<eot>","special":true}],"normalizer":null,"pre_tokenizer":null,` +
	`"post_processor":null,"decoder":null,"model":{"type":"BPE","unk_token":"<unk>","vocab":{"<unk>":0,"a":1,"b":2,"ab":3},"merges":["a b"]}}`

func TestParseMiniature(t *testing.T) {
	tok, err := Parse([]byte(miniature), "mini.json")
	require.NoError(t, err)
	require.Equal(t, 5, tok.VocabSize())
	require.Equal(t, []int32{3, 4, 0, 1}, tok.Encode("ab<eot>xa", false))
	require.Equal(t, "ab", tok.IDToToken(3))
	require.Equal(t, "<eot>", tok.IDToToken(4))
	require.Equal(t, "", tok.IDToToken(5))
	require.Equal(t, "", tok.IDToToken(-1))
	id, ok := tok.TokenToID("<eot>")
	require.True(t, ok)
	require.Equal(t, int32(4), id)
	_, ok = tok.TokenToID("zz")
	require.False(t, ok)
	_, ok = tok.EOS()
	require.False(t, ok)
	require.Empty(t, tok.EOSAll())
	require.Equal(t, "ab a", tok.Decode([]int32{3, 4, 99, -1, 1}, true), "unknown ids and special tokens are left out")
}

// TestParseErrors checks that what is not understood is refused by file, section and type.
func TestParseErrors(t *testing.T) {
	part := func(section, value string) string {
		return strings.Replace(miniature, `"`+section+`":null`, `"`+section+`":`+value, 1)
	}
	model := func(value string) string {
		return miniature[:strings.Index(miniature, `"model":`)] + `"model":` + value + `}`
	}
	nested := `{"type":"NFC"}`
	for range maxNesting + 2 {
		nested = `{"type":"Sequence","normalizers":[` + nested + `]}`
	}
	for _, c := range []struct{ in, want string }{
		{`{"model":`, `f.json: unexpected end of JSON input`},
		{`[]`, `f.json: json: cannot unmarshal array`},
		{`{}`, `f.json: model: section is missing`},
		{part("normalizer", `{"type":"Shout"}`), `f.json: normalizer: normalizer type "Shout" is not supported`},
		{part("normalizer", `7`), `f.json: normalizer: got "7", want an object`},
		{part("normalizer", `{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"X"}]}`), `f.json: normalizer.normalizers[1]: normalizer type "X" is not supported`},
		{part("normalizer", nested), `parts are nested more than 16 deep`},
		{part("normalizer", `{"type":"Replace","content":"x"}`), `f.json: normalizer.pattern: want an object with String or Regex`},
		{part("normalizer", `{"type":"Replace","pattern":{"String":""},"content":"x"}`), `f.json: normalizer.pattern: the string is empty`},
		{part("normalizer", `{"type":"Precompiled","precompiled_charsmap":"AAAA"}`), `f.json: normalizer.precompiled_charsmap: shorter than its 4-byte header`},
		{part("normalizer", `{"type":"Precompiled","precompiled_charsmap":"////fwAAAAA="}`), `trie size does not fit the data`},
		{part("pre_tokenizer", `{"type":"UnicodeScripts"}`), `f.json: pre_tokenizer: pre-tokenizer type "UnicodeScripts" is not supported`},
		{part("pre_tokenizer", `{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"a(b"},"behavior":"Isolated"}]}`), `f.json: pre_tokenizer.pretokenizers[0].pattern: regular expression "a(b": error parsing regexp`},
		{part("pre_tokenizer", `{"type":"Split","pattern":{"Regex":"[\\p{L}&&[^x]]"},"behavior":"Isolated"}`), `intersection of character classes is not supported`},
		{part("pre_tokenizer", `{"type":"Split","pattern":{"Regex":"[a[bc]]"},"behavior":"Isolated"}`), `a character class inside a class is not supported`},
		{part("pre_tokenizer", `{"type":"Split","pattern":{"Regex":"(?m:a.b)"},"behavior":"Isolated"}`), `only the inline flag i is supported`},
		{part("pre_tokenizer", `{"type":"Split","pattern":{"Regex":"a{,3}"},"behavior":"Isolated"}`), `the quantifier {,n} is not supported`},
		{part("pre_tokenizer", `{"type":"Split","pattern":{"String":"a"},"behavior":"Sideways"}`), `f.json: pre_tokenizer.behavior: got "Sideways", want Isolated,`},
		{part("pre_tokenizer", `{"type":"Metaspace","replacement":"_","prepend_scheme":"last"}`), `f.json: pre_tokenizer.prepend_scheme: got "last", want always, first or never`},
		{part("post_processor", `{"type":"Stamp"}`), `f.json: post_processor: post-processor type "Stamp" is not supported`},
		{part("post_processor", `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{}}`), `f.json: post_processor.single[0]: token "<s>" is not in special_tokens`},
		{part("post_processor", `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}],"special_tokens":{"<s>":{"ids":[77]}}}`), `f.json: post_processor: token id 77 is not in the vocabulary`},
		{part("post_processor", `{"type":"BertProcessing","sep":["x"],"cls":["y",1]}`), `got 1 elements, want a token and its id`},
		{part("decoder", `{"type":"CTC"}`), `f.json: decoder: decoder type "CTC" is not supported`},
		{part("decoder", `{"type":"Strip","content":"ab"}`), `f.json: decoder.content: got "ab", want one character`},
		{model(`{"type":"Markov"}`), `f.json: model: model type "Markov" is not supported`},
		{model(`{"vocab":{}}`), `f.json: model: model type "" is not supported`},
		{model(`{"type":"BPE","vocab":{"a":-1},"merges":[]}`), `f.json: model.vocab: token "a" has id -1, want 0 to`},
		{model(`{"type":"BPE","vocab":{"a":2000000000},"merges":[]}`), `f.json: model.vocab: token "a" has id 2000000000, want 0 to`},
		{model(`{"type":"BPE","vocab":{"a":1,"b":1},"merges":[]}`), `f.json: model.vocab: tokens "a" and "b" share id 1`},
		{model(`{"type":"BPE","vocab":{"a":1},"merges":["a a"]}`), `f.json: model.merges: [0]: token "aa" is not in the vocabulary`},
		{model(`{"type":"BPE","vocab":{"a":1},"merges":["a a a"]}`), `merges[0]: got 3 tokens, want 2`},
		{model(`{"type":"BPE","dropout":0.1,"vocab":{},"merges":[]}`), `f.json: model.dropout: got 0.1; BPE dropout is not supported`},
		{model(`{"type":"BPE","unk_token":"<u>","vocab":{},"merges":[]}`), `f.json: model.unk_token: "<u>" is not in the vocabulary`},
		{model(`{"type":"WordPiece","unk_token":"[UNK]","vocab":{}}`), `f.json: model.unk_token: "[UNK]" is not in the vocabulary`},
		{model(`{"type":"WordLevel","unk_token":"u","vocab":{}}`), `f.json: model.unk_token: "u" is not in the vocabulary`},
		{model(`{"type":"Unigram","vocab":[["a",0]]}`), `f.json: model.unk_id: a Unigram model without an unknown token is not supported`},
		{model(`{"type":"Unigram","unk_id":1,"vocab":[["a",0]]}`), `f.json: model.unk_id: got 1, want 0 to 0`},
		{model(`{"type":"Unigram","unk_id":0,"vocab":[["a"]]}`), `got 1 elements, want a piece and a score`},
		{strings.Replace(miniature, `"id":4`, `"id":-4`, 1), `f.json: added_tokens[0]: token "<eot>" has id -4, want 0 to`},
		{strings.Replace(miniature, `[{"id"`, `[null,{"id"`, 1), `f.json: added_tokens[0]: got null, want an object`},
	} {
		_, err := Parse([]byte(c.in), "f.json")
		require.ErrorContains(t, err, c.want, c.in)
		require.NotContains(t, err.Error(), "\n")
	}
}

// TestLegacyForms reads what files of before 2021 look like.
func TestLegacyForms(t *testing.T) {
	for name, model := range map[string]string{
		"BPE without type":       `{"vocab":{"a":0,"b":1,"ab":2},"merges":["#version: 0.2","a b"]}`,
		"BPE with pairs":         `{"vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]}`,
		"WordPiece without type": `{"unk_token":"a","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"a":0,"b":1,"ab":2}}`,
		"Unigram without type":   `{"unk_id":0,"vocab":[["a",-1],["b",-1],["ab",-1.5]]}`,
	} {
		tok, err := Parse([]byte(`{"added_tokens":[],"model":`+model+`}`), name)
		require.NoError(t, err, name)
		require.Equal(t, []int32{2}, tok.Encode("ab", true), name)
	}
}

// TestRstripOverlap meets an added token inside the white space another one took.
func TestRstripOverlap(t *testing.T) {
	in := strings.Replace(miniature, `"added_tokens":[`,
		`"added_tokens":[{"id":5,"content":"X","rstrip":true},{"id":6,"content":" ","lstrip":true},`, 1)
	tok, err := Parse([]byte(in), "f.json")
	require.NoError(t, err)
	require.Equal(t, []int32{5, 1}, tok.Encode("X  a", false))
}
