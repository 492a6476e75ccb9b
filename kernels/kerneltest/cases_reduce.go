package kerneltest

import (
	"slices"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// reduceDims are [outer, fold, inner], of which the middle axis is folded: round
// the length that one thread folds (1024), and an empty fold.
var reduceDims = [][]int{{1, 1, 1}, {3, 31, 1}, {2, 33, 3}, {5, 7, 11}, {1, 1023, 1}, {1, 1024, 2}, {2, 1025, 1}, {1, 2049, 3}, {3, 0, 2}, {0, 3, 2}}

// folded is the shape without what axes fold.
func folded(shape, axes []int) []int {
	out := slices.Clone(shape)
	for _, a := range axes {
		out[a] = 1
	}
	return out
}

func reduceCase(op kernels.ReduceOp, variant string, dtypes []metal.DType, dims [][]int, fills []Fill, axes []int) Case {
	return Case{
		Op: "reduce/" + string(op) + variant, DTypes: dtypes, Dims: dims, Fills: fills,
		Make: func(s *Setup) {
			x := s.In(s.DType, s.Dims...)
			if op == kernels.Prod && s.DType.IsFloat() && s.Fill == Uniform {
				x = s.InOf(s.DType, func(int) float64 { return 0.9 + 0.2*s.Rand.Float64() }, s.Dims...)
			}
			out := s.Out(s.DType, folded(s.Dims, axes)...)
			s.Launch(func(e kernels.Emitter) { kernels.Reduce(e, op, x.Tensor, out.Tensor, axes) })
			s.Want(out, func() ref.Result { return ref.Reduce(string(op), s.DType, x.Words, s.Dims, axes) })
		},
	}
}

func reduceCases() []Case {
	var cases []Case
	middle := []int{1}
	for _, op := range []kernels.ReduceOp{kernels.Sum, kernels.Prod, kernels.Max, kernels.Min, kernels.All, kernels.Any} {
		fills := []Fill{Uniform, Special}
		if op == kernels.Sum {
			fills = []Fill{Uniform, Outliers, Large, Constant, Special}
		}
		cases = append(cases, reduceCase(op, "", floats, reduceDims, fills, middle),
			reduceCase(op, "", integers, [][]int{{2, 33, 3}, {1, 1025, 1}, {3, 0, 2}}, []Fill{Bits, Special}, middle),
			reduceCase(op, "", []metal.DType{metal.Bool}, [][]int{{33, 2, 3}, {1, 1025, 1}, {3, 0, 2}}, nil, middle))
	}
	for _, axes := range [][]int{{0}, {2}, {3}, {0, 1}, {1, 2}, {2, 3}, {0, 2}, {1, 3}, {0, 3}, {0, 1, 3}, {0, 1, 2, 3}} {
		variant := "/axes"
		for _, a := range axes {
			variant += string(rune('0' + a))
		}
		for _, op := range []kernels.ReduceOp{kernels.Sum, kernels.Max} {
			cases = append(cases, reduceCase(op, variant, append([]metal.DType{metal.Int32}, floats...), [][]int{{3, 5, 2, 7}, {11, 1, 13, 3}}, nil, axes))
		}
	}
	for _, op := range []kernels.ReduceOp{kernels.ArgMax, kernels.ArgMin} {
		for axis := range 3 {
			fills := []Fill{Uniform, Constant, Special}
			cases = append(cases, Case{
				Op: "reduce/" + string(op) + "/axis" + string(rune('0'+axis)), DTypes: all, Dims: [][]int{{1, 1, 1}, {3, 31, 2}, {33, 5, 7}, {2, 0, 3}}, Fills: fills,
				Make: func(s *Setup) {
					x, out := s.In(s.DType, s.Dims...), s.Out(metal.Uint32, folded(s.Dims, []int{axis})...)
					if x.Size() == 0 {
						out = s.Out(metal.Uint32, 0) // an axis of nothing has no extreme element
					}
					s.Launch(func(e kernels.Emitter) { kernels.ArgReduce(e, op, x.Tensor, out.Tensor, axis) })
					s.Want(out, func() ref.Result { return ref.ArgReduce(string(op), s.DType, x.Words, s.Dims, axis) })
				},
			})
		}
	}
	sum := reduceCase(kernels.Sum, "/rows", floats, [][]int{{7, 100, 1}}, nil, middle)
	sum.Bench = [][]int{{1024, 4096, 1}, {1, 4096, 1024}}
	return append(cases, sum)
}

var _ = add(reduceCases()...)

var _ = add(Case{
	Op: "reduce/narrow", DTypes: floats, Dims: [][]int{{1, 1}, {33, 31}, {3, 1025}, {0, 4}, {2, 0}}, Fills: []Fill{Uniform, Constant, Special},
	Make: func(s *Setup) {
		x, out := s.In(s.DType, s.Dims...), s.Out(s.DType, s.Dims[0])
		if s.Dims[1] == 0 {
			out = s.Out(s.DType, 0) // rows of nothing are not launched
		}
		s.Launch(func(e kernels.Emitter) { kernels.SumNarrow(e, x.Tensor, out.Tensor) })
		s.Want(out, func() ref.Result { return ref.SumNarrow(s.DType, x.Values, s.Dims[1]) })
	},
})
