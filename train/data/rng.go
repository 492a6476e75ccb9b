// The shuffle behind Packed, Padded and SplitOff. It is written out here, on
// the raw 64-bit output of PCG, so that the order of a run does not depend on
// how a Go release implements rand.Shuffle.

package data

import (
	"math/bits"
	"math/rand/v2"
)

// The second PCG word: one stream per use, so that a split and an epoch
// shuffle with the same seed are unrelated.
const (
	streamPacked = 0x7061636b6564
	streamPadded = 0x706164646564
	streamSplit  = 0x73706c6974
)

// below draws a uniform integer of [0, n), n > 0, by Lemire's multiplication
// with rejection.
func below(rng *rand.PCG, n uint64) uint64 {
	hi, lo := bits.Mul64(rng.Uint64(), n)
	if lo < n {
		for threshold := -n % n; lo < threshold; {
			hi, lo = bits.Mul64(rng.Uint64(), n)
		}
	}
	return hi
}

// shuffle is the Fisher-Yates shuffle from the last element down.
func shuffle(rng *rand.PCG, order []int32) {
	for i := len(order) - 1; i > 0; i-- {
		j := below(rng, uint64(i)+1)
		order[i], order[j] = order[j], order[i]
	}
}

// identity returns 0, 1, …, n-1.
func identity(n int) []int32 {
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	return order
}

// pcgState returns the 20 bytes that describe the generator completely.
func pcgState(rng *rand.PCG) []byte {
	state, err := rng.MarshalBinary()
	if err != nil {
		panic("data: PCG state: " + err.Error()) // cannot happen: MarshalBinary has no failure
	}
	return state
}
