package data

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

type mlxCase struct {
	Case       string
	MaskPrompt bool `json:"mask_prompt"`
	VocabSize  int  `json:"vocab_size"`
	BatchSize  int  `json:"batch_size"`
	MaxSeqLen  int  `json:"max_seq_length"`
	Seed       uint32
	Rows       [][]int32
	Offsets    []int
	Steps      []struct {
		NToks   int
		Batch   [][]int32
		Lengths [][2]int32
	}
}

func (c mlxCase) corpus(t *testing.T) *Corpus {
	var lines []string
	for i, ids := range c.Rows {
		text, err := json.Marshal(map[string]any{"input_ids": ids, "prompt_length": c.Offsets[i]})
		require.NoError(t, err)
		lines = append(lines, string(text))
	}
	opt := Options{VocabSize: c.VocabSize, Mask: MaskFull}
	if c.MaskPrompt {
		opt.Mask = MaskPrompt
	}
	return loadRows(t, opt, lines...)
}

// The batches of four training runs of mlx-lm, cut out of its logs.
func TestCompatEqualsMLXLM(t *testing.T) {
	files, err := filepath.Glob("testdata/mlx_lm/*.json")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		var c mlxCase
		readJSON(t, file, &c)
		t.Run(c.Case, func(t *testing.T) {
			it, err := NewCompat(c.corpus(t), NewRandomState(c.Seed),
				CompatConfig{Rows: c.BatchSize, MaxSeqLen: c.MaxSeqLen, SortByLength: true, Loop: true})
			require.NoError(t, err)
			require.Equal(t, len(c.Rows)/c.BatchSize, it.StepsPerEpoch())
			for step, want := range c.Steps {
				b, err := it.Next(context.Background())
				require.NoError(t, err)
				requireMLXBatch(t, want.Batch, want.Lengths, b, fmt.Sprintf("step %d", step+1))
				require.Equal(t, want.NToks, b.SupervisedTokens)
				require.Equal(t, step/it.StepsPerEpoch(), b.Epoch)
			}
		})
	}
}

// requireMLXBatch compares with tokens [B, T] and [offset, length] of mlx-lm,
// by the masking rule of its default_loss.
func requireMLXBatch(t *testing.T, tokens [][]int32, lengths [][2]int32, b *Batch, msg string) {
	t.Helper()
	require.Equal(t, lengths, b.Lengths, msg)
	require.Equal(t, len(tokens), b.Rows, msg)
	real := 0
	for row, ids := range tokens {
		require.Equal(t, len(ids)-1, b.SeqLen, msg)
		for i := range b.SeqLen {
			at := row*b.SeqLen + i
			require.Equal(t, ids[i], b.Tokens[at], msg)
			want := int32(-1)
			if step := int32(i + 1); step >= lengths[row][0] && step <= lengths[row][1] {
				want = ids[i+1]
			}
			require.Equal(t, want, b.Targets[at], "%s row %d position %d", msg, row, i)
			require.Equal(t, int32(i), b.Positions[at])
			segment := int32(0)
			if i < int(lengths[row][1]) {
				segment, real = 1, real+1
			}
			require.Equal(t, segment, b.Segments[at])
		}
	}
	require.Equal(t, real, b.RealTokens)
}

// Without SortByLength the order is that of the number of JSON keys, stable.
func TestCompatFileOrder(t *testing.T) {
	corpus := loadRows(t, Options{},
		`{"input_ids":[1,2,3,4],"note":"x"}`, `{"input_ids":[5,6]}`, `{"input_ids":[7,8,9]}`,
		`{"input_ids":[10,11],"note":null}`, `{"input_ids":[12,13]}`)
	it, err := NewCompat(corpus, NewRandomState(0), CompatConfig{Rows: 1, MaxSeqLen: 100})
	require.NoError(t, err)
	var first []int32
	for _, rows := range it.batches {
		first = append(first, corpus.Example(int(rows[0])).IDs[0])
	}
	require.Equal(t, []int32{5, 7, 12, 1, 10}, first)
	require.Len(t, collect(t, it, -1), 5)
	_, err = it.Next(context.Background())
	require.Equal(t, io.EOF, err)
}

// numpy: RandomState(9).permutation(5) three times; evaluation takes the 2nd.
func TestCompatSharesRandomState(t *testing.T) {
	lines := make([]string, 5)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"input_ids":[%d,1]}`, i)
	}
	corpus, shared := loadRows(t, Options{}, lines...), NewRandomState(9)
	train, err := NewCompat(corpus, shared, CompatConfig{Rows: 1, MaxSeqLen: 8, Loop: true})
	require.NoError(t, err)
	valid, err := NewCompat(corpus, shared, CompatConfig{Rows: 1, MaxSeqLen: 8})
	require.NoError(t, err)
	order := func(batches []*Batch) (out []int32) {
		for _, b := range batches {
			out = append(out, b.Tokens[0])
		}
		return out
	}
	first := collect(t, train, 2)
	evaluated := order(collect(t, valid, -1))
	rest := order(collect(t, train, 8))
	require.Equal(t, []int32{3, 0, 1, 2, 4}, append(order(first), rest[:3]...))
	require.Equal(t, []int32{4, 1, 2, 3, 0}, evaluated)
	require.Equal(t, []int32{3, 4, 0, 2, 1}, rest[3:])
}

func TestCompatResume(t *testing.T) {
	var c mlxCase
	readJSON(t, "testdata/mlx_lm/llama_bf16_lora_adamw.json", &c)
	corpus := c.corpus(t)
	cfg := CompatConfig{Rows: 2, MaxSeqLen: c.MaxSeqLen, SortByLength: true, Loop: true}
	requireResume(t, 20, func() Iterator {
		it, err := NewCompat(corpus, NewRandomState(c.Seed), cfg)
		require.NoError(t, err)
		return it
	})

	// Draws of an evaluation between two epochs survive the resume.
	shared := NewRandomState(1)
	it, err := NewCompat(corpus, shared, cfg)
	require.NoError(t, err)
	collect(t, it, 3)
	shared.Permutation(10)
	cursor := it.Cursor()
	want := collect(t, it, 20)
	again, err := NewCompat(corpus, NewRandomState(77), cfg)
	require.NoError(t, err)
	require.NoError(t, again.Restore(cursor))
	require.Equal(t, want, collect(t, again, 20))
}

func TestCompatErrors(t *testing.T) {
	corpus := loadRows(t, Options{}, `{"input_ids":[1,2,3,4],"labels":[1,2,3,4]}`, `{"input_ids":[1,2,3,4],"labels":[-100,2,-100,4]}`)
	_, err := NewCompat(corpus, NewRandomState(0), CompatConfig{Rows: 1, MaxSeqLen: 8})
	require.ErrorContains(t, err, "train.jsonl:2: mlx-lm's batches mask one prompt")
	_, err = NewCompat(corpus, NewRandomState(0), CompatConfig{Rows: 3, MaxSeqLen: 8})
	require.ErrorContains(t, err, "2 rows are fewer than the batch size 3")
	_, err = NewCompat(corpus, NewRandomState(0), CompatConfig{Rows: 1, MaxSeqLen: 1})
	require.ErrorContains(t, err, "out of range")
}

// Every file of testdata/mlx_lm is small: only what the test reads.
func TestGoldenSize(t *testing.T) {
	entries, err := os.ReadDir("testdata/mlx_lm")
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		require.Less(t, info.Size(), int64(32<<10))
	}
}
