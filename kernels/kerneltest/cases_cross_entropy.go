package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// targetsOf draws one target of n classes for each row: a quarter of them is
// negative, the last one is the last class.
func targetsOf(s *Setup, rows, n int) *Operand {
	return s.InOf(metal.Int32, func(i int) float64 {
		switch {
		case i == rows-1:
			return float64(n - 1)
		case s.Rand.IntN(4) == 0:
			return -1 - 99*float64(s.Rand.IntN(2))
		}
		return float64(s.Rand.IntN(n))
	}, rows)
}

// linear is a case of LinearCrossEntropy: Dims are rows, hidden size, classes
// and rows of a chunk.
func linear(s *Setup) (h, w, targets *Operand, is ref.LinearCrossEntropy) {
	h, w = s.In(s.DType, s.Dims[0], s.Dims[1]), s.In(s.DType, s.Dims[2], s.Dims[1])
	targets = targetsOf(s, s.Dims[0], s.Dims[2])
	return h, w, targets, ref.LinearCrossEntropy{H: h.Values, W: w.Values, Targets: targets.Values, D: s.Dims[1]}
}

// linearDims: one chunk, chunks that divide the rows and that do not.
var linearDims = [][]int{{5, 7, 13, 64}, {8, 32, 33, 4}, {11, 17, 67, 4}, {300, 9, 40, 64}, {1, 5, 1, 1}, {0, 4, 5, 2}}

