package kerneltest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

var indexTypes = []metal.DType{metal.Int32, metal.Uint32, metal.Int64, metal.Uint8}

// indices draws places on an axis of n, from its end too where ids has a sign,
// and sometimes beyond it.
func indices(s *Setup, dt metal.DType, n int, shape ...int) *Operand {
	return s.InOf(dt, func(int) float64 {
		at := s.Rand.IntN(n)
		switch {
		case s.Rand.IntN(16) == 0:
			at += n
		case dt.IsSigned() && s.Rand.IntN(3) == 0:
			at -= n
		case dt.IsSigned() && s.Rand.IntN(16) == 0:
			at -= 2 * n
		}
		return float64(at)
	}, shape...)
}

func gatherCases() []Case {
	var cases []Case
	for _, ids := range indexTypes {
		only := all
		if ids.Size() != 4 {
			only = []metal.DType{metal.Float32, metal.BFloat16} // converted first
		}
		// [indices, rows of the table, width].
		cases = append(cases, Case{
			Op: "gather/" + ids.Suffix(), DTypes: only, Dims: [][]int{{1, 1, 1}, {5, 7, 33}, {31, 3, 8}, {257, 11, 1}, {0, 3, 4}}, Bench: [][]int{{2048, 4096, 1024}},
			Make: func(s *Setup) {
				n, v, d := s.Dims[0], s.Dims[1], s.Dims[2]
				table, at, out := s.In(s.DType, v, d), indices(s, ids, v, n), s.Out(s.DType, n, d)
				s.Launch(func(e kernels.Emitter) { kernels.Gather(e, table.Tensor, at.Tensor, out.Tensor) })
				s.Want(out, func() ref.Result { return ref.Gather(table.Words, at.Values, v, d) })
			},
		}, Case{
			// Indices of several axes, rows of two.
			Op: "gather/shaped_" + ids.Suffix(), DTypes: []metal.DType{metal.Float16}, Dims: [][]int{{2, 3, 5}},
			Make: func(s *Setup) {
				table, at, out := s.In(s.DType, 4, 3, 5), indices(s, ids, 4, s.Dims...), s.Out(s.DType, append(slices.Clone(s.Dims), 3, 5)...)
				s.Launch(func(e kernels.Emitter) { kernels.Gather(e, table.Tensor, at.Tensor, out.Tensor) })
				s.Want(out, func() ref.Result { return ref.Gather(table.Words, at.Values, 4, 15) })
			},
		})
		cases = append(cases, Case{
			Op: "gather_scatter_add/" + ids.Suffix(), DTypes: only, Dims: [][]int{{1, 1, 1}, {5, 7, 33}, {67, 3, 8}, {257, 11, 1}, {0, 3, 4}}, Fills: []Fill{Uniform, Outliers},
			Bench: [][]int{{2048, 4096, 1024}},
			Make: func(s *Setup) {
				n, v, d := s.Dims[0], s.Dims[1], s.Dims[2]
				at, x, out := indices(s, ids, v, n), s.In(s.DType, n, d), s.Out(s.DType, v, d)
				s.Launch(func(e kernels.Emitter) { kernels.ScatterAdd(e, at.Tensor, x.Tensor, out.Tensor) })
				s.Want(out, func() ref.Result { return ref.ScatterAdd(s.DType, at.Values, x.Words, v, d) })
			},
		})
		cases = append(cases, axisCases(ids)...)
	}
	return cases
}

// axisCases go along the middle axis of [outer, axis, inner], with as many
// indices as the fourth of Dims says.
func axisCases(ids metal.DType) []Case {
	dims := [][]int{{1, 1, 1, 1}, {3, 5, 7, 2}, {2, 31, 3, 33}, {33, 4, 1, 1}, {2, 3, 4, 0}}
	only := all
	if ids.Size() != 4 {
		only = []metal.DType{metal.Float32}
	}
	shapes := func(s *Setup) (whole, part []int) {
		return s.Dims[:3], []int{s.Dims[0], s.Dims[3], s.Dims[2]}
	}
	cases := []Case{{
		Op: "gather_axis/" + ids.Suffix(), DTypes: only, Dims: dims,
		Make: func(s *Setup) {
			whole, part := shapes(s)
			x, at, out := s.In(s.DType, whole...), indices(s, ids, whole[1], part...), s.Out(s.DType, part...)
			s.Launch(func(e kernels.Emitter) { kernels.GatherAxis(e, x.Tensor, at.Tensor, out.Tensor, 1) })
			s.Want(out, func() ref.Result { return ref.GatherAxis(x.Words, at.Values, whole, part[1]) })
		},
	}}
	for _, add := range []bool{false, true} {
		op := map[bool]string{false: "gather_scatter_axis/put_", true: "gather_scatter_axis/add_"}[add]
		cases = append(cases, Case{
			Op: op + ids.Suffix(), DTypes: only, Dims: dims,
			Make: func(s *Setup) {
				whole, part := shapes(s)
				at, x, out := indices(s, ids, whole[1], part...), s.In(s.DType, part...), s.InOut(s.DType, whole...)
				s.Launch(func(e kernels.Emitter) { kernels.ScatterAxis(e, add, at.Tensor, x.Tensor, out.Tensor, 1) })
				s.Want(out, func() ref.Result { return ref.ScatterAxis(s.DType, add, out.Words, at.Values, x.Words, whole, part[1]) })
			},
		})
	}
	for f, name := range []string{kernels.FoldMultiply: "Multiply", kernels.FoldMaximum: "Maximum", kernels.FoldMinimum: "Minimum"} {
		cases = append(cases, Case{
			Op: "gather_scatter_fold/" + strings.ToLower(name) + "_" + ids.Suffix(), DTypes: only, Dims: dims,
			Make: func(s *Setup) {
				whole, part := shapes(s)
				at, x, out := indices(s, ids, whole[1], part...), s.In(s.DType, part...), s.InOut(s.DType, whole...)
				s.Launch(func(e kernels.Emitter) { kernels.ScatterFold(e, kernels.Fold(f), at.Tensor, x.Tensor, out.Tensor, 1) })
				s.Want(out, func() ref.Result {
					return ref.ScatterFold(s.DType, name, out.Words, at.Values, x.Words, whole, part[1])
				})
			},
		})
	}
	return cases
}

// checkCases have indices that are all inside, and some that are not.
func checkCases() []Case {
	var cases []Case
	for _, ids := range []metal.DType{metal.Int8, metal.Int16, metal.Int32, metal.Int64, metal.Uint8, metal.Uint16, metal.Uint32, metal.Uint64} {
		for _, n := range []int{5, 100} { // up to the first, a few are outside
			cases = append(cases, Case{
				Op: fmt.Sprintf("gather_check/%s_%d", ids.Suffix(), n), DTypes: []metal.DType{ids}, Dims: [][]int{{1}, {7}, {1024}, {1025}, {5000}},
				Make: func(s *Setup) {
					at, low := indices(s, ids, 5, s.Dims[0]), int64(-n)
					found := s.Out(metal.Int64, kernels.CheckedIndices(s.Dims[0]))
					s.Launch(func(e kernels.Emitter) { kernels.CheckIndices(e, at.Tensor, found.Tensor, low, int64(n)) })
					s.Want(found, func() ref.Result { return ref.CheckIndices(at.Values, found.Tensor.Size()/2, -float64(n), float64(n)) })
				},
			})
		}
	}
	return cases
}

var _ = add(append(gatherCases(), checkCases()...)...)
