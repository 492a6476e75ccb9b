package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// fftDims are [rows, n]: both parities of the exponent, several rows of a
// threadgroup and an edge, the longest of one launch, and two launches.
var fftDims = [][]int{{1, 1}, {3, 2}, {5, 4}, {2, 8}, {33, 16}, {3, 32}, {9, 256}, {3, 512}, {1, 1024}, {2, 2048}, {2, 4096}, {1, 8192}, {0, 4}}

var fftFills = []Fill{Uniform, Outliers}

func fftCase(op string, inverse bool, mk func(s *Setup, rows, n int)) Case {
	if inverse {
		op += "/inverse"
	}
	return Case{Op: "fft/" + op, DTypes: complexTypes, Dims: fftDims, Fills: fftFills, Bench: [][]int{{256, 1024}, {1, 1 << 20}},
		Make: func(s *Setup) { mk(s, s.Dims[0], s.Dims[1]) }}
}

func fftCases() []Case {
	var cases []Case
	for _, inverse := range []bool{false, true} {
		cases = append(cases, fftCase("complex", inverse, func(s *Setup, rows, n int) {
			x, out := s.inComplex(rows, n), s.outComplex(rows, n)
			s.Launch(func(e kernels.Emitter) { kernels.FFT(e, x.Tensor, out.Tensor, n, inverse, 0.5) })
			s.Want(out.pairs, func() ref.Result { return ref.FFT(x.numbers(), rows, n, n, inverse, 0.5) })
		}), fftCase("real", inverse, func(s *Setup, rows, n int) {
			x, out := s.In(metal.Float32, rows, n), s.outComplex(rows, n/2+1)
			s.Launch(func(e kernels.Emitter) { kernels.FFT(e, x.Tensor, out.Tensor, n, inverse, 1) })
			s.Want(out.pairs, func() ref.Result {
				z := make([]complex128, len(x.Values))
				for i, v := range x.Values {
					z[i] = complex(v, 0)
				}
				return ref.FFT(z, rows, n, n/2+1, inverse, 1)
			})
		}), fftCase("half", inverse, func(s *Setup, rows, n int) {
			m := n/2 + 1
			x, out := s.inComplex(rows, m), s.Out(metal.Float32, rows, n)
			s.Launch(func(e kernels.Emitter) { kernels.FFT(e, x.Tensor, out.Tensor, n, inverse, 0.25) })
			s.Want(out, func() ref.Result {
				return realParts(ref.FFT(mirrored(x.numbers(), rows, n), rows, n, n, inverse, 0.25))
			})
		}))
	}
	return cases
}

// mirrored is rows of n whose first n/2+1 elements are given, and whose others
// are the conjugates of those.
func mirrored(half []complex128, rows, n int) []complex128 {
	m := n/2 + 1
	full := make([]complex128, 0, rows*n)
	for r := range rows {
		for j := range n {
			if j < m {
				full = append(full, half[r*m+j])
				continue
			}
			z := half[r*m+n-j]
			full = append(full, complex(real(z), -imag(z)))
		}
	}
	return full
}

// realParts leaves out every second value.
func realParts(r ref.Result) ref.Result {
	out := ref.Result{Class: r.Class, Value: []float64{}, Mag: []float64{}}
	for i := 0; i < len(r.Value); i += 2 {
		out.Value, out.Mag = append(out.Value, r.Value[i]), append(out.Mag, r.Mag[i])
	}
	return out
}

var _ = add(fftCases()...)
