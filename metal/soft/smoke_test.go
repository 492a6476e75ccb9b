package soft_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// Kernels without barriers: every element once, whatever the grid.
func TestElementwise(t *testing.T) {
	for _, opt := range []soft.Options{{}, {Workers: 3}, {Shuffle: 7}, {Guard: true}} {
		d := open(t, opt)
		for _, n := range []int{1, 31, 32, 33, 255, 256, 257, 10007} {
			for _, group := range []int{1, 32, 100, 1024} {
				in := normal(n, uint64(n))
				src, dst := view(t, d, in), view(t, d, make([]float32, n))
				run(t, d, scale(d, "f32", src, dst, n, group, 2.5))
				for i, v := range as[float32](dst) {
					require.Equal(t, in[i]*2.5, v, "n %d, group %d, element %d", n, group, i)
				}
			}
		}
	}
}

// A kernel with simd functions and barriers, ragged simdgroups included.
func TestNorm(t *testing.T) {
	for _, opt := range []soft.Options{{}, {Workers: 3}, {Shuffle: 3}, {NaNFill: true}, {Guard: true}} {
		d := open(t, opt)
		for _, n := range []int{1, 31, 33, 100, 1025} {
			for _, group := range []int{1, 7, 32, 33, 96, 250, 1024} {
				const rows = 5
				in, w := normal(rows*n, 1), normal(n, 2)
				src, wv, dst := view(t, d, in), view(t, d, w), view(t, d, make([]float32, rows*n))
				run(t, d, norm(src, wv, dst, rows, n, group))
				got := as[float32](dst)
				for r := range rows {
					sum := 0.0
					for i := range n {
						sum += float64(in[r*n+i]) * float64(in[r*n+i])
					}
					inv := 1 / math.Sqrt(sum/float64(n)+1e-5)
					for i := range n {
						want := float64(in[r*n+i]) * inv * float64(w[i])
						require.InDelta(t, want, got[r*n+i], 2e-6*(1+math.Abs(want)), "%v n %d group %d", opt, n, group)
					}
				}
			}
		}
	}
}

func BenchmarkElementwise(b *testing.B) {
	const n = 1 << 22
	for _, suffix := range []string{"f32", "f16", "bf16", "u8"} {
		for _, place := range []string{"out", "inplace"} {
			b.Run(fmt.Sprintf("%s/%s", suffix, place), func(b *testing.B) {
				d := open(b, soft.Options{})
				in := view(b, d, make([]float32, n))
				out := in
				if place == "out" {
					out = view(b, d, make([]float32, n))
				}
				p, err := d.Prepare([]metal.Dispatch{scale(d, suffix, in, out, n, 256, 1)})
				require.NoError(b, err)
				defer p.Close()
				for b.Loop() {
					require.NoError(b, p.Run(b.Context()))
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gelem/s")
			})
		}
	}
}

func BenchmarkNorm(b *testing.B) {
	const rows, n = 16, 4096
	d := open(b, soft.Options{})
	in, w, out := view(b, d, normal(rows*n, 1)), view(b, d, normal(n, 2)), view(b, d, make([]float32, rows*n))
	p, err := d.Prepare([]metal.Dispatch{norm(in, w, out, rows, n, 512)})
	require.NoError(b, err)
	defer p.Close()
	for b.Loop() {
		require.NoError(b, p.Run(b.Context()))
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N)/rows, "µs/threadgroup")
}
