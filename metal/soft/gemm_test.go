package soft_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// largeGemms are products of more terms than the case table has room for, which
// processors with products of bfloat16 pairs use those for: of odd sizes, in every
// order of storage, of many and of few columns, and with K divided.
var largeGemms = []struct {
	m, n, k        int
	transA, transB bool
}{
	{129, 161, 259, false, false}, {131, 165, 261, false, true}, {163, 133, 257, true, false}, {129, 161, 1601, true, true},
	{203, 41, 600, false, true}, {2100, 16, 130, false, false}, {2101, 13, 181, true, false},
	{530, 16, 2101, true, false}, {16, 530, 2101, true, false}, {15, 1050, 301, true, true},
}

// spreadMatrix holds values of dt in rows or columns that lie pad elements apart.
func spreadMatrix(t *testing.T, dev *soft.Device, dt metal.DType, rows, cols int, trans bool, seed uint64) (kernels.Tensor, []float64) {
	const pad = 3
	outer, inner := rows, cols
	if trans {
		outer, inner = cols, rows
	}
	data := make([]byte, (outer*(inner+pad)-pad)*dt.Size())
	v := view(t, dev, data)
	values, random := make([]float64, rows*cols), normal(rows*cols, seed)
	for i := range outer {
		for j := range inner {
			at := i*inner + j
			w := ref.Encode(dt, float64(random[at]))
			ref.SetWord(dt, v.Bytes(), i*(inner+pad)+j, w)
			if trans {
				at = j*cols + i
			}
			values[at] = ref.Decode(dt, w)
		}
	}
	strides := []int{cols + pad, 1}
	if trans {
		strides = []int{1, rows + pad}
	}
	return kernels.Tensor{View: v, DType: dt, Shape: []int{rows, cols}, Strides: strides}, values
}

// Large products against float64, and the same bits on one worker and on several.
func TestGemmLarge(t *testing.T) {
	testGemmLarge(t, metal.Float32, metal.Float16, metal.BFloat16)
}

// The same in AMX's tiles, without its instructions where the processor lacks them.
func TestGemmLargeInTiles(t *testing.T) {
	defer soft.LimitCPU(4)
	soft.LimitCPU(5)
	testGemmLarge(t, metal.BFloat16)
}

func testGemmLarge(t *testing.T, dtypes ...metal.DType) {
	for _, dt := range dtypes {
		for _, c := range largeGemms {
			t.Run(fmt.Sprint(dt, c), func(t *testing.T) {
				var first []float32
				for _, workers := range []int{1, 2, 5} {
					dev := open(t, soft.Options{Native: true, Workers: workers, Guard: true})
					a, av := spreadMatrix(t, dev, dt, c.m, c.k, c.transA, 1)
					b, bv := spreadMatrix(t, dev, dt, c.k, c.n, c.transB, 2)
					out := kernels.Contig(view(t, dev, make([]float32, c.m*c.n)), metal.Float32, c.m, c.n)
					l := &launches{t: t, dev: dev}
					kernels.Gemm(l, kernels.GemmOp{A: a, B: b, C: out})
					run(t, dev, l.list...)
					if got := as[float32](out.View); first == nil {
						first = got
						compareGemm(t, got, av, bv, c.m, c.n, c.k)
					} else {
						require.Equal(t, first, got, "%d workers", workers)
					}
				}
			})
		}
	}
}

// compareGemm compares c with a @ b: a float32 sum may be off by some units of its
// terms' magnitude.
func compareGemm(t *testing.T, c []float32, a, b []float64, m, n, k int) {
	want, size := make([]float64, n), make([]float64, n)
	for i := range m {
		clear(want)
		clear(size)
		for q := range k {
			x := a[i*k+q]
			for j := range n {
				y := x * b[q*n+j]
				want[j] += y
				size[j] += math.Abs(y)
			}
		}
		for j := range n {
			if off := math.Abs(float64(c[i*n+j]) - want[j]); !(off <= 4e-7*size[j]) {
				t.Fatalf("element (%d, %d) is %v, want %v", i, j, c[i*n+j], want[j])
			}
		}
	}
}

// operand is a matrix of random numbers.
func operand(t *testing.T, dev *soft.Device, rows, cols int, seed uint64) kernels.Tensor {
	return kernels.Contig(view(t, dev, normal(rows*cols, seed)), metal.Float32, rows, cols)
}

// result is a matrix to be computed.
func result(t *testing.T, dev *soft.Device, shape ...int) kernels.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return kernels.Contig(view(t, dev, make([]float32, n)), metal.Float32, shape...)
}

// transposed is the other view of a matrix.
func transposed(a kernels.Tensor) kernels.Tensor {
	return kernels.Tensor{View: a.View, DType: a.DType, Shape: []int{a.Shape[1], a.Shape[0]}, Strides: []int{a.Strides[1], a.Strides[0]}}
}

