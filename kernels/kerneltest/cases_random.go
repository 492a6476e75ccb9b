package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

var _ = add(Case{
	Op: "random", DTypes: []metal.DType{metal.Uint32}, Dims: [][]int{{1}, {2}, {3}, {31}, {32}, {33}, {256}, {511}, {513}, {1031}, {0}}, Bench: [][]int{{1 << 20}},
	Make: func(s *Setup) {
		key, out := s.InFill(Bits, metal.Uint32, 2), s.Out(metal.Uint32, s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.RandomBits(e, key.Tensor, out.Tensor) })
		s.Want(out, func() ref.Result { return ref.RandomBits(key.Words, out.Size()) })
	},
}, Case{
	// What MLX 0.29 returns for random.split(random.key(0)).
	Op: "random/split", DTypes: []metal.DType{metal.Uint32}, Dims: [][]int{{2, 2}},
	Make: func(s *Setup) {
		key, out := s.InOf(metal.Uint32, func(int) float64 { return 0 }, 2), s.Out(metal.Uint32, s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.RandomBits(e, key.Tensor, out.Tensor) })
		s.Want(out, func() ref.Result {
			return ref.Result{Words: []uint64{4146024105, 967050713, 2718843009, 1272950319}}
		})
	},
})
