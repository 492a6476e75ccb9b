package kerneltest

import (
	"math"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// domains are where the functions of floats are sampled; others take [-8, 8].
// Every function also meets the special values and all magnitudes.
var domains = map[kernels.UnaryOp][2]float64{
	kernels.Exp: {-90, 90}, kernels.ExpPolynomial: {-1, 1}, kernels.Expm1: {-2, 2}, kernels.Log1p: {-0.999, 2}, kernels.Sigmoid: {-100, 100},
	kernels.Erf: {-4.5, 4.5}, kernels.ErfInv: {-1, 1}, kernels.ArcSin: {-1, 1}, kernels.ArcCos: {-1, 1}, kernels.ArcTanh: {-1, 1},
	kernels.ArcCosh: {1, 3}, kernels.Log: {0, 3}, kernels.Log2: {0, 3}, kernels.Log10: {0, 3}, kernels.Sqrt: {0, 9}, kernels.Rsqrt: {0, 9},
}

// spread draws a number of any magnitude that dt has, of either sign.
func spread(s *Setup, dt metal.DType) float64 {
	low, high := -126, 127
	if dt == metal.Float16 {
		low, high = -14, 15
	}
	v := math.Ldexp(1+s.Rand.Float64(), low+s.Rand.IntN(high-low))
	if s.Rand.IntN(2) == 0 {
		return -v
	}
	return v
}

func unaryCases() []Case {
	var cases []Case
	for _, op := range kernels.UnaryOps() {
		if ref.Predicate(string(op)) || op == kernels.LogicalNot || op == kernels.BitwiseInvert {
			continue
		}
		domain, ok := domains[op]
		if !ok {
			domain = [2]float64{-8, 8}
		}
		cases = append(cases, unaryCase(op, "", floats, [][]int{{1031}}, nil, func(s *Setup) *Operand {
			return s.InOf(s.DType, func(int) float64 { return domain[0] + (domain[1]-domain[0])*s.Rand.Float64() }, s.Dims...)
		}), unaryCase(op, "/spread", floats, [][]int{{1031}}, nil, func(s *Setup) *Operand {
			return s.InOf(s.DType, func(int) float64 { return spread(s, s.DType) }, s.Dims...)
		}), unaryCase(op, "", floats, [][]int{{257}}, []Fill{Special}, nil))
	}
	for _, op := range []kernels.UnaryOp{kernels.Abs, kernels.Negative, kernels.Sign, kernels.Square, kernels.BitwiseInvert, kernels.Floor, kernels.Ceil, kernels.Round} {
		cases = append(cases, unaryCase(op, "", integers, [][]int{{257}}, []Fill{Uniform, Bits, Special}, nil))
	}
	for _, op := range []kernels.UnaryOp{kernels.LogicalNot, kernels.BitwiseInvert, kernels.Abs, kernels.Square} {
		cases = append(cases, unaryCase(op, "", []metal.DType{metal.Bool}, [][]int{{33}}, nil, nil))
	}
	for _, op := range kernels.UnaryOps() {
		if ref.Predicate(string(op)) {
			cases = append(cases, unaryCase(op, "", floats, [][]int{{257}}, []Fill{Special}, nil))
		}
	}
	for _, l := range layouts {
		cases = append(cases, Case{
			Op: "unary/" + string(l), DTypes: append([]metal.DType{metal.Bool, metal.Int16}, floats...), Dims: [][]int{{2, 3, 5}, {31, 2}, {0, 3}},
			Make: func(s *Setup) {
				x, out := s.InLayout(l, s.DType, s.Dims...), s.Out(s.DType, s.Dims...)
				s.Launch(func(e kernels.Emitter) { kernels.Unary(e, kernels.Abs, x.Tensor, out.Tensor) })
				s.Want(out, func() ref.Result { return ref.Unary("Abs", s.DType, x.Words) })
			},
		})
	}
	sizes := unaryCase(kernels.Negative, "/sizes", floats, flat, nil, nil)
	sizes.Bench = [][]int{{1 << 22}}
	return append(cases, sizes)
}

func unaryCase(op kernels.UnaryOp, variant string, dtypes []metal.DType, dims [][]int, fills []Fill, input func(s *Setup) *Operand) Case {
	return Case{
		Op: "unary/" + string(op) + variant, DTypes: dtypes, Dims: dims, Fills: fills,
		Make: func(s *Setup) {
			if input == nil {
				input = func(s *Setup) *Operand { return s.In(s.DType, s.Dims...) }
			}
			x, dt := input(s), s.DType
			if ref.Predicate(string(op)) {
				dt = metal.Bool
			}
			out := s.Out(dt, s.Dims...)
			s.Launch(func(e kernels.Emitter) { kernels.Unary(e, op, x.Tensor, out.Tensor) })
			s.Want(out, func() ref.Result { return ref.Unary(string(op), s.DType, x.Words) })
		},
	}
}

var _ = add(unaryCases()...)
