package soft_test

import (
	"testing"
	"unsafe"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// Workers that wait for the norms fetch the weight of the product behind them, each
// a piece that lies in it; there is nothing to fetch after it.
func TestWhatWaitingWorkersFetch(t *testing.T) {
	const n, k = 512, 256
	dev := open(t, soft.Options{Native: true, Workers: 2})
	l := &launches{t: t, dev: dev}
	row := func(n int) kernels.Tensor {
		return kernels.Contig(view(t, dev, make([]float32, n)), metal.Float32, 1, n)
	}
	x, gain, y := row(k), kernels.Contig(view(t, dev, make([]float32, k)), metal.Float32, k), row(k)
	weight := kernels.Contig(view(t, dev, make([]float32, n*k)), metal.Float32, n, k)
	kernels.RMSNorm(l, x, gain, y, 1e-5)
	kernels.RMSNorm(l, y, gain, x, 1e-5)
	turned := weight
	turned.Shape, turned.Strides = []int{k, n}, []int{1, k}
	kernels.Gemm(l, kernels.GemmOp{A: x, B: turned, C: row(n)})
	p, err := dev.Prepare(l.list)
	require.NoError(t, err)
	defer p.Close()
	for step := range 2 {
		at, bytes, stride := soft.Ahead(p, step)
		require.Equal(t, uintptr(unsafe.Pointer(&weight.View.Bytes()[0])), at)
		require.Equal(t, int64(4*n*k), bytes)
		require.Greater(t, stride, int64(0))
		require.Less(t, stride, bytes)
	}
	at, _, _ := soft.Ahead(p, 2)
	require.Zero(t, at)
}
