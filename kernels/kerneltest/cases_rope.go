package kerneltest

import (
	"math"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// ropeDims are [B, H, T, D].
var ropeDims = [][]int{{1, 1, 1, 2}, {2, 3, 5, 8}, {1, 2, 3, 64}, {1, 1, 7, 130}, {2, 5, 4, 6}, {1, 2, 0, 8}}

// ropeCase leaves to configure what the launch has beyond x and out.
func ropeCase(variant string, dims [][]int, configure func(s *Setup, op *kernels.RoPEOp) (positions, freqs *Operand)) Case {
	return Case{
		Op: "rope" + variant, DTypes: floats, Dims: dims,
		Make: func(s *Setup) {
			x, out := s.In(s.DType, s.Dims...), s.Out(s.DType, s.Dims...)
			op := kernels.RoPEOp{Dims: s.Dims[3], Base: 10000, Scale: 1}
			positions, freqs := configure(s, &op)
			op.X, op.Out = x.Tensor, out.Tensor
			angles := ref.RoPEAngles{Dims: op.Dims, Base: float64(op.Base), Scale: float64(op.Scale), Offset: op.Offset}
			if positions != nil {
				op.Positions, angles.Positions = positions.Tensor, positions.Values
				angles.PerRow = len(positions.Shape) == 2
			}
			if freqs != nil {
				op.Freqs, angles.Freqs = freqs.Tensor, freqs.Values
			}
			s.Launch(func(e kernels.Emitter) { kernels.RoPE(e, op) })
			s.Want(out, func() ref.Result { return ref.RoPE(x.Values, s.Dims, angles, op.Traditional, op.Inverse) })
		},
	}
}

func ropeCases() []Case {
	none := func() (*Operand, *Operand) { return nil, nil }
	sized := ropeCase("", ropeDims, func(s *Setup, op *kernels.RoPEOp) (*Operand, *Operand) { return none() })
	sized.Bench = [][]int{{1, 32, 512, 128}}
	return []Case{
		sized,
		ropeCase("/traditional", ropeDims, func(s *Setup, op *kernels.RoPEOp) (*Operand, *Operand) {
			op.Traditional = true
			return none()
		}),
		ropeCase("/inverse", ropeDims, func(s *Setup, op *kernels.RoPEOp) (*Operand, *Operand) {
			op.Inverse, op.Offset = true, 100
			return none()
		}),
		ropeCase("/inverse_traditional", [][]int{{2, 3, 5, 8}}, func(s *Setup, op *kernels.RoPEOp) (*Operand, *Operand) {
			op.Inverse, op.Traditional, op.Offset = true, true, 5
			return none()
		}),
		// Only the first elements of a head rotate.
		ropeCase("/partial", [][]int{{2, 3, 5, 8}, {1, 2, 3, 64}, {1, 2, 3, 33}}, func(s *Setup, op *kernels.RoPEOp) (*Operand, *Operand) {
			op.Dims = s.Dims[3] / 4 * 2
			return none()
		}),
		ropeCase("/partial_traditional", [][]int{{2, 3, 5, 8}, {1, 2, 3, 33}}, func(s *Setup, op *kernels.RoPEOp) (*Operand, *Operand) {
			op.Dims, op.Traditional = s.Dims[3]/4*2, true
			return none()
		}),
		// Far from the origin, and with the large base of long-context models.
		ropeCase("/far", [][]int{{1, 1, 3, 64}, {1, 1, 3, 128}}, func(s *Setup, op *kernels.RoPEOp) (*Operand, *Operand) {
			op.Offset = 131000
			return none()
		}),
		ropeCase("/base", [][]int{{1, 1, 5, 64}, {1, 1, 5, 128}}, func(s *Setup, op *kernels.RoPEOp) (*Operand, *Operand) {
			op.Base, op.Scale, op.Offset = 500000, 0.25, 8190
			return none()
		}),
		ropeCase("/positions", ropeDims, func(s *Setup, op *kernels.RoPEOp) (*Operand, *Operand) {
			return s.InOf(metal.Int32, func(int) float64 { return float64(s.Rand.IntN(4096)) }, s.Dims[2]), nil
		}),
		ropeCase("/positions_per_row", ropeDims, func(s *Setup, op *kernels.RoPEOp) (*Operand, *Operand) {
			return s.InOf(metal.Int32, func(int) float64 { return float64(s.Rand.IntN(4096)) }, s.Dims[0], s.Dims[2]), nil
		}),
		ropeCase("/freqs", ropeDims, func(s *Setup, op *kernels.RoPEOp) (*Operand, *Operand) {
			op.Offset = 77
			return nil, s.InOf(metal.Float32, func(i int) float64 { return math.Pow(20000, float64(i)/float64(s.Dims[3])) * 1.5 }, s.Dims[3]/2)
		}),
		ropeStrided(),
	}
}

// ropeStrided reads [B, T, H, D] as [B, H, T, D], as attention does, and writes
// it so.
func ropeStrided() Case {
	return Case{
		Op: "rope/strided", DTypes: floats, Dims: [][]int{{2, 3, 5, 8}, {1, 4, 3, 64}},
		Make: func(s *Setup) {
			b, h, t, d := s.Dims[0], s.Dims[1], s.Dims[2], s.Dims[3]
			x, out, packed := s.In(s.DType, b, t, h, d), s.Out(s.DType, b, t, h, d), s.Out(s.DType, b, h, t, d)
			swapped := func(o *Operand) kernels.Tensor {
				v := o.Tensor
				v.Shape, v.Strides = s.Dims, []int{t * h * d, d, h * d, 1}
				return v
			}
			s.Launch(func(e kernels.Emitter) {
				kernels.RoPE(e, kernels.RoPEOp{X: swapped(x), Out: swapped(out), Dims: d, Base: 10000, Scale: 1, Offset: 3})
				kernels.RoPE(e, kernels.RoPEOp{X: swapped(x), Out: packed.Tensor, Dims: d, Base: 10000, Scale: 1, Offset: 3})
			})
			angles := ref.RoPEAngles{Dims: d, Base: 10000, Scale: 1, Offset: 3}
			swap := func(v []float64, from, to int) []float64 {
				r := make([]float64, len(v))
				for i := range v {
					k, e, m, c := i/(from*to*d), i/(to*d)%from, i/d%to, i%d
					r[((k*to+m)*from+e)*d+c] = v[i]
				}
				return r
			}
			want := func() ref.Result { return ref.RoPE(swap(x.Values, t, h), s.Dims, angles, false, false) }
			s.Want(packed, want)
			s.Want(out, func() ref.Result {
				r := want()
				r.Value, r.Mag = swap(r.Value, h, t), swap(r.Mag, h, t)
				return r
			})
		},
	}
}

var _ = add(ropeCases()...)
