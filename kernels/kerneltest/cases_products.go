package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// hadamardSigns is the matrix of signs of size m: the transform of the unit
// vectors is checked to be one whose rows are orthogonal, by graph's tests.
func hadamardSigns(m int, transposed bool) [][]float64 {
	rows := kernels.HadamardMatrix(m)
	if !transposed {
		return rows
	}
	turned := make([][]float64, m)
	for c := range turned {
		for r := range rows {
			turned[c] = append(turned[c], rows[r][c])
		}
	}
	return turned
}

func hadamardCase(variant string, dims [][]int, transposed bool) Case {
	return Case{Op: "hadamard" + variant, DTypes: floats, Dims: dims, Fills: []Fill{Uniform, Outliers}, Bench: [][]int{{256, 4096}},
		Make: func(s *Setup) {
			rows, n := s.Dims[0], s.Dims[1]
			x, out := s.In(s.DType, rows, n), s.Out(s.DType, rows, n)
			s.Launch(func(e kernels.Emitter) { kernels.Hadamard(e, x.Tensor, out.Tensor, 0.25, transposed) })
			m, _, _ := kernels.HadamardFactors(n)
			s.Want(out, func() ref.Result { return ref.Hadamard(x.Values, rows, hadamardSigns(m, transposed), 0.25) })
		}}
}

var _ = add(hadamardCase("", [][]int{{3, 1}, {5, 2}, {33, 16}, {3, 64}, {1, 512}, {2, 1024}, {2, 12}, {3, 40}, {1, 56}, {2, 192}, {0, 8}}, false),
	hadamardCase("/transposed", [][]int{{2, 20}, {1, 112}, {3, 28}}, true),
	Case{Op: "hadamard/long", DTypes: floats, Dims: [][]int{{1, 8192}}, Fills: []Fill{Uniform}, Make: hadamardCase("", nil, false).Make})

// blockMaskDims are [batch, rows, cols, block]; edges cut blocks.
var blockMaskDims = [][]int{{1, 32, 32, 32}, {2, 33, 70, 32}, {3, 5, 64, 64}, {0, 4, 4, 32}}

func blockMaskCase(variant string, mask func(dt metal.DType) metal.DType, one bool) Case {
	return Case{Op: "block_mask" + variant, DTypes: floats, Dims: blockMaskDims, Fills: []Fill{Uniform, Special},
		Make: func(s *Setup) {
			batch, rows, cols, block := s.Dims[0], s.Dims[1], s.Dims[2], s.Dims[3]
			of := func(shared bool) int {
				if shared {
					return 1
				}
				return batch
			}
			dt := mask(s.DType)
			x := s.In(s.DType, of(one), rows, cols)
			m := s.InFill(Uniform, dt, of(!one), (rows+block-1)/block, (cols+block-1)/block)
			out := s.Out(s.DType, batch, rows, cols)
			s.Launch(func(e kernels.Emitter) { kernels.BlockMask(e, x.Tensor, m.Tensor, out.Tensor, block) })
			s.Want(out, func() ref.Result {
				return ref.BlockMask(x.Values, m.Values, batch, rows, cols, block, dt == metal.Bool)
			})
		}}
}

func segmentedCase() Case {
	return Case{Op: "segmented_mm", DTypes: floats, Dims: [][]int{{1, 1, 1}, {17, 40, 15}, {33, 5, 16}, {16, 64, 33}, {0, 3, 2}}, Fills: []Fill{Uniform, Outliers},
		Make: func(s *Setup) {
			m, k, n := s.Dims[0], s.Dims[1], s.Dims[2]
			a, b := s.In(s.DType, m, k), s.In(s.DType, k, n)
			bounds := []uint64{0, uint64(k), 0, uint64(k / 2), uint64(k / 3), uint64(k - k/3), 2, 2, 3, 1, uint64(k - 1), 1 << 31, 1<<32 - 3, 1<<32 - 1}
			at := s.InWords(metal.Uint32, func(i int) uint64 { return bounds[i] }, len(bounds)/2, 2)
			out := s.Out(s.DType, len(bounds)/2, m, n)
			s.Launch(func(e kernels.Emitter) { kernels.SegmentedMM(e, a.Tensor, b.Tensor, at.Tensor, out.Tensor) })
			s.Want(out, func() ref.Result { return ref.SegmentedMM(a.Values, b.Values, bounds, m, k, n) })
		}}
}

var _ = add(blockMaskCase("", func(metal.DType) metal.DType { return metal.Bool }, false), blockMaskCase("/shared", func(metal.DType) metal.DType { return metal.Bool }, true),
	blockMaskCase("/scaled", func(dt metal.DType) metal.DType { return dt }, false), segmentedCase())
