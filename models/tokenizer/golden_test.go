package tokenizer

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// goldenFile is what tools/golden/tokenizers.py writes for one kind: the Rust library's
// answers for a tokenizer it trained.
type goldenFile struct {
	Tokenizer json.RawMessage `json:"tokenizer"`
	Cases     []goldenCase    `json:"cases"`
	Decodes   []goldenCase    `json:"decodes"`
}

// goldenCase has the answers without and with special tokens; offsets are flat pairs.
type goldenCase struct {
	IDs         []int32 `json:"ids"`
	Offsets     []int   `json:"offsets"`
	FullIDs     []int32 `json:"full_ids"`
	FullOffsets []int   `json:"full_offsets"`
	Decoded     string  `json:"decoded"`
	FullDecoded string  `json:"full_decoded"`
}

var goldenKinds = []string{"llama3", "qwen2", "gpt2", "roberta", "deepseek", "phi4", "falcon", "starcoder",
	"llama2", "mistral", "gemma", "legacy", "t5", "albert", "bert", "clip", "wordlevel", "trained"}

func readGolden(t testing.TB, name string, v any) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "golden", name+".json.gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(z).Decode(v))
}

func goldenTexts(t testing.TB) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "golden", "texts.json"))
	require.NoError(t, err)
	var texts []string
	require.NoError(t, json.Unmarshal(raw, &texts))
	return texts
}

func flat(offsets [][2]int) []int {
	out := make([]int, 0, 2*len(offsets))
	for _, o := range offsets {
		out = append(out, o[0], o[1])
	}
	return out
}

func TestGolden(t *testing.T) {
	texts := goldenTexts(t)
	for _, kind := range goldenKinds {
		t.Run(kind, func(t *testing.T) {
			var g goldenFile
			readGolden(t, kind, &g)
			tok, err := Parse(g.Tokenizer, kind+".json")
			require.NoError(t, err)
			require.Len(t, g.Cases, len(texts))
			wrong := 0
			check := func(text, what string, want, got any, equal bool) {
				if !equal {
					if wrong++; wrong <= 10 {
						t.Errorf("%s of %+q:\nwant %v\ngot  %v", what, text, want, got)
					}
				}
			}
			for i, c := range g.Cases {
				text := texts[i]
				ids, offsets := tok.EncodeOffsets(text, false)
				check(text, "ids", c.IDs, ids, slices.Equal(c.IDs, ids))
				check(text, "offsets", c.Offsets, flat(offsets), slices.Equal(c.Offsets, flat(offsets)))
				fast := tok.Encode(text, false)
				check(text, "ids without offsets", c.IDs, fast, slices.Equal(c.IDs, fast))
				full, fullOffsets := tok.EncodeOffsets(text, true)
				check(text, "ids with specials", c.FullIDs, full, slices.Equal(c.FullIDs, full))
				check(text, "offsets with specials", c.FullOffsets, flat(fullOffsets), slices.Equal(c.FullOffsets, flat(fullOffsets)))
				decoded := tok.Decode(c.IDs, true)
				check(text, "decoded", c.Decoded, decoded, c.Decoded == decoded)
				decoded = tok.Decode(c.FullIDs, false)
				check(text, "decoded with specials", c.FullDecoded, decoded, c.FullDecoded == decoded)
				streamed := stream(tok, c.IDs)
				check(text, "streamed", c.Decoded, streamed, c.Decoded == streamed)
			}
			for _, c := range g.Decodes {
				decoded := tok.Decode(c.IDs, true)
				check("", "decoded random ids", c.Decoded, decoded, c.Decoded == decoded)
				decoded = tok.Decode(c.IDs, false)
				check("", "decoded random ids with specials", c.FullDecoded, decoded, c.FullDecoded == decoded)
			}
			require.Zero(t, wrong, "mismatches")
		})
	}
}

// stream decodes ids one at a time.
func stream(tok *Tokenizer, ids []int32) string {
	var b strings.Builder
	s := NewStream(tok)
	for _, id := range ids {
		b.WriteString(s.Push(id))
	}
	b.WriteString(s.Flush())
	return b.String()
}
