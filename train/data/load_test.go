package data

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

func load(t testing.TB, enc Encoder, opt Options, lines ...string) (*Corpus, string, error) {
	t.Helper()
	file := writeFile(t, "train.jsonl", lines...)
	c, err := Load(context.Background(), file, enc, opt)
	return c, file, err
}

// bytesOf is what byteEncoder makes of text.
func bytesOf(text string) []int32 { return byteEncoder{}.Encode(text, false) }

func join(parts ...[]int32) (out []int32) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func TestRowKinds(t *testing.T) {
	chat := byteEncoder{template: true}
	bos, eos, user, bot := []int32{testBOS}, []int32{testEOS}, []int32{testUser}, []int32{testBot}
	turns := `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"bc"},{"role":"user","content":"d"},{"role":"assistant","content":"e"}]}`
	turnIDs := join(bos, user, bytesOf("a"), eos, bot, bytesOf("bc"), eos, user, bytesOf("d"), eos, bot, bytesOf("e"), eos)
	pair := `{"prompt":"ab","completion":"c"}`
	pairIDs := join(bos, user, bytesOf("ab"), eos, bot, bytesOf("c"), eos)
	for name, c := range map[string]struct {
		enc    Encoder
		mask   Mask
		line   string
		kind   Kind
		ids    []int32
		spans  []Span
		offset int
	}{
		"text":            {chat, MaskAuto, `{"text":"hé"}`, KindText, join(bos, bytesOf("hé"), eos), []Span{{1, 5}}, 0},
		"text ends":       {endsWithEOS{}, MaskAuto, `{"text":"h"}`, KindText, join(bos, bytesOf("h"), eos), []Span{{1, 3}}, 0},
		"chat":            {chat, MaskAuto, turns, KindChat, turnIDs, []Span{{5, 8}, {12, 14}}, 5},
		"chat last":       {chat, MaskPrompt, turns, KindChat, turnIDs, []Span{{12, 14}}, 12},
		"chat full":       {chat, MaskFull, turns, KindChat, turnIDs, []Span{{1, 14}}, 0},
		"pair":            {chat, MaskAuto, pair, KindCompletion, pairIDs, []Span{{6, 8}}, 6},
		"pair last":       {chat, MaskPrompt, pair, KindCompletion, pairIDs, []Span{{6, 8}}, 6},
		"pair full":       {chat, MaskFull, pair, KindCompletion, pairIDs, []Span{{1, 8}}, 0},
		"pair plain":      {byteEncoder{}, MaskAuto, pair, KindCompletion, join(bos, bytesOf("abc"), eos), []Span{{3, 5}}, 3},
		"pair plain last": {byteEncoder{}, MaskPrompt, pair, KindCompletion, join(bos, bytesOf("abc"), eos), []Span{{3, 5}}, 3},
		"pair plain full": {byteEncoder{}, MaskFull, pair, KindCompletion, join(bos, bytesOf("abc"), eos), []Span{{1, 5}}, 0},
		"tools": {chat, MaskAuto, `{"messages":[{"role":"assistant","content":"b"}],"tools":[1]}`, KindChat,
			join(bos, bytesOf("[1]"), bot, bytesOf("b"), eos), []Span{{5, 7}}, 5},
		"labels":      {nil, MaskAuto, `{"input_ids":[7,8,9,5],"labels":[7,-100,9,5],"text":"x"}`, KindLabels, []int32{7, 8, 9, 5}, []Span{{2, 4}}, 0},
		"labels full": {nil, MaskFull, `{"input_ids":[7,8,9],"labels":[-100,8,-100]}`, KindLabels, []int32{7, 8, 9}, []Span{{1, 2}}, 1},
		"prompt_length": {nil, MaskAuto, `{"input_ids":[7, 8 ,9],"prompt_length":2}`, KindPromptLength,
			[]int32{7, 8, 9}, []Span{{2, 3}}, 2},
		"prompt_length full": {nil, MaskFull, `{"input_ids":[7,8,9],"prompt_length":2}`, KindPromptLength, []int32{7, 8, 9}, []Span{{1, 3}}, 0},
		"input_ids":          {nil, MaskAuto, `{"input_ids":[7,8,9],"labels":null}`, KindTokens, []int32{7, 8, 9}, []Span{{1, 3}}, 0},
	} {
		corpus, _, err := load(t, c.enc, Options{Mask: c.mask}, c.line)
		require.NoError(t, err, name)
		require.Equal(t, Example{IDs: c.ids, Spans: c.spans, Offset: c.offset}, corpus.Example(0), name)
		require.Equal(t, c.kind, corpus.Stats().Kind, name)
	}
}

