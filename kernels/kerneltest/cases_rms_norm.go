package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
)

// rows are sizes [rows, n] round the simd width, the threadgroup of the row
// kernels (256) and its loops.
var rows = [][]int{{1, 1}, {2, 31}, {2, 32}, {3, 33}, {2, 255}, {1, 256}, {2, 257}, {3, 513}, {7, 101}, {0, 8}}

const normEps = 1e-5

var _ = add(Case{
	Op: "rms_norm", DTypes: floats, Dims: rows, Fills: []Fill{Uniform, Outliers, Large, Constant, Special}, Bench: [][]int{{512, 4096}},
	Make: func(s *Setup) {
		n := s.Dims[1]
		x, w, out := s.In(s.DType, s.Dims...), s.InFill(Uniform, s.DType, n), s.Out(s.DType, s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.RMSNorm(e, x.Tensor, w.Tensor, out.Tensor, normEps) })
		s.Want(out, func() ref.Result { return ref.RMSNorm(x.Values, w.Values, n, normEps, s.DType) })
	},
}, Case{
	Op: "rms_norm/unweighted", DTypes: floats, Dims: rows,
	Make: func(s *Setup) {
		x, out := s.In(s.DType, s.Dims...), s.Out(s.DType, s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.RMSNorm(e, x.Tensor, kernels.Tensor{}, out.Tensor, normEps) })
		s.Want(out, func() ref.Result { return ref.RMSNorm(x.Values, nil, s.Dims[1], normEps, s.DType) })
	},
}, Case{
	// More rows than one thread adds for dw (64).
	Op: "rms_norm_vjp", DTypes: floats, Dims: append([][]int{{63, 5}, {64, 33}, {129, 7}}, rows...), Fills: []Fill{Uniform, Outliers, Large, Constant},
	Bench: [][]int{{512, 4096}},
	Make: func(s *Setup) {
		n := s.Dims[1]
		x, w, g := s.In(s.DType, s.Dims...), s.InFill(Uniform, s.DType, n), s.InFill(Uniform, s.DType, s.Dims...)
		dx, dw := s.Out(s.DType, s.Dims...), s.Out(s.DType, n)
		s.Launch(func(e kernels.Emitter) {
			kernels.RMSNormVJP(e, x.Tensor, w.Tensor, g.Tensor, dx.Tensor, dw.Tensor, normEps)
		})
		s.Want(dx, func() ref.Result { r, _ := ref.RMSNormVJP(x.Values, w.Values, g.Values, n, normEps); return r })
		s.Want(dw, func() ref.Result { _, r := ref.RMSNormVJP(x.Values, w.Values, g.Values, n, normEps); return r })
	},
}, Case{
	Op: "rms_norm_vjp/unweighted", DTypes: floats, Dims: rows,
	Make: func(s *Setup) {
		x, g, dx := s.In(s.DType, s.Dims...), s.In(s.DType, s.Dims...), s.Out(s.DType, s.Dims...)
		s.Launch(func(e kernels.Emitter) {
			kernels.RMSNormVJP(e, x.Tensor, kernels.Tensor{}, g.Tensor, dx.Tensor, kernels.Tensor{}, normEps)
		})
		s.Want(dx, func() ref.Result { r, _ := ref.RMSNormVJP(x.Values, nil, g.Values, s.Dims[1], normEps); return r })
	},
})
