package data

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrefetchEqualsDirect(t *testing.T) {
	ctx := context.Background()
	c := lognormal(50, 40, 200, 3)
	cfg := PackedConfig{Rows: 2, SeqLen: 256, Seed: 1, Epochs: 4}
	for _, depth := range []int{0, 1, 5} {
		direct := newPacked(t, c, cfg)
		ahead := Prefetch(ctx, newPacked(t, c, cfg), depth)
		require.Equal(t, direct.StepsPerEpoch(), ahead.StepsPerEpoch())
		require.Equal(t, direct.Cursor(), ahead.Cursor())
		for _, want := range collect(t, newPacked(t, c, cfg), -1) {
			got, err := ahead.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, want, got)
			collect(t, direct, 1)
			require.Equal(t, direct.Cursor(), ahead.Cursor(), "the cursor is that of the batch handed out")
		}
		for range 2 {
			_, err := ahead.Next(ctx)
			require.Equal(t, io.EOF, err)
		}
		ahead.Close()
	}
}

func TestPrefetchResume(t *testing.T) {
	c := lognormal(30, 40, 200, 3)
	requireResume(t, 12, func() Iterator {
		p := Prefetch(context.Background(), newPadded(t, c, PaddedConfig{Rows: 4, MaxSeqLen: 200, Seed: 5}), 3)
		t.Cleanup(p.Close)
		return p
	})
}

func TestPrefetchStops(t *testing.T) {
	c := lognormal(30, 40, 200, 3)
	cfg := PackedConfig{Rows: 2, SeqLen: 256}
	ctx, cancel := context.WithCancel(context.Background())
	p := Prefetch(ctx, newPacked(t, c, cfg), 2)
	collect(t, p, 3)
	require.ErrorContains(t, p.Restore(p.Cursor()), "after the prefetcher has started")
	cancel()
	for i := 0; ; i++ { // what was ready may still come
		if _, err := p.Next(context.Background()); err != nil {
			require.ErrorIs(t, err, context.Canceled)
			break
		}
		require.Less(t, i, 10)
	}
	p.Close()

	p = Prefetch(context.Background(), newPacked(t, c, cfg), 2)
	want := collect(t, newPacked(t, c, cfg), 4)
	require.Equal(t, want[:3], collect(t, p, 3))
	_, err := p.Next(ctx)
	require.ErrorIs(t, err, context.Canceled, "the caller's context bounds the wait")
	require.Equal(t, want[3:], collect(t, p, 1), "and loses no batch")
	cursor := p.Cursor()
	p.Close()
	p.Close()
	require.Equal(t, cursor, p.Cursor())
	_, err = p.Next(context.Background())
	require.ErrorIs(t, err, context.Canceled)
	Prefetch(context.Background(), newPacked(t, c, cfg), 2).Close()
}

// Evaluation between two training batches must find the generator where
// mlx-lm would: nothing may be drawn ahead.
func TestPrefetchDoesNotReadAheadOfCompat(t *testing.T) {
	c := loadRows(t, Options{}, `{"input_ids":[1,2]}`, `{"input_ids":[3,4]}`)
	shared := NewRandomState(1)
	it, err := NewCompat(c, shared, CompatConfig{Rows: 1, MaxSeqLen: 8, Loop: true})
	require.NoError(t, err)
	p := Prefetch(context.Background(), it, 8)
	defer p.Close()
	collect(t, p, 2)
	want := NewRandomState(1)
	want.Permutation(2)
	require.Equal(t, want.state(), shared.state())
	require.Equal(t, it.Cursor(), p.Cursor())
}
