// numpy's legacy random numbers, as far as mlx-lm's batch order needs them:
// MT19937 (Matsumoto and Nishimura 1998), seeding by one integer, and
// permutation. Verified against numpy 2.4.6 (testdata/numpy_permutation.json).

package data

import (
	"encoding/binary"
	"fmt"
	"math"
)

const (
	mtWords = 624
	mtShift = 397
)

// RandomState is numpy.random.RandomState: the generator behind
// numpy.random.seed and numpy.random.permutation.
//
// mlx-lm draws the order of the training batches and of every evaluation from
// one such generator, so a trainer that follows it shares one RandomState
// between its [Compat] iterators. It is not safe for concurrent use.
type RandomState struct {
	key [mtWords]uint32
	pos int
}

// NewRandomState is numpy.random.RandomState(seed) for one integer seed.
func NewRandomState(seed uint32) *RandomState {
	r := new(RandomState)
	r.Seed(seed)
	return r
}

// SeedFromInt checks that seed is one that numpy accepts (0 to 2^32-1).
func SeedFromInt(seed int64) (uint32, error) {
	if seed < 0 || seed > math.MaxUint32 {
		return 0, fmt.Errorf("seed %d is outside 0 to %d", seed, uint32(math.MaxUint32))
	}
	return uint32(seed), nil
}

// Seed restarts the sequence, as numpy.random.seed(seed) does.
func (r *RandomState) Seed(seed uint32) {
	for i := range r.key {
		r.key[i] = seed
		seed = 1812433253*(seed^seed>>30) + uint32(i) + 1
	}
	r.pos = mtWords
}

// Uint32 returns the next 32 random bits.
func (r *RandomState) Uint32() uint32 {
	if r.pos == mtWords {
		r.twist()
	}
	y := r.key[r.pos]
	r.pos++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (r *RandomState) twist() {
	for i := range r.key {
		y := r.key[i]&0x80000000 | r.key[(i+1)%mtWords]&0x7fffffff
		next := r.key[(i+mtShift)%mtWords] ^ y>>1
		if y&1 != 0 {
			next ^= 0x9908b0df
		}
		r.key[i] = next
	}
	r.pos = 0
}

// interval draws a uniform integer of [0, max] by masked rejection.
func (r *RandomState) interval(max uint32) uint32 {
	if max == 0 {
		return 0
	}
	mask := max
	for shift := 1; shift < 32; shift *= 2 {
		mask |= mask >> shift
	}
	for {
		if v := r.Uint32() & mask; v <= max {
			return v
		}
	}
}

// Permutation is numpy.random.permutation(n): a random order of 0 to n-1.
func (r *RandomState) Permutation(n int) []int32 {
	order := identity(n)
	for i := n - 1; i > 0; i-- {
		j := r.interval(uint32(i))
		order[i], order[j] = order[j], order[i]
	}
	return order
}

// MarshalBinary returns the state: the position, then 624 words, as
// little-endian uint32 (2500 bytes).
func (r *RandomState) MarshalBinary() ([]byte, error) {
	out := binary.LittleEndian.AppendUint32(make([]byte, 0, 4*(mtWords+1)), uint32(r.pos))
	for _, word := range r.key {
		out = binary.LittleEndian.AppendUint32(out, word)
	}
	return out, nil
}

// UnmarshalBinary restores a state written by MarshalBinary.
func (r *RandomState) UnmarshalBinary(state []byte) error {
	if len(state) != 4*(mtWords+1) {
		return fmt.Errorf("MT19937 state has %d bytes, want %d", len(state), 4*(mtWords+1))
	}
	pos := binary.LittleEndian.Uint32(state)
	if pos > mtWords {
		return fmt.Errorf("MT19937 state has position %d, want at most %d", pos, mtWords)
	}
	r.pos = int(pos)
	for i := range r.key {
		r.key[i] = binary.LittleEndian.Uint32(state[4*(i+1):])
	}
	return nil
}

// state is MarshalBinary for use inside the package.
func (r *RandomState) state() []byte {
	out, _ := r.MarshalBinary() // it has no failure
	return out
}
