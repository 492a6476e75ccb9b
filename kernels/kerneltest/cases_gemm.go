package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// gemmForm is what a row of the table asks for besides sizes. Dims are M, N, K
// and, where the form has them, R and the number of batches.
type gemmForm struct {
	name                           string // after "gemm/"
	transA, transB, transU, transV bool   // stored by columns
	pad                            int    // elements between rows, or columns, of the operands
	scaled                         bool   // alpha, beta and D
	wide                           bool   // float32 output
	lowRank                        bool   // the fourth dim is R
	batches                        string // "apart", "heads" or "shared"; the last dim is their number
}

// The axes of A and B are stored in both orders; the sizes lie round those of
// the tiles (32×32×16), of vectors and of micro tiles, and of a block of K.
var gemmDims = [][]int{{1, 1, 1}, {7, 8, 31}, {8, 7, 33}, {31, 33, 7}, {33, 31, 8}, {64, 65, 1}, {65, 64, 129}, {129, 33, 65},
	{1, 129, 65}, {129, 1, 64}, {2, 65, 33}, {33, 3, 31}, {9, 9, 0}, {0, 4, 3}, {9, 65, 530}, {65, 9, 1100}}

var gemmShort = [][]int{{1, 33, 7}, {7, 65, 64}, {33, 8, 65}, {65, 33, 31}, {31, 1, 129}}

var _ = add(
	gemmCase(gemmForm{name: "nn"}, gemmDims, gemmBench...),
	gemmCase(gemmForm{name: "nt", transB: true}, gemmDims, gemmBench...),
	gemmCase(gemmForm{name: "tn", transA: true}, gemmDims, []int{576, 16, 2048}, []int{16, 576, 2048}),
	gemmCase(gemmForm{name: "tt", transA: true, transB: true}, gemmDims),
	gemmCase(gemmForm{name: "padded", pad: 5}, gemmShort),
	gemmCase(gemmForm{name: "padded_tt", transA: true, transB: true, pad: 3}, gemmShort),
	gemmCase(gemmForm{name: "scaled", transB: true, pad: 2, scaled: true}, append([][]int{{31, 33, 1030}, {33, 2, 2500}}, gemmShort...)),
	gemmCase(gemmForm{name: "f32", wide: true, scaled: true}, gemmShort),
	gemmCase(gemmForm{name: "f32_tn", transA: true, wide: true}, append([][]int{{33, 7, 1100}}, gemmShort...)),
	gemmCase(gemmForm{name: "low_rank", transB: true, lowRank: true},
		[][]int{{1, 65, 33, 8}, {7, 33, 65, 7}, {33, 65, 31, 16}, {65, 31, 8, 17}, {31, 1, 64, 4}, {33, 64, 0, 3}, {40, 5, 9, 6},
			{9, 40, 9, 1025}, {10, 33, 377, 7}, {10, 33, 250, 6}, {9, 33, 800, 40}},
		[]int{2048, 1536, 576, 16}, []int{2048, 1536, 576, 64}),
	gemmCase(gemmForm{name: "low_rank_tt", transU: true, transV: true, lowRank: true, scaled: true},
		[][]int{{1, 33, 7, 9}, {33, 65, 31, 16}, {65, 1, 8, 17}, {19, 6, 8, 5}}),
	gemmCase(gemmForm{name: "batched", batches: "apart"}, [][]int{{1, 33, 7, 3}, {7, 8, 33, 4}, {33, 65, 31, 2}, {65, 1, 8, 5}}),
	gemmCase(gemmForm{name: "heads", transB: true, scaled: true, batches: "heads"}, [][]int{{1, 33, 8, 3}, {33, 31, 16, 4}, {65, 1, 8, 2}}),
	gemmCase(gemmForm{name: "shared", transA: true, batches: "shared"}, [][]int{{1, 33, 7, 3}, {33, 65, 8, 2}}),
)

// gemmBench are the products of a layer, of decoding, and of LoRA.
var gemmBench = [][]int{{1024, 1024, 1024}, {2048, 2048, 576}, {512, 4096, 4096}, {1, 4096, 4096}, {8, 4096, 4096}, {2048, 16, 576}}

func gemmCase(f gemmForm, dims [][]int, bench ...[]int) Case {
	fills := []Fill{Uniform}
	if !f.scaled && !f.lowRank {
		fills = append(fills, Outliers)
	}
	if f.name == "nt" || f.name == "low_rank" {
		fills = append(fills, Special)
	}
	dtypes := floats
	if f.wide {
		dtypes = []metal.DType{metal.Float16, metal.BFloat16}
	}
	return Case{Op: "gemm/" + f.name, DTypes: dtypes, Dims: dims, Fills: fills, Bench: bench, Make: func(s *Setup) { s.gemm(f) }}
}

