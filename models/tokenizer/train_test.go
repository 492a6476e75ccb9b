package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTrainGolden compares Train with BpeTrainer of the Rust library.
func TestTrainGolden(t *testing.T) {
	var want struct {
		Corpus []string         `json:"corpus"`
		Vocab  map[string]int32 `json:"vocab"`
		Merges [][2]string      `json:"merges"`
	}
	readGolden(t, "train", &want)
	o := TrainOptions{VocabSize: 700, SpecialTokens: []string{"<|bos|>", "<|eot|>"}, BOS: "<|bos|>"}
	raw, err := Train(slices.Values(want.Corpus), o)
	require.NoError(t, err)
	var got struct {
		Model struct {
			Vocab  map[string]int32 `json:"vocab"`
			Merges [][2]string      `json:"merges"`
		} `json:"model"`
	}
	require.NoError(t, json.Unmarshal(raw, &got))
	require.Equal(t, want.Merges, got.Model.Merges)
	require.Equal(t, want.Vocab, got.Model.Vocab)

	again, err := Train(slices.Values(want.Corpus), o)
	require.NoError(t, err)
	require.Equal(t, raw, again, "training is deterministic")

	tok, err := Parse(raw, "trained")
	require.NoError(t, err)
	require.Equal(t, len(want.Vocab), tok.VocabSize())
	for _, s := range want.Corpus {
		ids := tok.Encode(s, true)
		require.Equal(t, int32(0), ids[0], "BOS")
		require.Equal(t, s, tok.Decode(ids, true))
	}
}

// TestTrainFile fixes the bytes of a small result. The Rust library has loaded that
// file, and TestGolden/trained holds its encodings.
func TestTrainFile(t *testing.T) {
	texts := []string{"low lower lowest <eot>low", "new <b>newer</b> newest & \"newest\"", "12345 123 12345"}
	raw, err := Train(slices.Values(texts), TrainOptions{
		VocabSize: 275, SpecialTokens: []string{"<bos>", "<eot>"}, Pattern: PatternGPT2, BOS: "<bos>"})
	require.NoError(t, err)
	want, err := os.ReadFile(filepath.Join("testdata", "golden", "trained.json"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(raw))
}

func TestTrainErrors(t *testing.T) {
	for _, c := range []struct {
		o    TrainOptions
		want string
	}{
		{TrainOptions{VocabSize: 100}, "vocabulary size 100, want 256 (bytes and special tokens) to"},
		{TrainOptions{VocabSize: 300, Pattern: "x"}, `pattern "x": want`},
		{TrainOptions{VocabSize: 300, SpecialTokens: []string{"a"}}, "special tokens must be distinct"},
		{TrainOptions{VocabSize: 300, SpecialTokens: []string{"<a>", "<a>"}}, "special tokens must be distinct"},
		{TrainOptions{VocabSize: 300, SpecialTokens: []string{""}}, "special tokens must be distinct"},
		{TrainOptions{VocabSize: 300, BOS: "<a>"}, `BOS "<a>" is not one`},
	} {
		_, err := Train(slices.Values([]string{"text"}), c.o)
		require.ErrorContains(t, err, c.want)
	}
}