// endsWithEOS is a tokenizer that appends EOS by itself.
type endsWithEOS struct{ byteEncoder }

func (e endsWithEOS) Encode(text string, addSpecial bool) []int32 {
	ids := e.byteEncoder.Encode(text, addSpecial)
	if addSpecial {
		ids = append(ids, testEOS)
	}
	return ids
}

func TestFeatures(t *testing.T) {
	f := Features{Prompt: "q", Completion: "a", Text: "body", Chat: "conversation"}
	for line, kind := range map[string]Kind{
		`{"q":"x","a":"y","prompt":1}`:                         KindCompletion,
		`{"body":"x","text":"z","messages":[]}`:                KindText,
		`{"conversation":[{"role":"assistant","content":""}]}`: KindChat,
	} {
		c, _, err := load(t, byteEncoder{template: true}, Options{Features: f}, line)
		require.NoError(t, err, line)
		require.Equal(t, kind, c.Stats().Kind)
	}
	_, file, err := load(t, byteEncoder{}, Options{Features: f}, `{"text":"x"}`)
	require.EqualError(t, err, file+`:1: row has the keys "text", want "body", "q" and "a", "conversation", or "input_ids"`)
}

func TestBadRows(t *testing.T) {
	chat, plain := byteEncoder{template: true}, byteEncoder{}
	text := Options{}
	vocab := Options{VocabSize: 100}
	type in = []string
	for _, c := range []struct {
		enc   Encoder
		opt   Options
		lines in
		want  string
	}{
		{plain, text, in{`{"text":"a"}`, `{"text":"b"`}, ":2: broken JSON at byte 11: unexpected end of JSON input"},
		{plain, text, in{`{"text":"a"}`, `{"text":"b"} {}`}, ":2: broken JSON at byte 14: invalid character '{' after top-level value"},
		{plain, text, in{`["a"]`}, ":1: row is a JSON array, want an object"},
		{plain, text, in{`null`}, ":1: row is a JSON null, want an object"},
		{plain, text, in{`{}`}, ":1: empty row"},
		{plain, text, in{`{"text":null}`}, ":1: empty row"},
		{plain, text, in{`{"text":"a"}`, ``, ``, `{"text":"a"}`}, ":2: empty row"},
		{plain, text, in{"{\"text\":\"a\xff\"}"}, ":1: text is not valid UTF-8"},
		{plain, text, in{`{"txt":"a","b":1}`}, `:1: row has the keys "b", "txt", want "text", "prompt" and "completion", "messages", or "input_ids"`},
		{plain, text, in{`{"text":"a"}`, `{"prompt":"a","completion":"b"}`}, ":2: row is prompt+completion, but the file began with text: one file holds one kind of rows"},
		{nil, text, in{`{"input_ids":[1]}`, `{"input_ids":[1],"labels":[1]}`}, ":2: row is input_ids+labels, but the file began with input_ids: one file holds one kind of rows"},
		{plain, text, in{`{"text":3}`}, `:1: "text" is a JSON number, want a string`},
		{plain, text, in{`{"text":""}`}, `:1: "text" is empty`},
		{plain, text, in{`{"prompt":true,"completion":"b"}`}, `:1: "prompt" is a JSON boolean, want a string`},
		{plain, text, in{`{"prompt":"a","completion":["b"]}`}, `:1: "completion" is a JSON array, want a string`},
		{plain, text, in{`{"prompt":"a","completion":""}`}, `:1: "completion" is empty`},
		{chat, text, in{`{"messages":{}}`}, `:1: "messages" is a JSON object, want an array of messages`},
		{chat, text, in{`{"messages":[]}`}, `:1: "messages" is empty`},
		{chat, text, in{`{"messages":["hi"]}`}, `:1: messages[0] is a JSON string, want an object`},
		{chat, text, in{`{"messages":[null]}`}, `:1: messages[0] is a JSON null, want an object`},
		{chat, text, in{`{"messages":[{"content":"a"}]}`}, `:1: messages[0] has no "role"`},
		{chat, text, in{`{"messages":[{"role":1}]}`}, `:1: messages[0]: "role" is a JSON number, want a string`},
		{chat, text, in{`{"messages":[{"role":"user","content":1}]}`}, ":1: chat template: content is not a string"},
		{plain, text, in{`{"messages":[{"role":"user","content":"a"}]}`}, ":1: chat template: the tokenizer has no chat template"},
		{chat, text, in{`{"messages":[{"role":"user","content":"a"}]}`}, ":1: none of the 1 rows has a token that counts in the loss"},
		{nil, text, in{`{"text":"a"}`}, ":1: rows of text need a tokenizer"},
		{plain, Options{Mask: MaskPrompt}, in{`{"text":"a"}`}, ":1: masking the prompt needs rows with a prompt, got text"},
		{plain, vocab, in{`{"text":"ab"}`}, ":1: token 1 has id 107, outside the vocabulary of 100"},
		{nil, vocab, in{`{"input_ids":[1,99]}`, `{"input_ids":[1,100]}`}, ":2: token 1 has id 100, outside the vocabulary of 100"},
		{nil, text, in{`{"input_ids":[1,-1]}`}, ":1: token 1 has the negative id -1"},
		{nil, text, in{`{"input_ids":[]}`}, ":1: row has no tokens"},
		{nil, text, in{`{"input_ids":"1"}`}, `:1: "input_ids" is a JSON string, want an array of integers`},
		{nil, text, in{`{"input_ids":[1,2.0]}`}, `:1: input_ids[1] is 2.0, want an integer of 32 bits`},
		{nil, text, in{`{"input_ids":[1e3]}`}, `:1: input_ids[0] is 1e3, want an integer of 32 bits`},
		{nil, text, in{`{"input_ids":[1,null]}`}, `:1: input_ids[1] is null, want an integer of 32 bits`},
		{nil, text, in{`{"input_ids":[1,[2,3]]}`}, `:1: input_ids[1] is [2, want an integer of 32 bits`},
		{nil, text, in{`{"input_ids":[2147483648]}`}, `:1: input_ids[0] is 2147483648, want an integer of 32 bits`},
		{nil, text, in{`{"input_ids":[99999999999]}`}, `:1: input_ids[0] is 99999999999, want an integer of 32 bits`},
		{nil, text, in{`{"input_ids":[1,2],"labels":[1]}`}, ":1: 1 labels for 2 input_ids"},
		{nil, text, in{`{"input_ids":[1,2],"labels":[2,-100]}`}, ":1: labels[0] is 2, want input_ids[0] = 1 or -100 (labels are not shifted)"},
		{nil, text, in{`{"input_ids":[1,2],"labels":[1,2],"prompt_length":1}`}, `:1: row has both "labels" and "prompt_length", keep one`},
		{nil, text, in{`{"input_ids":[1,2],"prompt_length":3}`}, `:1: "prompt_length" is 3, want 0 to 2, the length of "input_ids"`},
		{nil, text, in{`{"input_ids":[1,2],"prompt_length":-1}`}, `:1: "prompt_length" is -1, want 0 to 2, the length of "input_ids"`},
		{nil, text, in{`{"input_ids":[1,2],"prompt_length":"1"}`}, `:1: "prompt_length" is "1", want an integer`},
		{nil, Options{MaxTokens: 3}, in{`{"input_ids":[1,2,3]}`, `{"input_ids":[1,2,3,4]}`}, ":2: row has 4 tokens, the limit is 3"},
		{nil, Options{MaxBytes: 1 << 16}, in{`{"input_ids":[1,2,3]}`}, ":1: tokenised rows take 0 MiB, the limit is 0 MiB"},
		{nil, text, in{``}, ":1: no rows"},
	} {
		_, file, err := load(t, c.enc, c.opt, c.lines...)
		require.EqualError(t, err, file+c.want, "%q", c.lines)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestLineForms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.jsonl")
	long := `{"text":"` + strings.Repeat("y", 300_000) + `"}` // longer than the read buffer
	require.NoError(t, os.WriteFile(file, []byte("\ufeff{\"text\":\"a\"}\r\n"+long+"\r\n  {\"text\":\"b\"}\n\n \n"), 0o600))
	c, err := Load(context.Background(), file, byteEncoder{}, Options{})
	require.NoError(t, err)
	require.Equal(t, 3, c.Len())
	require.Equal(t, []int32{testBOS, 'b' + testByte, testEOS}, c.Example(2).IDs)
	require.Equal(t, file+":3", c.Where(2))

	require.NoError(t, os.WriteFile(file, []byte(`{"text":"no line end"}`), 0o600))
	c, err = Load(context.Background(), file, byteEncoder{}, Options{})
	require.NoError(t, err)
	require.Equal(t, 1, c.Len())
}

func compress(t *testing.T, name string, text []byte) []byte {
	var out bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&out)
	if strings.HasSuffix(name, ".zst") {
		var err error
		w, err = zstd.NewWriter(&out)
		require.NoError(t, err)
	}
	_, err := w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestCompressedEqualsPlain(t *testing.T) {
	var lines []string
	for i := range 5000 {
		lines = append(lines, fmt.Sprintf(`{"text":"row %d %s"}`, i, strings.Repeat("ab", i%97)))
	}
	plain := writeFile(t, "train.jsonl", lines...)
	text, err := os.ReadFile(plain)
	require.NoError(t, err)
	want, err := Load(context.Background(), plain, byteEncoder{}, Options{})
	require.NoError(t, err)
	for _, name := range []string{"train.jsonl.gz", "train.jsonl.zst"} {
		packed := compress(t, name, text)
		file := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(file, packed, 0o600))
		got, err := Load(context.Background(), file, byteEncoder{}, Options{})
		require.NoError(t, err)
		require.Equal(t, want.fingerprint(), got.fingerprint())
		require.Equal(t, want.Stats(), got.Stats())

		// Cut short and damaged files name the file and a line.
		require.NoError(t, os.WriteFile(file, packed[:len(packed)/2], 0o600))
		_, err = Load(context.Background(), file, byteEncoder{}, Options{})
		require.ErrorContains(t, err, file+":")
		require.ErrorContains(t, err, "unexpected EOF")
		require.NoError(t, os.WriteFile(file, []byte("not compressed at all\n"), 0o600))
		_, err = Load(context.Background(), file, byteEncoder{}, Options{})
		require.ErrorContains(t, err, file+":1: ")
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	_, err := Find(dir)
	require.ErrorContains(t, err, "has no train.jsonl, valid.jsonl or test.jsonl")
	touch := func(name string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		return file
	}
	train, valid := touch("train.jsonl.zst"), touch("valid.jsonl")
	files, err := Find(dir)
	require.NoError(t, err)
	require.Equal(t, Files{Train: train, Valid: valid}, files)
	files, err = Find(valid)
	require.NoError(t, err)
	require.Equal(t, Files{Train: valid}, files)
	test := touch("test.jsonl.gz")
	files, err = Find(dir)
	require.NoError(t, err)
	require.Equal(t, test, files.Test)
	other := touch("test.jsonl")
	_, err = Find(dir)
	require.EqualError(t, err, "data: both "+other+" and "+test+" exist, keep one")
	_, err = Find(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Load(context.Background(), filepath.Join(dir, "none"), nil, Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTruncate(t *testing.T) {
	opt := Options{MaxTokens: 3, Long: LongTruncate}
	c := loadRows(t, opt, `{"input_ids":[1,2,3,4,5],"labels":[-100,2,-100,4,5]}`, `{"input_ids":[1,2,3,4],"labels":[-100,-100,-100,4]}`,
		`{"input_ids":[1,2],"labels":[1,2]}`)
	require.Equal(t, Example{IDs: []int32{1, 2, 3}, Spans: []Span{{1, 2}}, Offset: 1}, c.Example(0))
	require.Empty(t, c.Example(1).Spans)
	s := c.Stats()
	require.Equal(t, Stats{Kind: KindLabels, Rows: 3, Tokens: 8, Supervised: 2, Longest: 3, Truncated: 2, Unsupervised: 1, Bytes: s.Bytes}, s)
	require.Positive(t, s.Bytes)
}

func TestSplitOff(t *testing.T) {
	c := lognormal(100, 20, 50, 1)
	train, valid, err := c.SplitOff(0.1, 3)
	require.NoError(t, err)
	require.Equal(t, [2]int{90, 10}, [2]int{train.Len(), valid.Len()})
	// Both keep the order of the file; together they are the file.
	lines := map[int32]bool{}
	for _, part := range []*Corpus{train, valid} {
		last := int32(0)
		for _, r := range part.records {
			require.Greater(t, r.line, last)
			last = r.line
			lines[last] = true
		}
	}
	require.Len(t, lines, 100)
	_, again, err := c.SplitOff(0.1, 3)
	require.NoError(t, err)
	require.Equal(t, valid.records, again.records)
	_, other, err := c.SplitOff(0.1, 4)
	require.NoError(t, err)
	require.NotEqual(t, valid.records, other.records)
	_, one, err := c.SplitOff(1e-9, 3)
	require.NoError(t, err)
	require.Equal(t, 1, one.Len())
	for _, bad := range []float64{0, 1, -1} {
		_, _, err := c.SplitOff(bad, 3)
		require.ErrorContains(t, err, "not between 0 and 1")
	}
	_, _, err = one.SplitOff(0.5, 3)
	require.ErrorContains(t, err, "one row cannot be split")
}

func TestLoadStopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Load(ctx, writeFile(t, "x.jsonl", `{"input_ids":[1,2]}`), nil, Options{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = Load(context.Background(), "x", nil, Options{MaxTokens: -1})
	require.ErrorContains(t, err, "negative limit")
}

// A corpus holds little more than 4 bytes a token.
func TestCorpusMemory(t *testing.T) {
	s := lognormal(20000, 180, 1500, 1).Stats()
	perToken := float64(s.Bytes-8*int64(s.Supervised)) / float64(s.Tokens)
	t.Logf("%d rows, %d tokens, %d bytes", s.Rows, s.Tokens, s.Bytes)
	require.Less(t, perToken, 6.0)
}

func BenchmarkLoad(b *testing.B) {
	lines := make([]string, 2000)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"prompt":"question %d","completion":%q}`, i, strings.Repeat("word ", 40))
	}
	file := writeFile(b, "train.jsonl", lines...)
	info, err := os.Stat(file)
	require.NoError(b, err)
	b.SetBytes(info.Size())
	for b.Loop() {
		_, err := Load(context.Background(), file, byteEncoder{}, Options{})
		require.NoError(b, err)
	}
}
