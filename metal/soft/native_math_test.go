package soft_test

import (
	"math"
	"testing"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// The native elementary functions are as near as native_math.h says, on every
// instruction set, over one float of every hundred and some of each size.
func TestNativeMathErrors(t *testing.T) {
	defer soft.LimitCPU(4)
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for level := range 4 {
		soft.LimitCPU(level)
		for _, c := range []struct {
			op    kernels.UnaryOp
			f     func(float64) float64
			limit float64 // of |x|
			ulps  float64
		}{
			{kernels.Exp, math.Exp, 87, 1.0}, {kernels.Log, math.Log, math.MaxFloat32, 0.9}, {kernels.Sigmoid, sigmoid, 86, 1.9},
			{kernels.Tanh, math.Tanh, math.MaxFloat32, 1.3}, {kernels.Erf, math.Erf, math.MaxFloat32, 1.2},
			{kernels.Sin, math.Sin, 1 << 19, 2.0}, {kernels.Cos, math.Cos, 1 << 19, 2.0},
		} {
			worst, at := worstError(t, c.op, c.f, c.limit)
			require.LessOrEqual(t, worst, c.ulps, "%s(%v) at level %d", c.op, at, level)
			require.Greater(t, worst, 0.5, "%s: nothing was rounded", c.op)
		}
	}
}

// worstError is the largest error of op in units of the last place of what is
// right, for normal numbers, and where it is.
func worstError(t *testing.T, op kernels.UnaryOp, f func(float64) float64, limit float64) (worst float64, at float32) {
	const step = 997 // of the words of floats: 4.3 million of them
	var x []float32
	for u := uint64(0); u < 1<<32; u += step {
		v := math.Float32frombits(uint32(u))
		if a := math.Abs(float64(v)); a <= limit && a > 0x1p-126 && (op != kernels.Log || v > 0) {
			x = append(x, v)
		}
	}
	dev := open(t, soft.Options{Native: true})
	in, out := view(t, dev, x), view(t, dev, make([]float32, len(x)))
	l := &launches{t: t, dev: dev}
	kernels.Unary(l, op, kernels.Contig(in, metal.Float32, len(x)), kernels.Contig(out, metal.Float32, len(x)))
	run(t, dev, l.list...)
	for i, got := range as[float32](out) {
		want := f(float64(x[i]))
		if math.Abs(want) < 0x1p-126 {
			continue
		}
		_, e := math.Frexp(want)
		if d := math.Abs(float64(got)-want) / math.Ldexp(1, e-24); d > worst {
			worst, at = d, x[i]
		}
	}
	return worst, at
}
