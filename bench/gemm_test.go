package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// product is a line of the gemm benchmark; weights are [N,K], as layers have
// them, unless transA says that A is [K,M].
type product struct {
	m, n, k, r int
	transA     bool
}

var products = []product{
	{m: 1024, n: 1024, k: 1024}, {m: 2048, n: 2048, k: 576}, {m: 512, n: 4096, k: 4096}, // layers
	{m: 2048, n: 1536, k: 576}, {m: 2048, n: 1536, k: 576, r: 16}, {m: 2048, n: 1536, k: 576, r: 64}, // with low-rank updates
	{m: 2048, n: 16, k: 576}, {m: 576, n: 16, k: 2048, transA: true}, {m: 16, n: 576, k: 2048, transA: true}, // of LoRA
	{m: 1, n: 4096, k: 4096}, {m: 1, n: 1536, k: 576}, {m: 4, n: 4096, k: 4096}, {m: 8, n: 4096, k: 4096}, // decoding
}

// list collects dispatches and lends memory.
type list struct {
	b    *testing.B
	pool *metal.Pool
	ops  []metal.Dispatch
}

func (l *list) Emit(d metal.Dispatch) { l.ops = append(l.ops, d) }

func (l *list) Scratch(n int64) metal.View {
	buf, err := l.pool.Alloc(n, "gemm")
	require.NoError(l.b, err)
	l.b.Cleanup(func() { l.pool.Free(buf) })
	return metal.View{Buf: buf, Len: n}
}

// matrix is a tensor full of bytes that make finite numbers in every dtype.
func (l *list) matrix(dt metal.DType, rows, cols int, trans bool) kernels.Tensor {
	v := l.Scratch(int64(rows * cols * dt.Size()))
	for i, data := 0, v.Bytes(); i < len(data); i++ {
		data[i] = byte(i*7%120 + 1)
		if i%2 == 1 {
			data[i] = 0x30 + byte(i/2*13%16)
		}
	}
	t := kernels.Contig(v, dt, rows, cols)
	if trans {
		t.Strides = []int{1, rows}
	}
	return t
}

// BenchmarkGemm multiplies on the software device: GFLOP/s, and the GB/s of
// operands and result, which is what products of few rows are bound by. Both are
// those of the best run, which others on the machine disturb least.
func BenchmarkGemm(b *testing.B) {
	for _, dt := range []metal.DType{metal.Float32, metal.BFloat16, metal.Float16} {
		for _, p := range products {
			for _, workers := range []int{1, 2} {
				name := fmt.Sprintf("%s/%dx%dx%d", dt.Suffix(), p.m, p.n, p.k)
				if p.r > 0 {
					name += fmt.Sprintf("+%d", p.r)
				}
				b.Run(fmt.Sprintf("%s/threads=%d", name, workers), func(b *testing.B) { multiply(b, dt, p, workers) })
			}
		}
	}
}

func multiply(b *testing.B, dt metal.DType, p product, workers int) {
	dev := soft.New(soft.Options{Native: true, Workers: workers})
	defer func() { require.NoError(b, dev.Close()) }()
	l := &list{b: b, pool: metal.NewPool(dev, metal.PoolOptions{})}
	op := kernels.GemmOp{A: l.matrix(dt, p.m, p.k, p.transA), B: l.matrix(dt, p.k, p.n, !p.transA), C: l.matrix(dt, p.m, p.n, false)}
	if p.r > 0 {
		op.LowRank = &kernels.LowRank{A: l.matrix(dt, p.m, p.r, false), B: l.matrix(dt, p.r, p.n, false), Scale: 2}
	}
	kernels.Gemm(l, op)
	program, err := dev.Prepare(l.ops)
	require.NoError(b, err)
	defer program.Close()
	var flops, bytes int64
	for i := range l.ops {
		flops += l.ops[i].FLOPs
		bytes += l.ops[i].Traffic()
	}
	best := time.Hour
	for b.Loop() {
		start := time.Now()
		require.NoError(b, program.Run(b.Context()))
		best = min(best, time.Since(start))
	}
	seconds := best.Seconds()
	b.ReportMetric(float64(flops)/seconds/1e9, "GFLOP/s")
	b.ReportMetric(float64(bytes)/seconds/1e9, "GB/s")
}
