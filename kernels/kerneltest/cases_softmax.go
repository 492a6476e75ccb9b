package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
)

var _ = add(Case{
	Op: "softmax", DTypes: floats, Dims: rows, Fills: []Fill{Uniform, Outliers, Large, Constant, Special}, Bench: [][]int{{512, 4096}},
	Make: func(s *Setup) {
		x, out := s.In(s.DType, s.Dims...), s.Out(s.DType, s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.Softmax(e, x.Tensor, out.Tensor) })
		s.Want(out, func() ref.Result { return ref.Softmax(x.Values, s.Dims[1]) })
	},
}, Case{
	Op: "softmax_vjp", DTypes: floats, Dims: rows, Fills: []Fill{Uniform, Outliers}, Bench: [][]int{{512, 4096}},
	Make: func(s *Setup) {
		n := s.Dims[1]
		p := ref.Softmax(s.In(s.DType, s.Dims...).Values, n).Value
		y, dy, dx := s.InOf(s.DType, func(i int) float64 { return p[i] }, s.Dims...), s.In(s.DType, s.Dims...), s.Out(s.DType, s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.SoftmaxVJP(e, y.Tensor, dy.Tensor, dx.Tensor) })
		s.Want(dx, func() ref.Result { return ref.SoftmaxVJP(y.Values, dy.Values, n) })
	},
}, Case{
	Op: "softmax_logsumexp", DTypes: floats, Dims: rows, Fills: []Fill{Uniform, Outliers, Large, Constant, Special}, Bench: [][]int{{512, 4096}},
	Make: func(s *Setup) {
		x, out := s.In(s.DType, s.Dims...), s.Out(s.DType, s.Dims[0])
		s.Launch(func(e kernels.Emitter) { kernels.LogSumExp(e, x.Tensor, out.Tensor) })
		s.Want(out, func() ref.Result { return ref.LogSumExp(x.Values, s.Dims[1]) })
	},
}, infinities("softmax", kernels.Softmax, ref.Softmax), infinities("softmax_logsumexp", kernels.LogSumExp, ref.LogSumExp))

// infinities has rows of masks: all -∞, some of them, and +∞ among them.
func infinities(op string, launch func(e kernels.Emitter, x, out kernels.Tensor), truth func(x []float64, n int) ref.Result) Case {
	return Case{
		Op: op + "/infinities", DTypes: floats, Dims: [][]int{{6, 5}, {6, 300}},
		Make: func(s *Setup) {
			n := s.Dims[1]
			x := s.InOf(s.DType, func(i int) float64 {
				row, column := i/n, i%n
				switch {
				case row == 0, row == 1 && column > 0, row == 2 && column%2 == 0, row == 4 && column == n-1:
					return special[2]
				case row == 3 && column == n/2, row == 4 && column == 0:
					return special[1]
				}
				return s.Rand.Float64()
			}, s.Dims...)
			out := s.Out(s.DType, len(truth(x.Values, n).Value))
			s.Launch(func(e kernels.Emitter) { launch(e, x.Tensor, out.Tensor) })
			s.Want(out, func() ref.Result { return truth(x.Values, n) })
		},
	}
}
