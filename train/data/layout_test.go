package data

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A layout makes the batches of a fresh iterator again, and an example's home is
// where it appears first.
func TestLayoutRemakesBatches(t *testing.T) {
	c := lognormal(120, 60, 400, 5)
	for name, fresh := range map[string]func() Iterator{
		"packed":   func() Iterator { return newPacked(t, c, PackedConfig{Rows: 2, SeqLen: 512, Seed: 8}) },
		"in order": func() Iterator { return newPacked(t, c, PackedConfig{Rows: 3, SeqLen: 400, InOrder: true, Epochs: 1}) },
		"padded": func() Iterator {
			p, err := NewPadded(c, PaddedConfig{Rows: 7, MaxSeqLen: 400, Seed: 3})
			require.NoError(t, err)
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := NewLayout(context.Background(), c, fresh(), -1)
			require.NoError(t, err)
			require.Equal(t, c.Len(), l.Examples())
			require.Equal(t, c.Stats().Tokens, l.Tokens())
			seen := map[int32]bool{}
			it := fresh()
			for k := range l.Batches() {
				want, err := it.Next(context.Background())
				require.NoError(t, err)
				got := l.Batch(k)
				got.Epoch = want.Epoch
				require.Equal(t, want, got)
				var firsts []Place
				for _, p := range want.Places {
					if !seen[p.Example] {
						firsts = append(firsts, p)
						batch, at, ok := l.Home(int(p.Example))
						require.True(t, ok)
						require.Equal(t, k, batch)
						require.Equal(t, p, at)
						require.Equal(t, len(c.Example(int(p.Example)).IDs), l.Len(int(p.Example)))
						ids := want.Tokens[int(p.Row)*want.SeqLen+int(p.At):]
						require.Equal(t, c.Example(int(p.Example)).IDs, ids[:l.Len(int(p.Example))])
					}
					seen[p.Example] = true
				}
				require.Equal(t, firsts, l.Firsts(k))
			}
			require.Len(t, seen, c.Len())
		})
	}
}

// A layout of some batches knows the examples of those only.
func TestLayoutOfSomeBatches(t *testing.T) {
	c := lognormal(120, 60, 400, 5)
	fresh := func(seed uint64) Iterator { return newPacked(t, c, PackedConfig{Rows: 2, SeqLen: 512, Seed: seed}) }
	l, err := NewLayout(context.Background(), c, fresh(1), 2)
	require.NoError(t, err)
	require.Equal(t, 2, l.Batches())
	require.Less(t, l.Examples(), c.Len())
	var tokens int64
	for i := range c.Len() {
		tokens += int64(l.Len(i))
		if _, _, ok := l.Home(i); !ok {
			require.Zero(t, l.Len(i))
		}
	}
	require.Equal(t, l.Tokens(), tokens)
	text := func(seed uint64, limit int) string {
		l, err := NewLayout(context.Background(), c, fresh(seed), limit)
		require.NoError(t, err)
		var b bytes.Buffer
		n, err := l.WriteTo(&b)
		require.NoError(t, err)
		require.Equal(t, int64(b.Len()), n)
		return b.String()
	}
	require.Equal(t, text(1, -1), text(1, -1))
	require.NotEqual(t, text(1, -1), text(2, -1))
	require.NotEqual(t, text(1, -1), text(1, 2))
	_, err = NewLayout(context.Background(), c, &failingIterator{}, -1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// failingIterator has no batch.
type failingIterator struct{ Packed }

func (*failingIterator) Next(context.Context) (*Batch, error) { return nil, context.DeadlineExceeded }