// gemm makes a case of the form f.
func (s *Setup) gemm(f gemmForm) {
	is := ref.Gemm{Batch: 1, M: s.Dims[0], N: s.Dims[1], K: s.Dims[2], Alpha: 1}
	dt := s.DType
	if f.wide {
		dt = metal.Float32
	}
	if f.batches != "" {
		is.Batch = s.Dims[3]
	}
	a := s.matrixIn(f, s.DType, f.transA, is.Batch, is.M, is.K)
	b := s.matrixIn(f, s.DType, f.transB, is.Batch, is.K, is.N)
	c := s.matrixOut(f, dt, is.Batch, is.M, is.N)
	op := kernels.GemmOp{A: a.Tensor, B: b.Tensor, C: c.Tensor}
	var d, u, v []float64
	if f.scaled {
		is.Alpha, is.Beta = 0.75, -1.5
		o := s.matrixIn(f, dt, false, is.Batch, is.M, is.N)
		op.D, op.Alpha, op.Beta, d = o.Tensor, float32(is.Alpha), float32(is.Beta), o.Values
	}
	if f.lowRank {
		is.R, is.Scale = s.Dims[3], 2.5
		lu, lv := s.matrixIn(f, s.DType, f.transU, 1, is.M, is.R), s.matrixIn(f, s.DType, f.transV, 1, is.R, is.N)
		op.LowRank, u, v = &kernels.LowRank{A: lu.Tensor, B: lv.Tensor, Scale: float32(is.Scale)}, lu.Values, lv.Values
	}
	s.Launch(func(e kernels.Emitter) { kernels.Gemm(e, op) })
	s.Want(c, func() ref.Result { return is.Of(a.Values, b.Values, d, u, v) })
}

// place gives the shape and strides of a matrix, or of several. Heads lie side
// by side in common rows; a shared matrix stands for every batch.
func (f gemmForm) place(trans bool, batch, rows, cols int) (shape, strides []int) {
	r, c := rows, cols
	if trans {
		r, c = cols, rows
	}
	ld, apart := c+f.pad, r*(c+f.pad)+f.pad
	switch f.batches {
	case "heads":
		ld, apart = batch*c+f.pad, c
	case "shared":
		apart = 0
	}
	shape, strides = []int{batch, rows, cols}, []int{apart, ld, 1}
	if trans {
		strides = []int{apart, 1, ld}
	}
	if f.batches == "" {
		return shape[1:], strides[1:]
	}
	return shape, strides
}

// matrixIn is an operand; what lies between its rows is NaN.
func (s *Setup) matrixIn(f gemmForm, dt metal.DType, trans bool, batch, rows, cols int) *Operand {
	shape, strides := f.place(trans, batch, rows, cols)
	o := s.spread(dt, shape, strides, false)
	data, word := o.View.Bytes(), s.words(s.Fill, dt, shape)
	if data == nil {
		return o
	}
	done := make([]bool, len(data)/dt.Size())
	for i := range o.Size() {
		at := o.at(i)
		if w := word(i); !done[at] {
			if dt == metal.BFloat16 && w&0x7f80 == 0 {
				w &= 0x8000 // processors with products of bfloat16 take denormals as zeros
			}
			ref.SetWord(dt, data, at, w)
			done[at] = true
		}
		w := ref.Word(dt, data, at)
		o.Words, o.Values = append(o.Words, w), append(o.Values, ref.Decode(dt, w))
	}
	return o
}

// matrixOut is the result, by rows, apart or of heads.
func (s *Setup) matrixOut(f gemmForm, dt metal.DType, batch, rows, cols int) *Operand {
	if f.batches == "shared" {
		f.batches = "apart"
	}
	shape, strides := f.place(false, batch, rows, cols)
	o := s.spread(dt, shape, strides, true)
	o.place.mask = make([]bool, o.View.Len)
	for i := range o.Size() {
		for k := range dt.Size() {
			o.place.mask[o.at(i)*dt.Size()+k] = true
		}
	}
	return o
}

// spread is a tensor with the given strides in memory that ends with it.
func (s *Setup) spread(dt metal.DType, shape, strides []int, written bool) *Operand {
	n := 1
	for i, d := range shape {
		n += (d - 1) * strides[i]
	}
	if extent(shape) == 0 {
		n = 0
	}
	b := s.memory(int64(n*dt.Size()), dt.Size(), written)
	return &Operand{Tensor: kernels.Tensor{View: b.view, DType: dt, Shape: shape, Strides: strides}, place: b}
}
