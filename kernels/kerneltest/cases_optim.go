package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// adamWCase updates n elements in place or apart; of DType are the gradients
// and, where low is set, the rounded copy of the parameters.
func adamWCase(variant string, opt kernels.AdamWOptions, count int, inPlace, low bool) Case {
	c := Case{
		Op: "optim_adamw" + variant, DTypes: floats, Dims: [][]int{{1}, {31}, {257}, {7, 53}, {0}},
		Make: func(s *Setup) {
			opt, f32 := opt, metal.Float32
			n := extent(s.Dims)
			opt.DecayCount = n / 2
			g, p, m := s.In(s.DType, n), s.InOut(f32, n), s.InOut(f32, n)
			v := s.InOut(f32, n)
			v.set(func(int) uint64 { return ref.Encode(f32, 0.01*s.Rand.Float64()) })
			values := kernels.Hyper(0.003, count, 0.5, opt)
			hyper := s.InOf(f32, func(i int) float64 { return float64(values[i]) }, kernels.HyperSize)
			pOut, mOut, vOut := p, m, v
			if !inPlace {
				pOut, mOut, vOut = s.Out(f32, n), s.Out(f32, n), s.Out(f32, n)
			}
			rounded := &Operand{}
			if low {
				rounded = s.Out(s.DType, n)
			}
			s.Launch(func(e kernels.Emitter) {
				kernels.AdamW(e, g.Tensor, p.Tensor, m.Tensor, v.Tensor, hyper.Tensor, pOut.Tensor, mOut.Tensor, vOut.Tensor, rounded.Tensor, opt)
			})
			truth := func(which int) func() ref.Result {
				return func() ref.Result {
					return ref.AdamW(g.Values, p.Values, m.Values, v.Values, 0.003, 0.5, count, opt)[which]
				}
			}
			s.Want(pOut, truth(0))
			s.Want(mOut, truth(1))
			s.Want(vOut, truth(2))
			if low {
				s.Want(rounded, truth(0))
			}
		},
	}
	return c
}

func sgdCase(variant string, opt kernels.SGDOptions) Case {
	return Case{
		Op: "optim_sgd" + variant, DTypes: floats, Dims: [][]int{{1}, {33}, {257}, {0}},
		Make: func(s *Setup) {
			f32, n := metal.Float32, s.Dims[0]
			g, p, v, pOut, vOut := s.In(s.DType, n), s.In(f32, n), s.In(f32, n), s.Out(f32, n), s.Out(f32, n)
			values := kernels.Hyper(0.02, 1, 0.25, kernels.AdamWOptions{})
			hyper := s.InOf(f32, func(i int) float64 { return float64(values[i]) }, kernels.HyperSize)
			s.Launch(func(e kernels.Emitter) {
				kernels.SGD(e, g.Tensor, p.Tensor, v.Tensor, hyper.Tensor, pOut.Tensor, vOut.Tensor, opt)
			})
			s.Want(pOut, func() ref.Result { r, _ := ref.SGD(g.Values, p.Values, v.Values, 0.02, 0.25, opt); return r })
			s.Want(vOut, func() ref.Result { _, r := ref.SGD(g.Values, p.Values, v.Values, 0.02, 0.25, opt); return r })
		},
	}
}

func optimCases() []Case {
	opt := kernels.AdamWOptions{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1}
	corrected := opt
	corrected.BiasCorrection = true
	sized := adamWCase("", opt, 1, true, false)
	sized.Bench = [][]int{{1 << 22}}
	return []Case{
		sized,
		adamWCase("/apart", opt, 1, false, false),
		adamWCase("/corrected", corrected, 3, true, false),
		adamWCase("/late", corrected, 10000, true, true),
		adamWCase("/adam", kernels.AdamWOptions{Beta1: 0.8, Beta2: 0.95, Eps: 1e-6}, 2, true, true),
		sgdCase("", kernels.SGDOptions{First: true}),
		sgdCase("/momentum", kernels.SGDOptions{Momentum: 0.9, Dampening: 0.1, WeightDecay: 0.01}),
		sgdCase("/nesterov", kernels.SGDOptions{Momentum: 0.9, WeightDecay: 0.01, Nesterov: true}),
		sgdCase("/first", kernels.SGDOptions{Momentum: 0.9, Dampening: 0.5, Nesterov: true, First: true}),
		{
			// Round the length that one simdgroup adds (2048).
			Op: "optim_sum_squares", DTypes: floats, Dims: [][]int{{1}, {31}, {33}, {2047}, {2048}, {2049}, {20011}, {0}}, Fills: []Fill{Uniform, Outliers, Constant},
			Bench: [][]int{{1 << 22}},
			Make: func(s *Setup) {
				x, out := s.In(s.DType, s.Dims...), s.Out(metal.Float32, 1)
				s.Launch(func(e kernels.Emitter) { kernels.SumSquares(e, x.Tensor, out.Tensor) })
				s.Want(out, func() ref.Result { return ref.SumSquares(x.Values) })
			},
		},
		{
			// A norm below, at and above the limit, and none.
			Op: "optim_clip_scale", DTypes: []metal.DType{metal.Float32}, Dims: [][]int{{0}, {1}, {4}, {25}, {1000000}},
			Make: func(s *Setup) {
				sq := s.InOf(metal.Float32, func(int) float64 { return float64(s.Dims[0]) }, 1)
				scale, norm := s.Out(metal.Float32, 1), s.Out(metal.Float32, 1)
				s.Launch(func(e kernels.Emitter) { kernels.ClipScale(e, sq.Tensor, 2, scale.Tensor, norm.Tensor) })
				s.Want(scale, func() ref.Result { r, _ := ref.ClipScale(sq.Values[0], 2); return r })
				s.Want(norm, func() ref.Result { _, r := ref.ClipScale(sq.Values[0], 2); return r })
			},
		},
	}
}

var _ = add(optimCases()...)
