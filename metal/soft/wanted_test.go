package soft_test

import (
	"fmt"
	"testing"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// A product of which some rows are wanted gives those, bit for bit, and leaves
// the others as they were; the number is read when the product runs.
func TestGemmOfWantedRows(t *testing.T) {
	for _, native := range []bool{false, true} {
		for _, c := range []struct{ m, n, k int }{{70, 90, 40}, {5, 64, 33}, {64, 7, 50}} {
			t.Run(fmt.Sprint(native, c), func(t *testing.T) {
				dev := open(t, soft.Options{Native: native})
				a := kernels.Contig(view(t, dev, normal(c.m*c.k, 1)), metal.Float32, c.m, c.k)
				b := kernels.Contig(view(t, dev, normal(c.k*c.n, 2)), metal.Float32, c.k, c.n)
				full := kernels.Contig(view(t, dev, make([]float32, c.m*c.n)), metal.Float32, c.m, c.n)
				part := kernels.Contig(view(t, dev, make([]float32, c.m*c.n)), metal.Float32, c.m, c.n)
				count := view(t, dev, []int32{0})
				l := &launches{t: t, dev: dev}
				kernels.Gemm(l, kernels.GemmOp{A: a, B: b, C: full})
				kernels.Gemm(l, kernels.GemmOp{A: a, B: b, C: part, Wanted: &kernels.WantedRows{Count: count, First: 10}})
				p, err := dev.Prepare(l.list)
				require.NoError(t, err)
				defer p.Close()
				want, got := as[float32](full.View), as[float32](part.View)
				for _, n := range []int{0, 10, 11, 10 + c.m/2, 10 + c.m, 1000} {
					as[int32](count)[0] = int32(n)
					for i := range got {
						got[i] = 7
					}
					require.NoError(t, p.Run(t.Context()))
					rows := min(max(n-10, 0), c.m)
					require.Equal(t, want[:rows*c.n], got[:rows*c.n], "%d rows", rows)
					for i := rows * c.n; i < len(got); i++ {
						require.Equal(t, float32(7), got[i], "%d rows, element %d", rows, i)
					}
				}
			})
		}
	}
}
