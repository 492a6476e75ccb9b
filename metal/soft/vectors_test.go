package soft_test

import (
	"math"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// Operators and constructors of vectors, component by component.
func TestVectors(t *testing.T) {
	type v4 = [4]float32
	each := func(f func(a, b float32) float32, w float32) func(a v4, b [3]float32) v4 {
		return func(a v4, b [3]float32) (r v4) {
			for i := range r {
				bi := w
				if i < 3 {
					bi = b[i]
				}
				r[i] = f(a[i], bi)
			}
			return r
		}
	}
	ops := []func(a v4, b [3]float32) v4{
		each(func(a, b float32) float32 { return a*2 + b }, 1),
		func(a v4, b [3]float32) v4 {
			return v4{1/a[0] - b[0], 1/a[1] - b[1], 1/a[2] - b[2], 1/a[3] - b[2]}
		},
		each(func(a, b float32) float32 {
			if a > 0 {
				return b
			}
			return a
		}, 0),
		each(func(a, b float32) float32 { return float32(formats[0].value(formats[0].round(float64(a)))) }, 0),
		each(func(a, b float32) float32 { return float32(int32(a*10) % 4) }, 0),
		func(a v4, b [3]float32) v4 {
			return v4{a[3], a[2], float32(b2f(max(a[0], a[1], a[2], a[3]) > 3)), 1}
		},
		each(func(a, b float32) float32 { return -a }, 0),
		func(a v4, b [3]float32) (r v4) {
			for i := range r {
				r[i] = max(a[i], -a[i]) + float32(math.Sqrt(float64(b[0]*b[0]+b[1]*b[1]+b[2]*b[2])))
			}
			return r
		},
	}
	d := open(t, soft.Options{})
	const n = 100
	xs, ys := normal(4*n, 1), normal(3*n, 2)
	xs[5], xs[9] = 3.5, 4
	out := view(t, d, make([]float32, 4*n))
	for op, f := range ops {
		run(t, d, metal.Dispatch{Kernel: "selftest_vectors", In: []metal.View{view(t, d, xs), view(t, d, ys)}, Out: []metal.View{out},
			Args: bytesOf(mathArgs{uint32(op)}), Grid: x(n), Group: x(32)})
		for i := range n {
			want := f(v4(xs[4*i:]), [3]float32(ys[3*i:]))
			got := as[float32](out)[4*i : 4*i+4]
			for c := range 4 {
				require.InDelta(t, want[c], got[c], 1e-6*math.Abs(float64(want[c])), "op %d element %d.%d", op, i, c)
			}
		}
	}
}