// The operands of large products are packed ahead, those of batches are not: the
// bits are the same, with a low-rank update or a third matrix too.
func TestPackedGemmHasTheSameBits(t *testing.T) {
	for _, c := range []struct{ m, n, k int }{{1100, 501, 513}, {651, 1100, 385}, {301, 600, 1601}, {4200, 513, 128}} {
		for trans := range 4 {
			t.Run(fmt.Sprint(c, trans), func(t *testing.T) {
				dev := open(t, soft.Options{Native: true, Workers: 3, Guard: true})
				a, b, d := operand(t, dev, c.m, c.k, 1), operand(t, dev, c.k, c.n, 2), operand(t, dev, c.m, c.n, 3)
				if trans&1 != 0 {
					a = transposed(operand(t, dev, c.k, c.m, 1))
				}
				if trans&2 != 0 {
					b = transposed(operand(t, dev, c.n, c.k, 2))
				}
				ahead, apart := result(t, dev, c.m, c.n), result(t, dev, 2, c.m, c.n)
				twice := func(a kernels.Tensor) kernels.Tensor {
					a.Shape, a.Strides = append([]int{2}, a.Shape...), append([]int{0}, a.Strides...)
					return a
				}
				one := kernels.GemmOp{A: a, B: b, C: ahead, D: d, Alpha: 0.5, Beta: 2}
				two := kernels.GemmOp{A: twice(a), B: twice(b), C: apart, D: twice(d), Alpha: 0.5, Beta: 2}
				if trans == 3 {
					one.LowRank = &kernels.LowRank{A: operand(t, dev, c.m, 5, 4), B: operand(t, dev, 5, c.n, 5), Scale: 3}
					two.LowRank = one.LowRank
				}
				l := &launches{t: t, dev: dev}
				kernels.Gemm(l, one)
				kernels.Gemm(l, two)
				p, err := dev.Prepare(l.list)
				require.NoError(t, err)
				defer p.Close()
				ofA, ofB := soft.Packings(p)
				require.Equal(t, []int{1, 1}, []int{ofA, ofB}, "of the first product; the second one packs nothing ahead")
				require.NoError(t, p.Run(t.Context()))
				got, want := as[float32](ahead.View), as[float32](apart.View)
				require.Equal(t, want[:len(got)], got)
				require.NotZero(t, got[len(got)-1])
			})
		}
	}
}

// Products that follow one another with the same A share its panels, unless
// something writes to A between them, however little, or A is read in another way.
func TestPackedOperandsAreShared(t *testing.T) {
	const n = 651
	dev := open(t, soft.Options{Native: true, Workers: 2})
	a, e, f := operand(t, dev, n, n, 1), operand(t, dev, n, n, 2), operand(t, dev, n, n, 3)
	corner := metal.View{Buf: a.View.Buf, Off: a.View.Len - 4, Len: 4}
	overwrite := scale(dev, "f32", corner, corner, 1, 1, 100)
	var products []metal.Dispatch
	var out []kernels.Tensor
	product := func(a, b kernels.Tensor) metal.Dispatch {
		l := &launches{t: t, dev: dev}
		out = append(out, result(t, dev, n, b.Shape[1]))
		kernels.Gemm(l, kernels.GemmOp{A: a, B: b, C: out[len(out)-1]})
		return l.list[0]
	}
	few := f // columns, too few to pack a for them alone
	few.Shape, few.Strides = []int{n, 200}, []int{n, 1}
	products = append(products, product(a, few), product(a, e), product(a, f), product(a, few),
		product(a, transposed(e)), product(transposed(a), e), product(a, e))
	list := append(append([]metal.Dispatch{}, products[:4]...), overwrite)
	list = append(append(list, products[4:]...), overwrite, products[1])
	results := func(run func()) (all [][]float32) {
		copy(as[float32](a.View), normal(n*n, 1))
		run()
		for _, o := range out {
			all = append(all, append([]float32{}, as[float32](o.View)...))
			clear(as[float32](o.View))
		}
		return all
	}
	want := results(func() {
		for _, d := range list {
			run(t, dev, d)
		}
	})
	p, err := dev.Prepare(list)
	require.NoError(t, err)
	defer p.Close()
	ofA, ofB := soft.Packings(p)
	require.Equal(t, []int{5, 7}, []int{ofA, ofB}, "the third product and the fourth have the A of the one before, the first has none")
	for range 2 { // what an earlier run packed is not used again
		require.Equal(t, want, results(func() { require.NoError(t, p.Run(t.Context())) }))
	}
	times, err := p.Profile(t.Context())
	require.NoError(t, err)
	require.Len(t, times, len(list))
}
