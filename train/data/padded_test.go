package data

import (
	"context"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func newPadded(t testing.TB, c *Corpus, cfg PaddedConfig) *Padded {
	t.Helper()
	p, err := NewPadded(c, cfg)
	require.NoError(t, err)
	return p
}

func TestPaddedUsesEachExampleOnce(t *testing.T) {
	c := lognormal(203, 100, 700, 2)
	byFirst := firstIDs(c)
	for _, cfg := range []PaddedConfig{
		{Rows: 4, MaxSeqLen: 700, Seed: 1, Epochs: 2},
		{Rows: 1, MaxSeqLen: 1024, Seed: 1, Epochs: 1},
		{Rows: 300, MaxSeqLen: 700, Seed: 1, Epochs: 3},
		{Rows: 8, MaxSeqLen: 700, Epochs: 1, InOrder: true},
	} {
		it := newPadded(t, c, cfg)
		require.Equal(t, (203+cfg.Rows-1)/cfg.Rows, it.StepsPerEpoch())
		count := make([]int, c.Len())
		var order []int
		for _, b := range collect(t, it, -1) {
			require.Equal(t, cfg.Rows, b.Rows)
			used := checkBatch(t, c, byFirst, b)
			longest := 0
			for row, i := range used {
				require.Equal(t, int32(1), b.Segments[row*b.SeqLen], "one example a row")
				longest = max(longest, c.tokens(i))
				count[i]++
			}
			require.Equal(t, min((longest+31)/32*32, cfg.MaxSeqLen), b.SeqLen)
			order = append(order, used...)
		}
		require.Equal(t, slices.Repeat([]int{cfg.Epochs}, c.Len()), count)
		require.Equal(t, cfg.InOrder, slices.IsSorted(order))
		_, err := it.Next(context.Background())
		require.Equal(t, io.EOF, err)
	}
}

// Buckets keep padding low: 4 rows at random from this data would waste half.
func TestPaddedBucketsByLength(t *testing.T) {
	c := lognormal(4000, 180, 1500, 6)
	waste := func(inOrder bool) float64 {
		it := newPadded(t, c, PaddedConfig{Rows: 4, MaxSeqLen: 1500, Seed: 1, Epochs: 1, InOrder: inOrder})
		real, processed := 0, 0
		for _, b := range collect(t, it, -1) {
			real += b.RealTokens
			processed += b.Processed
		}
		return 1 - float64(real)/float64(processed)
	}
	t.Logf("padding %.1f %% in buckets, %.1f %% in the order of the file", 100*waste(false), 100*waste(true))
	require.Less(t, waste(false), 0.15)
	require.Greater(t, waste(true), 0.4)
}

func TestPaddedResume(t *testing.T) {
	c := lognormal(30, 40, 200, 3)
	requireResume(t, 20, func() Iterator { return newPadded(t, c, PaddedConfig{Rows: 4, MaxSeqLen: 200, Seed: 5}) })
	requireResume(t, 20, func() Iterator { return newPadded(t, c, PaddedConfig{Rows: 7, MaxSeqLen: 200, Epochs: 2}) })
}

func TestPaddedErrors(t *testing.T) {
	c := loadRows(t, Options{}, `{"input_ids":[1,2,3,4,5]}`)
	_, err := NewPadded(c, PaddedConfig{Rows: 1, MaxSeqLen: 4})
	require.ErrorContains(t, err, "train.jsonl:1: row has 5 tokens, a batch row holds 4")
	_, err = NewPadded(c, PaddedConfig{Rows: 0, MaxSeqLen: 4})
	require.ErrorContains(t, err, "out of range")
	it := newPadded(t, c, PaddedConfig{Rows: 1, MaxSeqLen: 32})
	cursor := it.Cursor()
	cursor.Position = 2
	require.ErrorContains(t, it.Restore(cursor), "position 2 of 1 batches")
	cursor = it.Cursor()
	cursor.RNG = nil
	require.ErrorContains(t, it.Restore(cursor), "PCG")
}
