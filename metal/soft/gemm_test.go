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
