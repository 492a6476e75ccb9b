package ref

import "math/bits"

// RandomBits is n words of Threefry-2x32-20 in MLX's order: the counters are the
// numbers below n in two halves, the second of which has a zero at its end if n
// is odd; the words of the first halves come first.
func RandomBits(key []uint64, n int) Result {
	half := (n + 1) / 2
	out := Result{Words: make([]uint64, 2*half)}
	for i := range half {
		second := uint32(half + i)
		if half+i == n {
			second = 0
		}
		a, b := threefry([2]uint32{uint32(key[0]), uint32(key[1])}, uint32(i), second)
		out.Words[i], out.Words[half+i] = uint64(a), uint64(b)
	}
	out.Words = out.Words[:n]
	return out
}

// threefry is the block cipher as Salmon et al. write it down: rounds of add,
// rotate and exclusive-or with a key word added after every fourth.
func threefry(key [2]uint32, x0, x1 uint32) (uint32, uint32) {
	schedule := [3]uint32{key[0], key[1], 0x1bd11bda ^ key[0] ^ key[1]}
	rotations := [8]int{13, 15, 26, 6, 17, 29, 16, 24}
	x0 += schedule[0]
	x1 += schedule[1]
	for round := range 20 {
		x0 += x1
		x1 = bits.RotateLeft32(x1, rotations[round%8]) ^ x0
		if round%4 == 3 {
			block := uint32(round/4 + 1)
			x0 += schedule[block%3]
			x1 += schedule[(block+1)%3] + block
		}
	}
	return x0, x1
}
