package soft_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

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

// The native gradient of attention computes a key head as a whole or by tiles,
// whichever keeps the processors busy. One head more than there are processors
// has the last one done by tiles, and with equal operands in every batch row the
// results must have equal bits.
func TestSDPAVJPDivision(t *testing.T) {
	for _, c := range []struct{ h, tq, tk, d int }{{3, 200, 200, 64}, {1, 70, 150, 72}, {2, 130, 33, 32}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			dev := open(t, soft.Options{Native: true})
			batch := runtime.NumCPU() + 1
			r := rand.New(rand.NewPCG(1, uint64(c.tq)))
			repeated := func(heads, tokens int) kernels.Tensor {
				row := make([]float32, heads*tokens*c.d)
				for i := range row {
					row[i] = float32(r.NormFloat64())
				}
				var all []float32
				for range batch {
					all = append(all, row...)
				}
				return kernels.Contig(view(t, dev, all), metal.Float32, batch, heads, tokens, c.d)
			}
			empty := func(heads, tokens int) kernels.Tensor {
				return kernels.Contig(view(t, dev, make([]float32, batch*heads*tokens*c.d)), metal.Float32, batch, heads, tokens, c.d)
			}
			op := kernels.SDPAOp{Q: repeated(c.h, c.tq), K: repeated(1, c.tk), V: repeated(1, c.tk), DOut: repeated(c.h, c.tq), Out: empty(c.h, c.tq),
				DQ: empty(c.h, c.tq), DK: empty(1, c.tk), DV: empty(1, c.tk), Scale: 0.125, Causal: true,
				LSE: kernels.Contig(view(t, dev, make([]float32, batch*c.h*c.tq)), metal.Float32, batch, c.h, c.tq)}
			l := &launches{t: t, dev: dev}
			kernels.SDPA(l, op)
			kernels.SDPAVJP(l, op)
			run(t, dev, l.list...)
			for name, g := range map[string]kernels.Tensor{"dq": op.DQ, "dk": op.DK, "dv": op.DV} {
				data := as[float32](g.View)
				n := len(data) / batch
				require.NotZero(t, data[n-1], name)
				for b := range batch {
					require.Equal(t, data[:n], data[b*n:(b+1)*n], "%s of batch row %d", name, b)
				}
			}
		})
	}
}
