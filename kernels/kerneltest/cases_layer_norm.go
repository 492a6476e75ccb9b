package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
)

var _ = add(Case{
	Op: "layer_norm", DTypes: floats, Dims: rows, Fills: []Fill{Uniform, Outliers, Large, Constant, Special}, Bench: [][]int{{512, 4096}},
	Make: func(s *Setup) {
		n := s.Dims[1]
		x, w, b, out := s.In(s.DType, s.Dims...), s.InFill(Uniform, s.DType, n), s.InFill(Uniform, s.DType, n), s.Out(s.DType, s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.LayerNorm(e, x.Tensor, w.Tensor, b.Tensor, out.Tensor, normEps) })
		s.Want(out, func() ref.Result { return ref.LayerNorm(x.Values, w.Values, b.Values, n, normEps) })
	},
}, Case{
	// More rows than one thread adds for dw and db (64).
	Op: "layer_norm_vjp", DTypes: floats, Dims: append([][]int{{63, 5}, {64, 33}, {129, 7}, {3, 1025}}, rows...), Fills: []Fill{Uniform, Outliers, Large, Constant},
	Bench: [][]int{{512, 4096}},
	Make: func(s *Setup) {
		n := s.Dims[1]
		x, w, g := s.In(s.DType, s.Dims...), s.InFill(Uniform, s.DType, n), s.InFill(Uniform, s.DType, s.Dims...)
		dx, dw, db := s.Out(s.DType, s.Dims...), s.Out(s.DType, n), s.Out(s.DType, n)
		s.Launch(func(e kernels.Emitter) {
			kernels.LayerNormVJP(e, x.Tensor, w.Tensor, g.Tensor, dx.Tensor, dw.Tensor, db.Tensor, normEps)
		})
		s.Want(dx, func() ref.Result { r, _, _ := ref.LayerNormVJP(x.Values, w.Values, g.Values, n, normEps); return r })
		s.Want(dw, func() ref.Result { _, r, _ := ref.LayerNormVJP(x.Values, w.Values, g.Values, n, normEps); return r })
		s.Want(db, func() ref.Result { _, _, r := ref.LayerNormVJP(x.Values, w.Values, g.Values, n, normEps); return r })
	},
}, Case{
	// The gradients of the parameters are left out, then that of w alone.
	Op: "layer_norm_vjp/frozen", DTypes: floats, Dims: [][]int{{2, 33}, {0, 8}},
	Make: func(s *Setup) {
		n := s.Dims[1]
		x, w, g := s.In(s.DType, s.Dims...), s.InFill(Uniform, s.DType, n), s.InFill(Uniform, s.DType, s.Dims...)
		dx, other, db := s.Out(s.DType, s.Dims...), s.Out(s.DType, s.Dims...), s.Out(s.DType, n)
		s.Launch(func(e kernels.Emitter) {
			kernels.LayerNormVJP(e, x.Tensor, w.Tensor, g.Tensor, dx.Tensor, kernels.Tensor{}, kernels.Tensor{}, normEps)
			kernels.LayerNormVJP(e, x.Tensor, w.Tensor, g.Tensor, other.Tensor, kernels.Tensor{}, db.Tensor, normEps)
		})
		s.Want(dx, func() ref.Result { r, _, _ := ref.LayerNormVJP(x.Values, w.Values, g.Values, n, normEps); return r })
		s.Want(db, func() ref.Result { _, _, r := ref.LayerNormVJP(x.Values, w.Values, g.Values, n, normEps); return r })
	},
})
