package kernels

import "github.com/ftmetal/ftmetal/metal"

// randomArgs mirrors RandomArgs of random.h.
type randomArgs struct{ size uint64 }

// RandomBits fills out, uint32 and contiguous, with the words that MLX draws
// from key, uint32 [2].
func RandomBits(e Emitter, key, out Tensor) {
	n := out.Size()
	if n == 0 {
		return
	}
	args := randomArgs{uint64(n)}
	grid, group := gridFor((n + 1) / 2)
	e.Emit(metal.Dispatch{Kernel: "random_bits_u32", In: []metal.View{key.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: grid, Group: group, FLOPs: int64(40 * n)})
}
