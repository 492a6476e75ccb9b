package data

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

// The file was written by numpy; its "source" says how.
func TestRandomStateEqualsNumpy(t *testing.T) {
	var golden struct {
		Words [][4]uint32
		Full  []struct {
			Seed  uint32
			N     int
			Perms [2][]int32
		}
		Sums [][3]uint32
	}
	readJSON(t, "testdata/numpy_permutation.json", &golden)
	require.NotEmpty(t, golden.Words)
	require.NotEmpty(t, golden.Full)
	require.NotEmpty(t, golden.Sums)
	for _, w := range golden.Words {
		r := NewRandomState(w[0])
		require.Equal(t, w, [4]uint32{w[0], r.Uint32(), r.Uint32(), r.Uint32()})
	}
	for _, g := range golden.Full {
		r := NewRandomState(g.Seed)
		for _, want := range g.Perms {
			require.Equal(t, want, r.Permutation(g.N), "seed %d n %d", g.Seed, g.N)
		}
	}
	for _, g := range golden.Sums {
		var sum uint32
		for i, v := range NewRandomState(g[0]).Permutation(int(g[1])) {
			sum += uint32(i+1) * uint32(v)
		}
		require.Equal(t, g[2], sum, "seed %d n %d", g[0], g[1])
	}
}

func TestRandomStateBinary(t *testing.T) {
	a, b := NewRandomState(3), NewRandomState(4)
	for range 700 { // past one twist, in the middle of a block
		a.Uint32()
	}
	state, err := a.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, b.UnmarshalBinary(state))
	for range 1300 {
		require.Equal(t, a.Uint32(), b.Uint32())
	}
	require.EqualError(t, b.UnmarshalBinary(state[1:]), "MT19937 state has 2499 bytes, want 2500")
	state[2] = 1
	require.ErrorContains(t, b.UnmarshalBinary(state), "want at most 624")
}

func TestSeedFromInt(t *testing.T) {
	seed, err := SeedFromInt(1<<32 - 1)
	require.NoError(t, err)
	require.Equal(t, uint32(1<<32-1), seed)
	for _, bad := range []int64{-1, 1 << 32} {
		_, err := SeedFromInt(bad)
		require.ErrorContains(t, err, "outside 0 to 4294967295")
	}
}
