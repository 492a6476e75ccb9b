package kerneltest

import (
	"math"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// flat are sizes of elementwise kernels: round the simd width and the
// threadgroup (256), and a product of odd primes.
var flat = [][]int{{1}, {31}, {32}, {33}, {255}, {257}, {7, 53}, {0}}

// convertible draws values that every dtype but bool and the 8-bit ones hold
// when they are cut off at their range.
func convertible(s *Setup, dst metal.DType) func(i int) float64 {
	return func(int) float64 {
		switch {
		case s.Rand.IntN(4) == 0:
			return 0
		case dst.IsUnsigned() || s.DType.IsUnsigned() || s.DType == metal.Bool:
			return 120 * s.Rand.Float64()
		}
		return 240*s.Rand.Float64() - 120
	}
}

func copyCases() []Case {
	var cases []Case
	for _, dst := range all {
		cases = append(cases, Case{
			Op: "copy/to_" + dst.Suffix(), DTypes: all, Dims: [][]int{{0}, {33}, {257}},
			Make: func(s *Setup) {
				x, out := s.InOf(s.DType, convertible(s, dst), s.Dims...), s.Out(dst, s.Dims...)
				s.Launch(func(e kernels.Emitter) { kernels.Copy(e, x.Tensor, out.Tensor) })
				s.Want(out, func() ref.Result { return ref.Convert(x.Words, s.DType, dst) })
			},
		}, Case{
			// Every bit of integers, and what is special in floats.
			Op: "copy/bits_to_" + dst.Suffix(), DTypes: exactTo(dst), Dims: [][]int{{300}}, Fills: []Fill{Bits},
			Make: func(s *Setup) {
				x, out := s.In(s.DType, s.Dims...), s.Out(dst, s.Dims...)
				if s.DType.IsFloat() {
					x = s.InFill(Special, s.DType, s.Dims...)
				}
				s.Launch(func(e kernels.Emitter) { kernels.Copy(e, x.Tensor, out.Tensor) })
				s.Want(out, func() ref.Result { return ref.Convert(x.Words, s.DType, dst) })
			},
		})
	}
	for _, l := range layouts {
		cases = append(cases, Case{
			Op: "copy/" + string(l), DTypes: []metal.DType{metal.Float32, metal.BFloat16, metal.Uint8, metal.Int64},
			Dims: [][]int{{5}, {3, 5}, {2, 3, 5}, {2, 1, 3, 4}, {2, 3, 2, 3, 2, 3}, {0, 3}},
			Make: func(s *Setup) {
				x, out := s.InLayout(l, s.DType, s.Dims...), s.Out(s.DType, s.Dims...)
				s.Launch(func(e kernels.Emitter) { kernels.Copy(e, x.Tensor, out.Tensor) })
				s.Want(out, func() ref.Result { return ref.Result{Words: x.Words} })
			},
		})
	}
	for _, l := range []Layout{Transposed, Sliced, Reversed} {
		cases = append(cases, Case{
			Op: "copy/into_" + string(l), DTypes: []metal.DType{metal.Float32, metal.Float16, metal.Int8},
			Dims: [][]int{{5}, {3, 5}, {2, 3, 5}, {2, 3, 2, 3}},
			Make: func(s *Setup) {
				x, out := s.InLayout(Transposed, s.DType, s.Dims...), s.OutLayout(l, s.DType, s.Dims...)
				s.Launch(func(e kernels.Emitter) { kernels.Copy(e, x.Tensor, out.Tensor) })
				s.Want(out, func() ref.Result { return ref.Result{Words: x.Words} })
			},
		})
	}
	return cases
}

// exactTo lists the dtypes all of whose values convert to dst in a defined way:
// a float out of the range of an integer does not.
func exactTo(dst metal.DType) []metal.DType {
	if dst.IsFloat() || dst == metal.Bool {
		return all
	}
	return append([]metal.DType{metal.Bool}, integers...)
}

var _ = add(copyCases()...)

// fills are the values of the fill cases, cut to what the dtype holds.
var fills = []float64{0, 1, 3, 1.5, -2.25, 1e30, math.Inf(-1), math.NaN()}

var _ = add(Case{
	Op: "fill", DTypes: all, Dims: [][]int{{0, 3}, {1, 0}, {33, 1}, {257, 2}, {7, 3}, {7, 4}, {7, 5}, {7, 6}, {7, 7}},
	Make: func(s *Setup) {
		v := fills[s.Dims[1]]
		if !s.DType.IsFloat() {
			v = float64([]int{0, 1, 3, 1, 100, 101, 102, 103}[s.Dims[1]])
		}
		out := s.Out(s.DType, s.Dims[0])
		s.Launch(func(e kernels.Emitter) { kernels.Fill(e, out.Tensor, v) })
		s.Want(out, func() ref.Result { return ref.Arange(s.DType, s.Dims[0], v, 0) })
	},
}, Case{
	Op: "fill/range", DTypes: append(integers, floats...), Dims: flat,
	Make: func(s *Setup) {
		start, step := 3.0, 2.0
		if s.DType.IsFloat() {
			start, step = -1.75, 0.1
		}
		out := s.Out(s.DType, s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.Arange(e, out.Tensor, start, step) })
		s.Want(out, func() ref.Result { return ref.Arange(s.DType, out.Size(), start, step) })
	},
}, Case{
	// The ends of the 64-bit integers, downwards.
	Op: "fill/down", DTypes: []metal.DType{metal.Uint64, metal.Int64}, Dims: [][]int{{33}},
	Make: func(s *Setup) {
		start := 0x1p62
		if s.DType == metal.Uint64 {
			start = 0x1p63
		}
		out := s.Out(s.DType, s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.Arange(e, out.Tensor, start, -3) })
		s.Want(out, func() ref.Result { return ref.Arange(s.DType, out.Size(), start, -3) })
	},
})
