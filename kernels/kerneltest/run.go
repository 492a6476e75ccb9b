package kerneltest

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/metal"
)

// Outcome is what a case came to on a device.
type Outcome struct {
	Kernels []string      // that it launched, each once
	Worst   ref.Report    // of the output that came closest to its bound, or beyond
	Outputs []ref.Report  // one for each, up to the first that is wrong
	Sum     uint64        // hash of the outputs' bits
	Took    time.Duration // of the run, with its launches
}

// Check runs the case on the pool's device, once, and compares its outputs with
// the reference. The error says which output is wrong, that memory outside the
// outputs changed, or why the case did not run.
func (in Instance) Check(ctx context.Context, pool *metal.Pool) (o Outcome, err error) {
	err = in.with(pool, func(s *Setup) error {
		o, err = s.check(ctx, pool)
		return err
	})
	return o, err
}

// Profile runs the case and returns the sum of the times that the device gives
// for its dispatches.
func (in Instance) Profile(ctx context.Context, pool *metal.Pool) (sum time.Duration, err error) {
	err = in.with(pool, func(s *Setup) error {
		p, err := pool.Device().Prepare(s.list)
		if err != nil {
			return err
		}
		defer p.Close()
		times, err := p.Profile(ctx)
		for _, t := range times {
			sum += t
		}
		return err
	})
	return sum, err
}

// Sum runs the case and returns the hash of its outputs' bits.
func (in Instance) Sum(ctx context.Context, pool *metal.Pool) (sum uint64, err error) {
	err = in.with(pool, func(s *Setup) error {
		if _, err := s.run(ctx, pool); err != nil {
			return err
		}
		sum = s.sum()
		return nil
	})
	return sum, err
}

// with makes the case in memory of the pool, and gives that back when f is done.
func (in Instance) with(pool *metal.Pool, f func(s *Setup) error) (err error) {
	type refused struct{ error } // takes an error of Alloc out of the case's Make
	var used []metal.Buffer
	defer func() {
		for _, b := range used {
			pool.Free(b)
		}
		switch r := recover().(type) {
		case nil:
		case refused:
			err = r.error
		default:
			panic(r)
		}
	}()
	return f(in.make(func(n int64) metal.Buffer {
		b, err := pool.Alloc(n, in.Name())
		if err != nil {
			panic(refused{err})
		}
		used = append(used, b)
		return b
	}))
}

func (s *Setup) check(ctx context.Context, pool *metal.Pool) (o Outcome, err error) {
	seen := map[string]bool{}
	for _, d := range s.list {
		if !seen[d.Kernel] {
			o.Kernels = append(o.Kernels, d.Kernel)
		}
		seen[d.Kernel] = true
	}
	if o.Took, err = s.run(ctx, pool); err != nil {
		return o, err
	}
	o.Sum = s.sum()
	for i, w := range s.wants {
		report, err := ref.Compare(w.of.DType, w.of.Bytes(), w.ref())
		o.Outputs = append(o.Outputs, report)
		if i == 0 || report.Worst > o.Worst.Worst {
			o.Worst = report
		}
		if err != nil {
			return o, fmt.Errorf("output %d, %s%v: %w", i, w.of.DType, w.of.Shape, err)
		}
	}
	return o, nil
}

// sum is a hash of the outputs' bits.
func (s *Setup) sum() uint64 {
	h := fnv.New64a()
	for _, w := range s.wants {
		h.Write(w.of.Bytes())
	}
	return h.Sum64()
}

// run runs the launch and checks that nothing but outputs and scratch memory
// changed. It returns the time that the device took, and the host for launching.
func (s *Setup) run(ctx context.Context, pool *metal.Pool) (took time.Duration, err error) {
	before := make([][]byte, len(s.blocks))
	for i, b := range s.blocks {
		before[i] = bytes.Clone(b.view.Buf.Bytes())
	}
	p, err := pool.Device().Prepare(s.list)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	began := time.Now()
	if err := p.Run(ctx); err != nil {
		return 0, err
	}
	took = time.Since(began)
	for i, b := range s.blocks {
		if at := b.damage(before[i]); at >= 0 {
			return took, fmt.Errorf("memory changed outside the outputs: block %d (written: %v), view [%d, %d) of %d bytes: byte %d",
				i, b.written, b.view.Off, b.view.Off+b.view.Len, b.view.Buf.Len(), at)
		}
	}
	return took, nil
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

// nowhere is memory that is only counted: enough to see what a launch emits.
type nowhere struct{ n int64 }

func (b *nowhere) Len() int64    { return b.n }
func (b *nowhere) Bytes() []byte { return nil }

// lower makes the case without memory.
func (in Instance) lower() *Setup {
	return in.make(func(n int64) metal.Buffer { return &nowhere{n} })
}

// Coverage counts the cases of the table.
type Coverage struct {
	Cases   map[string]map[metal.DType]int // by op and dtype
	Kernels map[string]int                 // dispatches by kernel
}

// Cover counts the cases by op, dtype and kernel, without running any.
func Cover() Coverage {
	c := Coverage{map[string]map[metal.DType]int{}, map[string]int{}}
	for _, in := range Instances() {
		if c.Cases[in.row.Op] == nil {
			c.Cases[in.row.Op] = map[metal.DType]int{}
		}
		c.Cases[in.row.Op][in.dtype]++
		for _, d := range in.lower().list {
			c.Kernels[d.Kernel]++
		}
	}
	return c
}

// Launches lists the kernels of the case's dispatches, and the bytes that these
// read and write.
func (in Instance) Launches() (kernels []string, traffic int64) {
	for _, d := range in.lower().list {
		kernels = append(kernels, d.Kernel)
		traffic += d.Traffic()
	}
	return kernels, traffic
}
