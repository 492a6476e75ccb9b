package ref

import (
	"math/rand/v2"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// The gradient of the reference is that of its forward pass, by differences.
func TestSDPAGradient(t *testing.T) {
	a := SDPA{B: 2, H: 4, KVHeads: 2, Tq: 5, Tk: 6, D: 3, Scale: 0.7, Causal: true,
		SegQ: []float64{1, 1, 2, 2, 9, 1, 1, 1, 0, 0}, SegK: []float64{1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 0, 0}}
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = r.NormFloat64()
		}
		return x
	}
	q, k, v, g := draw(a.B*a.H*a.Tq*a.D), draw(a.B*a.KVHeads*a.Tk*a.D), draw(a.B*a.KVHeads*a.Tk*a.D), draw(a.B*a.H*a.Tq*a.D)
	loss := func() float64 {
		out, _ := a.Forward(q, k, v, metal.Float32)
		dot, _ := dotMag(out.Value, g, len(g))
		return dot
	}
	dq, dk, dv := a.Gradient(q, k, v, g, metal.Float32)
	for _, c := range []struct {
		name string
		x    []float64
		got  Result
	}{{"dq", q, dq}, {"dk", k, dk}, {"dv", v, dv}} {
		for i := range c.x {
			const step = 1e-5
			x := c.x[i]
			c.x[i] = x + step
			up := loss()
			c.x[i] = x - step
			down := loss()
			c.x[i] = x
			require.InDelta(t, (up-down)/(2*step), c.got.Value[i], 1e-8, "%s[%d]", c.name, i)
		}
	}
}

// Weights of what a query sees add up to one; a query that sees nothing is 0.
func TestSDPAForward(t *testing.T) {
	a := SDPA{B: 1, H: 1, KVHeads: 1, Tq: 3, Tk: 2, D: 2, Scale: 1, Causal: true}
	q, k := []float64{1, 2, 3, 4, 5, 6}, []float64{0, 0, 0, 0}
	out, lse := a.Forward(q, k, []float64{2, 4, 6, 8}, metal.Float32)
	require.Equal(t, []float64{0, 0, 2, 4, 4, 6}, out.Value)
	require.InDeltaSlice(t, []float64{0, 0.6931471805599453}, lse.Value[1:], 1e-15)
	require.True(t, lse.Value[0] < -1e308)
}
