package kerneltest

import (
	"fmt"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// quantFormats are all formats, in different groups.
var quantFormats = []kernels.QuantFormat{
	{Mode: kernels.QuantAffine, Bits: 2, Group: 32}, {Mode: kernels.QuantAffine, Bits: 3, Group: 64}, {Mode: kernels.QuantAffine, Bits: 4, Group: 64},
	{Mode: kernels.QuantAffine, Bits: 5, Group: 32}, {Mode: kernels.QuantAffine, Bits: 6, Group: 128}, {Mode: kernels.QuantAffine, Bits: 8, Group: 64},
	{Mode: kernels.QuantAffine, Bits: 4, Group: 128}, {Mode: kernels.QuantMXFP4, Bits: 4, Group: 32}, {Mode: kernels.QuantMXFP8, Bits: 8, Group: 32},
	{Mode: kernels.QuantNVFP4, Bits: 4, Group: 16},
}

// quantName is the format in the name of a case.
func quantName(f kernels.QuantFormat) string { return fmt.Sprintf("%s%d_g%d", f.Mode, f.Bits, f.Group) }

// quantRef is the format for the reference.
func quantRef(f kernels.QuantFormat) ref.Quant {
	return ref.Quant{Mode: string(f.Mode), Bits: f.Bits, Group: f.Group}
}

// The sizes are groups: fewer and more than the threads of a simdgroup and of a
// threadgroup.
var quantDims = [][]int{{1}, {3}, {7}, {67}, {0}}

var _ = func() bool {
	for _, f := range quantFormats {
		fills := []Fill{Uniform, Outliers, Large, Constant}
		add(Case{Op: "quant/quantize_" + quantName(f), DTypes: floats, Dims: quantDims, Fills: fills, Bench: [][]int{{1 << 16}},
			Make: func(s *Setup) { s.quantize(f, false) }},
			Case{Op: "quant/dequantize_" + quantName(f), DTypes: floats, Dims: quantDims, Bench: [][]int{{1 << 16}},
				Make: func(s *Setup) { s.dequantize(f, false) }})
		if f.Mode == kernels.QuantNVFP4 {
			add(Case{Op: "quant/quantize_global", DTypes: floats, Dims: quantDims, Fills: fills, Make: func(s *Setup) { s.quantize(f, true) }},
				Case{Op: "quant/dequantize_global", DTypes: floats, Dims: quantDims, Make: func(s *Setup) { s.dequantize(f, true) }})
		}
	}
	return add(
		Case{Op: "quant/to_fp8", DTypes: floats, Dims: [][]int{{0}, {1}, {31}, {257}}, Fills: []Fill{Uniform, Large, Outliers, Special},
			Make: func(s *Setup) {
				x, out := s.In(s.DType, s.Dims...), s.Out(metal.Uint8, s.Dims...)
				s.Launch(func(e kernels.Emitter) { kernels.ToFP8(e, x.Tensor, out.Tensor) })
				s.Want(out, func() ref.Result {
					words := make([]uint64, len(x.Values))
					for i, v := range x.Values {
						words[i] = ref.ToE4M3(v)
					}
					return ref.Result{Words: words}
				})
			}},
		Case{Op: "quant/from_fp8", DTypes: floats, Dims: [][]int{{0}, {1}, {256}}, Make: func(s *Setup) {
			x, out := s.InWords(metal.Uint8, func(i int) uint64 { return uint64(i) }, s.Dims...), s.Out(s.DType, s.Dims...)
			s.Launch(func(e kernels.Emitter) { kernels.FromFP8(e, x.Tensor, out.Tensor) })
			s.Want(out, func() ref.Result {
				values := make([]float64, len(x.Words))
				for i, w := range x.Words {
					values[i] = ref.FromE4M3(w)
				}
				return ref.Result{Value: values}
			})
		}})
}()

// globalScale is a case's scale of the whole matrix, or an operand without a
// view and 0.
func (s *Setup) globalScale(present bool) (kernels.Tensor, float64) {
	if !present {
		return kernels.Tensor{}, 0
	}
	o := s.InOf(metal.Float32, func(int) float64 { return 3.7 })
	return o.Tensor, o.Values[0]
}

// quantize packs the groups of one row; where there are several, the second is
// all zeros.
func (s *Setup) quantize(f kernels.QuantFormat, global bool) {
	groups := s.Dims[0]
	shape := []int{1, groups * f.Group}
	word := s.words(s.Fill, s.DType, []int{f.Group})
	w := s.InWords(s.DType, func(i int) uint64 {
		if v := word(i); i/f.Group != 1 {
			return v
		}
		return 0
	}, shape...)
	g, scale := s.globalScale(global)
	words, scales := s.Out(metal.Uint32, 1, f.Words(shape[1])), s.Out(f.ScaleDType(s.DType), 1, groups)
	biases := &Operand{}
	if f.Mode == kernels.QuantAffine {
		biases = s.Out(s.DType, 1, groups)
	}
	s.Launch(func(e kernels.Emitter) {
		kernels.Quantize(e, f, w.Tensor, g, words.Tensor, scales.Tensor, biases.Tensor)
	})
	var packed, packedScales, packedBiases []uint64
	if w.View.Bytes() != nil {
		packed, packedScales, packedBiases = quantRef(f).Quantize(s.DType, w.Values, scale)
	}
	s.Want(words, func() ref.Result { return ref.Result{Words: packed} })
	s.Want(scales, func() ref.Result { return ref.Result{Words: packedScales} })
	if f.Mode == kernels.QuantAffine {
		s.Want(biases, func() ref.Result { return ref.Result{Words: packedBiases} })
	}
}

func (s *Setup) dequantize(f kernels.QuantFormat, global bool) {
	n := s.Dims[0] * f.Group
	w := s.quantised(f, 1, n)
	g, scale := s.globalScale(global)
	out := s.Out(s.DType, 1, n)
	s.Launch(func(e kernels.Emitter) {
		kernels.Dequantize(e, f, w.words.Tensor, w.scales.Tensor, w.biases.Tensor, g, out.Tensor)
	})
	s.Want(out, func() ref.Result {
		values, mags := w.values(s.DType, scale, true)
		return ref.Result{Class: ref.Elementwise, Value: values, Mag: mags}
	})
}

// quantised is a quantised matrix of random words.
type quantised struct {
	format                kernels.QuantFormat
	words, scales, biases *Operand
}

// quantised makes matrices of shape [..., n], with scales between 1/8 and 4 and
// of both signs where the format has them.
func (s *Setup) quantised(f kernels.QuantFormat, shape ...int) quantised {
	last := len(shape) - 1
	of := func(n int) []int { return append(append([]int{}, shape[:last]...), n) }
	q := quantised{format: f, biases: &Operand{}}
	q.words = s.InFill(Bits, metal.Uint32, of(f.Words(shape[last]))...)
	groups := of(shape[last] / f.Group)
	switch f.Mode {
	case kernels.QuantAffine:
		q.scales, q.biases = s.InFill(Uniform, s.DType, groups...), s.InFill(Uniform, s.DType, groups...)
	case kernels.QuantNVFP4:
		q.scales = s.InWords(metal.Uint8, func(int) uint64 { return uint64(s.Rand.IntN(127)) }, groups...)
	default:
		q.scales = s.InWords(metal.Uint8, func(int) uint64 { return uint64(124 + s.Rand.IntN(6)) }, groups...)
	}
	return q
}

// values is what the matrix stands for; rounded, as Dequantize gives it.
func (q quantised) values(dt metal.DType, global float64, rounded bool) (values, mags []float64) {
	return quantRef(q.format).Dequantize(dt, q.words.Words, q.scales.Words, q.biases.Words, global, rounded)
}
