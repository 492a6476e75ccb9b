package kerneltest

import (
	"bytes"
	"context"
	"time"

	"github.com/ftmetal/ftmetal/metal"
)

// test is what the checks need of T, *testing.T or *testing.B: ftmetal doctor runs
// the table too, and its program shall not contain the package testing.
type test[T any] interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	Context() context.Context
	Run(name string, f func(T)) bool
}

// benchmark is what Bench needs of *testing.B.
type benchmark[T any] interface {
	test[T]
	Loop() bool
	Elapsed() time.Duration
	ReportMetric(n float64, unit string)
}

// Run runs the table on dev: one subtest per case, named as in
// rms_norm/bf16/2x31/outliers. It returns a hash of each case's outputs.
func Run[T test[T]](t T, dev metal.Device) map[string]uint64 {
	pool, sums := metal.NewPool(dev, metal.PoolOptions{}), map[string]uint64{}
	for _, in := range Instances() {
		t.Run(in.Name(), func(t T) {
			o, err := in.Check(t.Context(), pool)
			for i, r := range o.Outputs {
				t.Logf("output %d: log10 nmse %.1f, %.2f of the allowed error", i, r.LogNMSE, r.Worst)
			}
			if err != nil {
				t.Fatalf("%v", err)
			}
			sums[in.Name()] = o.Sum
		})
	}
	return sums
}

// Same runs the table on dev and requires the outputs to be those that Run
// returned for another device, bit for bit.
func Same[T test[T]](t T, dev metal.Device, sums map[string]uint64) {
	pool := metal.NewPool(dev, metal.PoolOptions{})
	for _, in := range Instances() {
		t.Run(in.Name(), func(t T) {
			sum, err := in.Sum(t.Context(), pool)
			if err != nil {
				t.Fatalf("%v", err)
			}
			if want, ok := sums[in.Name()]; ok && sum != want {
				t.Errorf("the outputs have other bits than before: their hash is %#x, was %#x", sum, want)
			}
		})
	}
}

// InPlace checks the promise of Dispatch.InPlace: an output in the memory of an
// input has the bits that it has in memory of its own.
func InPlace[T test[T]](t T, dev metal.Device) {
	pool := metal.NewPool(dev, metal.PoolOptions{})
	for _, in := range Instances() {
		promised := false
		for _, op := range in.lower().list {
			for _, mask := range op.InPlace {
				promised = promised || mask != 0
			}
		}
		if !promised {
			continue
		}
		t.Run(in.Name(), func(t T) {
			err := in.with(pool, func(s *Setup) error {
				if _, err := s.run(t.Context(), pool); err != nil {
					return err
				}
				for _, op := range s.list {
					inPlaceOf(t, dev, op)
				}
				return nil
			})
			if err != nil {
				t.Fatalf("%v", err)
			}
		})
	}
}

func inPlaceOf[T test[T]](t T, dev metal.Device, op metal.Dispatch) {
	for i, mask := range op.InPlace {
		for j := range op.In {
			if mask>>j&1 == 1 && op.In[j].Len >= op.Out[i].Len {
				inPlace(t, dev, op, i, j)
			}
		}
	}
}

// inPlace runs op twice: as it is, and with output i in the memory of input j.
// It leaves the memory as it was.
func inPlace[T test[T]](t T, dev metal.Device, op metal.Dispatch, i, j int) {
	t.Helper()
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
	if err := metal.Run(t.Context(), dev, []metal.Dispatch{op}); err != nil {
		t.Fatalf("%v", err)
	}
	var apart [][]byte
	for _, v := range op.Out {
		apart = append(apart, bytes.Clone(v.Bytes()))
	}
	restore()
	shared := op
	shared.Out = append([]metal.View{}, op.Out...)
	shared.Out[i] = op.In[j].Slice(0, op.Out[i].Len)
	if err := metal.Run(t.Context(), dev, []metal.Dispatch{shared}); err != nil {
		t.Fatalf("%v", err)
	}
	for k, v := range shared.Out {
		if !bytes.Equal(apart[k], v.Bytes()) {
			t.Errorf("%s: output %d differs with output %d in the memory of input %d", op.Kernel, k, i, j)
		}
	}
}

// Bench runs the large sizes of the table on dev.
func Bench[T benchmark[T]](b T, dev metal.Device) {
	pool := metal.NewPool(dev, metal.PoolOptions{})
	instances(true, func(in Instance) {
		b.Run(in.Name(), func(b T) {
			err := in.with(pool, func(s *Setup) error {
				if _, err := s.run(b.Context(), pool); err != nil {
					return err
				}
				return bench(b, dev, s.list)
			})
			if err != nil {
				b.Fatalf("%v", err)
			}
		})
	})
}

func bench[T benchmark[T]](b T, dev metal.Device, list []metal.Dispatch) error {
	var traffic, flops int64
	for i := range list {
		traffic += list[i].Traffic()
		flops += list[i].FLOPs
	}
	p, err := dev.Prepare(list)
	if err != nil {
		return err
	}
	defer p.Close()
	n := 0
	for b.Loop() {
		if err := p.Run(b.Context()); err != nil {
			return err
		}
		n++
	}
	seconds := b.Elapsed().Seconds() / float64(n)
	b.ReportMetric(float64(traffic)/seconds/1e9, "GB/s")
	b.ReportMetric(float64(flops)/seconds/1e9, "GFLOP/s")
	return nil
}
