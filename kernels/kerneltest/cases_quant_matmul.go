package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// quantForm is what a row of the table asks for besides the format. Dims are M,
// N, K, of which the quantised axis counts groups.
type quantForm struct {
	name      string // after "quant_matmul/"
	transpose bool
	pad       int    // elements between rows of x
	batches   string // "apart", "shared" or "gather"
}

// The sizes lie round those that choose a kernel (8 and 4 rows), of tiles (32),
// of a simdgroup's units (256 steps), and of vectors.
var (
	quantNT = [][]int{{1, 5, 2}, {7, 33, 1}, {8, 1, 3}, {33, 34, 2}, {65, 33, 9}, {3, 9, 12}, {0, 4, 1}}
	quantNN = [][]int{{1, 2, 5}, {3, 3, 33}, {4, 1, 31}, {35, 2, 9}, {64, 5, 33}, {2, 9, 70}}
	// Products of a layer, and of decoding.
	quantBenchNT = [][]int{{256, 4096, 64}, {512, 4096, 64}, {1, 4096, 64}, {4, 4096, 64}, {2048, 1536, 9}}
	quantBenchNN = [][]int{{512, 64, 4096}, {1, 64, 4096}, {2048, 9, 1536}}
)

var _ = func() bool {
	for _, f := range quantFormats {
		var benchNT, benchNN [][]int
		if f.Group == 64 && f.Bits != 3 {
			benchNT, benchNN = quantBenchNT, quantBenchNN
		}
		quantCase(f, quantForm{name: "nt", transpose: true}, quantNT, benchNT)
		quantCase(f, quantForm{name: "nn"}, quantNN, benchNN)
		if f.Bits == 4 {
			quantCase(f, quantForm{name: "padded", transpose: true, pad: 3}, quantNT[1:4], nil)
			quantCase(f, quantForm{name: "batched", transpose: true, batches: "apart"}, [][]int{{1, 7, 2}, {9, 5, 1}}, nil)
			quantCase(f, quantForm{name: "batched_nn", batches: "apart", pad: 1}, [][]int{{1, 2, 7}, {9, 1, 5}}, nil)
			quantCase(f, quantForm{name: "shared", transpose: true, batches: "shared"}, [][]int{{1, 7, 2}, {9, 5, 1}}, nil)
			quantCase(f, quantForm{name: "gather", transpose: true, batches: "gather"}, [][]int{{1, 7, 2}, {9, 5, 1}}, nil)
			quantCase(f, quantForm{name: "gather_nn", batches: "gather"}, [][]int{{1, 2, 7}, {9, 1, 5}}, nil)
		}
	}
	return true
}()

func quantCase(f kernels.QuantFormat, form quantForm, dims, bench [][]int) {
	add(Case{Op: "quant_matmul/" + form.name + "_" + quantName(f), DTypes: floats, Dims: dims, Fills: []Fill{Uniform, Outliers}, Bench: bench,
		Make: func(s *Setup) { s.quantMatmul(f, form) }})
}

// quantMatmul makes a case. Batches are three: of three matrices each, of three
// and one, or chosen among two and four.
func (s *Setup) quantMatmul(f kernels.QuantFormat, form quantForm) {
	p := ref.QuantProduct{M: s.Dims[0], N: s.Dims[1], K: s.Dims[2], Transpose: form.transpose, Left: []int{0}, Right: []int{0}}
	if form.transpose {
		p.K *= f.Group
	} else {
		p.N *= f.Group
	}
	rows, cols := p.K, p.N
	if form.transpose {
		rows, cols = p.N, p.K
	}
	lefts, rights := 1, 1
	switch form.batches {
	case "apart":
		lefts, rights, p.Left, p.Right = 3, 3, []int{0, 1, 2}, []int{0, 1, 2}
	case "shared":
		lefts, p.Left, p.Right = 3, []int{0, 1, 2}, []int{0, 0, 0}
	case "gather":
		lefts, rights, p.Left, p.Right = 2, 4, []int{1, 0, 1}, []int{3, 3, 1}
	}
	x := s.matrixIn(gemmForm{pad: form.pad, batches: "apart"}, s.DType, false, lefts, p.M, p.K)
	w := s.quantised(f, rights, rows, cols)
	y := s.Out(s.DType, len(p.Left), p.M, p.N)
	op := kernels.QuantMatmulOp{Format: f, X: x.Tensor, W: w.words.Tensor, Scales: w.scales.Tensor, Biases: w.biases.Tensor, Y: y.Tensor, Transpose: form.transpose}
	if form.batches == "gather" {
		op.Lhs, op.Rhs = s.indices(p.Left).Tensor, s.indices(p.Right).Tensor
	}
	s.Launch(func(e kernels.Emitter) { kernels.QuantMatmul(e, op) })
	s.Want(y, func() ref.Result {
		values, mags := w.values(s.DType, 0, false)
		if few := map[bool]int{true: 8, false: 4}[form.transpose]; p.M >= few { // many rows meet rounded weights
			for i, v := range values {
				values[i] = ref.Round(s.DType, v)
			}
		}
		return p.Of(x.Values, values, mags)
	})
}

func (s *Setup) indices(of []int) *Operand {
	return s.InWords(metal.Uint32, func(i int) uint64 { return uint64(of[i]) }, len(of))
}
