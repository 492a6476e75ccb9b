package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Dims are rows, hidden size, classes, rows of a chunk and elements of a slice of
// the vocabulary: one slice, slices that divide it and that do not, of one class.
var _ = func() bool {
	for _, f := range []kernels.QuantFormat{quantFormats[2], quantFormats[3], quantFormats[7], quantFormats[9]} {
		add(Case{Op: "cross_entropy/quant_" + quantName(f), DTypes: floats,
			Dims: [][]int{{5, 64, 13, 64, 0}, {9, 128, 33, 4, 11 * 128}, {11, 64, 67, 4, 8 * 64}, {70, 64, 40, 64, 64}, {1, 64, 5, 1, 3 * 64}, {0, 64, 5, 2, 0}},
			Make: func(s *Setup) { s.quantCrossEntropy(f) }})
	}
	return true
}()

func (s *Setup) quantCrossEntropy(f kernels.QuantFormat) {
	t, d, n := s.Dims[0], s.Dims[1], s.Dims[2]
	h, w, targets := s.In(s.DType, t, d), s.quantised(f, n, d), targetsOf(s, t, n)
	loss, lse, dh := s.Out(metal.Float32, t), s.Out(metal.Float32, t), s.Out(s.DType, t, d)
	s.Launch(func(e kernels.Emitter) {
		packed := kernels.QuantWeight{Format: f, W: w.words.Tensor, Scales: w.scales.Tensor, Biases: w.biases.Tensor}
		kernels.LinearCrossEntropyQuant(e, h.Tensor, packed, targets.Tensor, loss.Tensor, lse.Tensor, dh.Tensor, s.Dims[3], s.Dims[4])
	})
	var is ref.LinearCrossEntropy
	if h.View.Bytes() != nil {
		values, _ := w.values(s.DType, 0, true)
		for i, v := range values { // unpacked to h's dtype
			values[i] = ref.Round(s.DType, v)
		}
		is = ref.LinearCrossEntropy{H: h.Values, W: values, Targets: targets.Values, D: d}
	}
	s.Want(loss, func() ref.Result { r, _ := is.Forward(); return r })
	s.Want(lse, func() ref.Result { _, r := is.Forward(); return r })
	s.Want(dh, func() ref.Result { r, _ := is.Gradient(nil, s.DType); return r })
}