var _ = add(Case{
	Op: "cross_entropy", DTypes: floats, Dims: append([][]int{{2, 1031}}, rows...), Fills: []Fill{Uniform, Outliers, Large, Special}, Bench: [][]int{{64, 151936}},
	Make: func(s *Setup) {
		t, n := s.Dims[0], s.Dims[1]
		x, targets, loss, lse := s.In(s.DType, t, n), targetsOf(s, t, n), s.Out(metal.Float32, t), s.Out(metal.Float32, t)
		s.Launch(func(e kernels.Emitter) { kernels.CrossEntropy(e, x.Tensor, targets.Tensor, loss.Tensor, lse.Tensor) })
		s.Want(loss, func() ref.Result { r, _ := ref.CrossEntropy(x.Values, targets.Values, n); return r })
		s.Want(lse, func() ref.Result { _, r := ref.CrossEntropy(x.Values, targets.Values, n); return r })
	},
}, Case{
	Op: "cross_entropy_grad", DTypes: floats, Dims: append([][]int{{2, 1031}}, rows...), Fills: []Fill{Uniform, Outliers, Large, Special}, Bench: [][]int{{64, 151936}},
	Make: func(s *Setup) {
		t, n := s.Dims[0], s.Dims[1]
		x, targets, g, out := s.In(s.DType, t, n), targetsOf(s, t, n), s.InFill(Uniform, metal.Float32, t), s.Out(s.DType, t, n)
		loss, lse := s.Out(metal.Float32, t), s.Out(metal.Float32, t)
		s.Launch(func(e kernels.Emitter) {
			kernels.CrossEntropy(e, x.Tensor, targets.Tensor, loss.Tensor, lse.Tensor)
			kernels.CrossEntropyGrad(e, x.Tensor, targets.Tensor, lse.Tensor, g.Tensor, out.Tensor)
		})
		s.Want(out, func() ref.Result { return ref.CrossEntropyGrad(x.Values, targets.Values, g.Values, n) })
	},
}, Case{
	// From float32 logits, without a cotangent, in the dtype of the case.
	Op: "cross_entropy_grad/from_f32", DTypes: floats, Dims: [][]int{{3, 33}, {2, 257}, {0, 8}}, Fills: []Fill{Uniform, Special}, Bench: [][]int{{64, 151936}},
	Make: func(s *Setup) {
		t, n := s.Dims[0], s.Dims[1]
		x, targets, out := s.In(metal.Float32, t, n), targetsOf(s, t, n), s.Out(s.DType, t, n)
		loss, lse := s.Out(metal.Float32, t), s.Out(metal.Float32, t)
		s.Launch(func(e kernels.Emitter) {
			kernels.CrossEntropy(e, x.Tensor, targets.Tensor, loss.Tensor, lse.Tensor)
			kernels.CrossEntropyGrad(e, x.Tensor, targets.Tensor, lse.Tensor, kernels.Tensor{}, out.Tensor)
		})
		s.Want(out, func() ref.Result { return ref.CrossEntropyGrad(x.Values, targets.Values, nil, n) })
	},
}, Case{
	// Targets past the last class make NaN of their rows.
	Op: "cross_entropy/beyond", DTypes: floats, Dims: [][]int{{3, 5}},
	Make: func(s *Setup) {
		t, n := s.Dims[0], s.Dims[1]
		x, targets := s.In(s.DType, t, n), s.InOf(metal.Int32, func(i int) float64 { return float64([]int{0, n, 1 << 30}[i]) }, t)
		loss, lse, out := s.Out(metal.Float32, t), s.Out(metal.Float32, t), s.Out(s.DType, t, n)
		s.Launch(func(e kernels.Emitter) {
			kernels.CrossEntropy(e, x.Tensor, targets.Tensor, loss.Tensor, lse.Tensor)
			kernels.CrossEntropyGrad(e, x.Tensor, targets.Tensor, lse.Tensor, kernels.Tensor{}, out.Tensor)
		})
		s.Want(loss, func() ref.Result { r, _ := ref.CrossEntropy(x.Values, targets.Values, n); return r })
		s.Want(out, func() ref.Result { return ref.CrossEntropyGrad(x.Values, targets.Values, nil, n) })
	},
}, Case{
	Op: "cross_entropy/linear", DTypes: floats, Dims: linearDims, Fills: []Fill{Uniform, Outliers},
	Make: func(s *Setup) {
		h, w, targets, is := linear(s)
		loss, lse, dh := s.Out(metal.Float32, s.Dims[0]), s.Out(metal.Float32, s.Dims[0]), s.Out(s.DType, s.Dims[0], s.Dims[1])
		s.Launch(func(e kernels.Emitter) {
			kernels.LinearCrossEntropy(e, h.Tensor, w.Tensor, targets.Tensor, loss.Tensor, lse.Tensor, dh.Tensor, s.Dims[3])
		})
		s.Want(loss, func() ref.Result { r, _ := is.Forward(); return r })
		s.Want(lse, func() ref.Result { _, r := is.Forward(); return r })
		s.Want(dh, func() ref.Result { r, _ := is.Gradient(nil, s.DType); return r })
	},
}, Case{
	Op: "cross_entropy/linear_vjp", DTypes: floats, Dims: linearDims, Fills: []Fill{Uniform, Outliers},
	Make: func(s *Setup) {
		h, w, targets, is := linear(s)
		g, loss, lse := s.InFill(Uniform, metal.Float32, s.Dims[0]), s.Out(metal.Float32, s.Dims[0]), s.Out(metal.Float32, s.Dims[0])
		dh, dw := s.Out(s.DType, s.Dims[0], s.Dims[1]), s.Out(s.DType, s.Dims[2], s.Dims[1])
		s.Launch(func(e kernels.Emitter) {
			kernels.LinearCrossEntropy(e, h.Tensor, w.Tensor, targets.Tensor, loss.Tensor, lse.Tensor, kernels.Tensor{}, s.Dims[3])
			kernels.LinearCrossEntropyVJP(e, h.Tensor, w.Tensor, targets.Tensor, lse.Tensor, g.Tensor, dh.Tensor, dw.Tensor, s.Dims[3])
		})
		s.Want(dh, func() ref.Result { r, _ := is.Gradient(g.Values, s.DType); return r })
		s.Want(dw, func() ref.Result { _, r := is.Gradient(g.Values, s.DType); return r })
	},
}, Case{
	// w is frozen, then h is.
	Op: "cross_entropy/linear_vjp_one", DTypes: floats, Dims: [][]int{{11, 17, 67, 4}},
	Make: func(s *Setup) {
		h, w, targets, is := linear(s)
		g, loss, lse := s.InFill(Uniform, metal.Float32, s.Dims[0]), s.Out(metal.Float32, s.Dims[0]), s.Out(metal.Float32, s.Dims[0])
		dh, dw := s.Out(s.DType, s.Dims[0], s.Dims[1]), s.Out(s.DType, s.Dims[2], s.Dims[1])
		s.Launch(func(e kernels.Emitter) {
			kernels.LinearCrossEntropy(e, h.Tensor, w.Tensor, targets.Tensor, loss.Tensor, lse.Tensor, kernels.Tensor{}, s.Dims[3])
			kernels.LinearCrossEntropyVJP(e, h.Tensor, w.Tensor, targets.Tensor, lse.Tensor, g.Tensor, dh.Tensor, kernels.Tensor{}, s.Dims[3])
			kernels.LinearCrossEntropyVJP(e, h.Tensor, w.Tensor, targets.Tensor, lse.Tensor, g.Tensor, kernels.Tensor{}, dw.Tensor, s.Dims[3])
		})
		s.Want(dh, func() ref.Result { r, _ := is.Gradient(g.Values, s.DType); return r })
		s.Want(dw, func() ref.Result { _, r := is.Gradient(g.Values, s.DType); return r })
	},
}, Case{
	Op: "cross_entropy/scale_rows", DTypes: floats, Dims: rows, Fills: []Fill{Uniform, Special}, Bench: [][]int{{2048, 896}},
	Make: func(s *Setup) {
		x, f, out := s.In(s.DType, s.Dims...), s.InFill(Uniform, metal.Float32, s.Dims[0]), s.Out(s.DType, s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.ScaleRows(e, x.Tensor, f.Tensor, out.Tensor) })
		s.Want(out, func() ref.Result { return ref.ScaleRows(x.Values, f.Values) })
	},
})
