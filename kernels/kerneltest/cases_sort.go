package kerneltest

import (
	"slices"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// sortCase sorts rows. Sizes are round the threads of a threadgroup (256), the
// block that one sorts (2048), and odd and even numbers of merging passes.
func sortCase(dtypes []metal.DType, dims [][]int, fills []Fill) Case {
	return Case{
		Op: "sort", DTypes: dtypes, Dims: dims, Fills: fills,
		Make: func(s *Setup) {
			x, out := s.In(s.DType, s.Dims...), s.Out(metal.Uint32, s.Dims...)
			s.Launch(func(e kernels.Emitter) { kernels.ArgSort(e, x.Tensor, out.Tensor) })
			s.Want(out, func() ref.Result { return ref.ArgSort(s.DType, x.Words, s.Dims[1]) })
		},
	}
}

func sortCases() []Case {
	small := [][]int{{1, 1}, {33, 2}, {3, 31}, {2, 257}, {0, 5}, {5, 0}}
	long := [][]int{{1, 2047}, {2, 2048}, {2, 2049}, {1, 4097}, {1, 10000}}
	bench := sortCase([]metal.DType{metal.Float32}, [][]int{{2, 3000}}, nil)
	bench.Bench = [][]int{{1, 1 << 20}, {512, 2048}}
	return []Case{
		sortCase(floats, small, []Fill{Uniform, Constant, Special}),
		sortCase(integers, small, []Fill{Bits, Special}),
		sortCase([]metal.DType{metal.Bool}, append(slices.Clone(small), long...), nil),
		sortCase([]metal.DType{metal.Float32, metal.BFloat16}, long, []Fill{Uniform, Special}),
		sortCase([]metal.DType{metal.Uint64, metal.Int8}, long, []Fill{Bits}),
		bench,
	}
}

var _ = add(sortCases()...)

func searchCase(variant string, dtypes []metal.DType, fills []Fill, right bool) Case {
	return Case{
		Op: "sort/search" + variant, DTypes: dtypes, Dims: [][]int{{1, 1}, {31, 9}, {64, 300}, {0, 4}, {4, 0}}, Fills: fills,
		Make: func(s *Setup) {
			raw := s.In(s.DType, s.Dims[0])
			order := ref.ArgSort(s.DType, raw.Words, max(s.Dims[0], 1)).Words
			sequence := s.InWords(s.DType, func(i int) uint64 { return raw.Words[order[i]] }, s.Dims[0])
			values, out := s.In(s.DType, s.Dims[1]), s.Out(metal.Uint32, s.Dims[1])
			s.Launch(func(e kernels.Emitter) { kernels.SearchSorted(e, sequence.Tensor, values.Tensor, out.Tensor, right) })
			s.Want(out, func() ref.Result { return ref.SearchSorted(s.DType, sequence.Words, values.Words, right) })
		},
	}
}

var _ = add(searchCase("/left", floats, []Fill{Uniform, Special}, false), searchCase("/right", floats, []Fill{Uniform, Special}, true),
	searchCase("/left", append([]metal.DType{metal.Bool}, integers...), []Fill{Uniform, Special}, false),
	searchCase("/right", append([]metal.DType{metal.Bool}, integers...), []Fill{Uniform, Special}, true))
