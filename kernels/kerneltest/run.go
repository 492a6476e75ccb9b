package kerneltest

import (
	"bytes"
	"hash/fnv"
	"testing"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// Run runs the table on dev: one subtest per case, named as in
// rms_norm/bf16/2x31/outliers. It returns a hash of each case's outputs.
func Run(t *testing.T, dev metal.Device) map[string]uint64 {
	return each(t, dev, everyCase, func(t *testing.T, s *Setup) {
		for i, w := range s.wants {
			report, err := ref.Compare(w.of.DType, w.of.Bytes(), w.ref())
			require.NoError(t, err, "output %d, %s%v", i, w.of.DType, w.of.Shape)
			t.Logf("output %d: log10 nmse %.1f, %.2f of the allowed error", i, report.LogNMSE, report.Worst)
		}
	})
}

// Same runs the table on dev and requires the outputs to be those that Run or
// Same returned for another device, bit for bit.
func Same(t *testing.T, dev metal.Device, sums map[string]uint64) {
	each(t, dev, everyCase, func(t *testing.T, s *Setup) {
		if want, ok := sums[s.name]; ok {
			require.Equal(t, want, s.sum(), "the outputs have other bits than before")
		}
	})
}

func everyCase(instance) bool { return true }

// each runs the cases that are chosen and hands them to check.
func each(t *testing.T, dev metal.Device, chosen func(instance) bool, check func(t *testing.T, s *Setup)) map[string]uint64 {
	pool := metal.NewPool(dev, metal.PoolOptions{})
	sums := map[string]uint64{}
	instances(false, func(in instance) {
		if !chosen(in) {
			return
		}
		t.Run(in.name(), func(t *testing.T) {
			s := run(t, pool, in)
			sums[s.name] = s.sum()
			check(t, s)
		})
	})
	return sums
}

// sum is a hash of the outputs' bits.
func (s *Setup) sum() uint64 {
	h := fnv.New64a()
	for _, w := range s.wants {
		h.Write(w.of.Bytes())
	}
	return h.Sum64()
}

// run makes a case, runs it, and checks that nothing but outputs and scratch
// memory changed. The memory goes back to the pool when the test ends.
func run(t testing.TB, pool *metal.Pool, in instance) *Setup {
	s := in.make(func(n int64) metal.Buffer {
		b, err := pool.Alloc(n, in.name())
		require.NoError(t, err)
		t.Cleanup(func() { pool.Free(b) })
		return b
	})
	before := make([][]byte, len(s.blocks))
	for i, b := range s.blocks {
		before[i] = bytes.Clone(b.view.Buf.Bytes())
	}
	require.NoError(t, metal.Run(t.Context(), pool.Device(), s.list))
	for i, b := range s.blocks {
		if at := b.damage(before[i]); at >= 0 {
			require.Fail(t, "memory changed outside the outputs", "block %d (written: %v), view [%d, %d) of %d bytes: byte %d",
				i, b.written, b.view.Off, b.view.Off+b.view.Len, b.view.Buf.Len(), at)
		}
	}
	return s
}

// damage is the first byte that changed and should not have, or -1.
func (b *block) damage(before []byte) int {
	after := b.view.Buf.Bytes()
	from, to := int64(len(after)), int64(len(after))
	if b.written {
		from, to = b.view.Off, b.view.Off+b.view.Len
	}
	if b.mask == nil && bytes.Equal(before[:from], after[:from]) && bytes.Equal(before[to:], after[to:]) {
		return -1
	}
	for i := range before {
		inside := int64(i) >= from && int64(i) < to && (b.mask == nil || b.mask[int64(i)-from])
		if before[i] != after[i] && !inside {
			return i
		}
	}
	return -1
}

// InPlace checks the promise of Dispatch.InPlace: an output in the memory of an
// input has the bits that it has in memory of its own.
func InPlace(t *testing.T, dev metal.Device) {
	promised := map[string]bool{}
	lower(func(in instance, s *Setup) {
		for _, op := range s.list {
			for _, mask := range op.InPlace {
				promised[s.name] = promised[s.name] || mask != 0
			}
		}
	})
	each(t, dev, func(in instance) bool { return promised[in.name()] }, func(t *testing.T, s *Setup) {
		for k, op := range s.list {
			for i, mask := range op.InPlace {
				for j := range op.In {
					if mask>>j&1 == 1 && op.In[j].Len >= op.Out[i].Len {
						inPlace(t, dev, s.list[k], i, j)
					}
				}
			}
		}
	})
}

// inPlace runs op twice: as it is, and with output i in the memory of input j.
// It leaves the memory as it was.
func inPlace(t *testing.T, dev metal.Device, op metal.Dispatch, i, j int) {
	var old [][]byte
	for _, v := range append(append([]metal.View{}, op.In...), op.Out...) {
		old = append(old, bytes.Clone(v.Bytes()))
	}
	restore := func() {
		for k, v := range append(append([]metal.View{}, op.In...), op.Out...) {
			copy(v.Bytes(), old[k])
		}
	}
	defer restore()
	require.NoError(t, metal.Run(t.Context(), dev, []metal.Dispatch{op}))
	var apart [][]byte
	for _, v := range op.Out {
		apart = append(apart, bytes.Clone(v.Bytes()))
	}
	restore()
	shared := op
	shared.Out = append([]metal.View{}, op.Out...)
	shared.Out[i] = op.In[j].Slice(0, op.Out[i].Len)
	require.NoError(t, metal.Run(t.Context(), dev, []metal.Dispatch{shared}))
	for k, v := range shared.Out {
		require.True(t, bytes.Equal(apart[k], v.Bytes()), "%s: output %d differs with output %d in the memory of input %d", op.Kernel, k, i, j)
	}
}

// Bench runs the large sizes of the table on dev.
func Bench(b *testing.B, dev metal.Device) {
	pool := metal.NewPool(dev, metal.PoolOptions{})
	instances(true, func(in instance) {
		b.Run(in.name(), func(b *testing.B) {
			s := run(b, pool, in)
			var traffic, flops int64
			for i := range s.list {
				traffic += s.list[i].Traffic()
				flops += s.list[i].FLOPs
			}
			p, err := dev.Prepare(s.list)
			require.NoError(b, err)
			defer p.Close()
			for b.Loop() {
				require.NoError(b, p.Run(b.Context()))
			}
			seconds := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(float64(traffic)/seconds/1e9, "GB/s")
			b.ReportMetric(float64(flops)/seconds/1e9, "GFLOP/s")
		})
	})
}

// nowhere is memory that is only counted: enough to see what a launch emits.
type nowhere struct{ n int64 }

func (b *nowhere) Len() int64    { return b.n }
func (b *nowhere) Bytes() []byte { return nil }

// Coverage counts the cases of the table.
type Coverage struct {
	Cases   map[string]map[metal.DType]int // by op and dtype
	Kernels map[string]int                 // dispatches by kernel
}

// lower makes every case without memory and hands it to visit.
func lower(visit func(in instance, s *Setup)) {
	instances(false, func(in instance) {
		visit(in, in.make(func(n int64) metal.Buffer { return &nowhere{n} }))
	})
}

// Cover counts the cases by op, dtype and kernel, without running any.
func Cover() Coverage {
	c := Coverage{map[string]map[metal.DType]int{}, map[string]int{}}
	lower(func(in instance, s *Setup) {
		if c.Cases[in.row.Op] == nil {
			c.Cases[in.row.Op] = map[metal.DType]int{}
		}
		c.Cases[in.row.Op][in.dtype]++
		for _, d := range s.list {
			c.Kernels[d.Kernel]++
		}
	})
	return c
}

// Names lists the cases in order.
func Names() []string {
	var names []string
	instances(false, func(in instance) { names = append(names, in.name()) })
	return names
}
