package soft_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// launches collects the dispatches of an op.
type launches struct {
	t    testing.TB
	dev  *soft.Device
	list []metal.Dispatch
}

func (l *launches) Emit(d metal.Dispatch)          { l.list = append(l.list, d) }
func (l *launches) Scratch(bytes int64) metal.View { return view(l.t, l.dev, make([]byte, bytes)) }

// The native gradient of attention computes a key head as a whole or in slabs,
// whichever keeps the processors busy. One head more than there are processors
// has the last one done in slabs, and with equal operands in every batch row the
// results must have equal bits.
func TestSDPAVJPDivision(t *testing.T) {
	for _, c := range []struct{ h, tq, tk, d int }{{3, 200, 200, 64}, {1, 70, 150, 72}, {2, 130, 33, 32}, {1, 61, 201, 8}, {2, 100, 1100, 16}} {
		t.Run(fmt.Sprint("f32", c), func(t *testing.T) {
			vjpDivision(t, metal.Float32, func(x float64) float32 { return float32(x) }, c.h, c.tq, c.tk, c.d)
		})
		t.Run(fmt.Sprint("bf16", c), func(t *testing.T) {
			vjpDivision(t, metal.BFloat16, func(x float64) uint16 { return uint16(ref.Encode(metal.BFloat16, x)) }, c.h, c.tq, c.tk, c.d)
		})
	}
}

func vjpDivision[T float32 | uint16](t *testing.T, dt metal.DType, of func(float64) T, h, tq, tk, d int) {
	dev := open(t, soft.Options{Native: true})
	batch := runtime.NumCPU() + 1
	r := rand.New(rand.NewPCG(1, uint64(tq)))
	repeated := func(heads, tokens int) kernels.Tensor {
		row := make([]T, heads*tokens*d)
		for i := range row {
			row[i] = of(r.NormFloat64())
		}
		var all []T
		for range batch {
			all = append(all, row...)
		}
		return kernels.Contig(view(t, dev, all), dt, batch, heads, tokens, d)
	}
	empty := func(heads, tokens int) kernels.Tensor {
		return kernels.Contig(view(t, dev, make([]T, batch*heads*tokens*d)), dt, batch, heads, tokens, d)
	}
	op := kernels.SDPAOp{Q: repeated(h, tq), K: repeated(1, tk), V: repeated(1, tk), DOut: repeated(h, tq), Out: empty(h, tq),
		DQ: empty(h, tq), DK: empty(1, tk), DV: empty(1, tk), Scale: 0.125, Causal: true,
		LSE: kernels.Contig(view(t, dev, make([]float32, batch*h*tq)), metal.Float32, batch, h, tq)}
	l := &launches{t: t, dev: dev}
	kernels.SDPA(l, op)
	kernels.SDPAVJP(l, op)
	run(t, dev, l.list...)
	for name, g := range map[string]kernels.Tensor{"dq": op.DQ, "dk": op.DK, "dv": op.DV} {
		data := as[T](g.View)
		n := len(data) / batch
		require.NotZero(t, data[n-1], name)
		for b := range batch {
			require.Equal(t, data[:n], data[b*n:(b+1)*n], "%s of batch row %d", name, b)
		}
	}
}
