package doctor

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/kernels/kerneltest"
	"github.com/ftmetal/ftmetal/metal"
)

// Repetitions end after so many runs, or after so long.
const (
	mostRuns, mostRunsQuick = 200, 20
	longestRepetition       = 2 * time.Second
)

// list is an Emitter whose scratch memory is the pool's.
type list struct {
	pool *metal.Pool
	ops  []metal.Dispatch
	used []metal.Buffer
}

// Emit implements kernels.Emitter.
func (l *list) Emit(d metal.Dispatch) { l.ops = append(l.ops, d) }

// refused is a panic with an error of the pool.
type refused struct{ error }

// Scratch implements kernels.Emitter.
func (l *list) Scratch(n int64) metal.View {
	b, err := l.pool.Alloc(n, "doctor")
	if err != nil {
		panic(refused{err})
	}
	l.used = append(l.used, b)
	return metal.View{Buf: b, Len: n}
}

// lending calls f with an emitter, whose memory goes back when f is done.
func (r *run) lending(f func(l *list) error) (err error) {
	l := &list{pool: r.pool}
	defer func() {
		for _, b := range l.used {
			r.pool.Free(b)
		}
		switch p := recover().(type) {
		case nil:
		case refused:
			err = p.error
		default:
			panic(p)
		}
	}()
	return f(l)
}

// barriers repeats what would go wrong now and then without them: dispatches that
// need one another, and kernels whose threads do.
func (r *run) barriers(ctx context.Context) error {
	r.text.section("Repetitions: barriers, memory of the host, kernels from source")
	if err := r.repeat(ctx, "300 dispatches that need one another", r.dependent); err != nil {
		return err
	}
	if err := r.repeat(ctx, "memory of the host, wrapped from any byte on", r.wrapped); err != nil {
		return err
	}
	if r.report.device == "metal" { // the software device would need a compiler
		if err := r.repeat(ctx, "a kernel compiled from source", r.fromSource); err != nil {
			return err
		}
	}
	for _, name := range []string{"gemm/nt/f32", "quant_matmul/nt_affine4_g64/f32", "reduce/Sum/f32", "rms_norm/f32", "rms_norm_vjp/f32", "scan/CumSum/f32",
		"sdpa/causal/f32", "sdpa_vjp/causal/f32", "softmax/f32", "sort/f32"} {
		cases, err := Select([]string{name}, false)
		if err != nil {
			return err
		}
		largest := slices.MaxFunc(cases, func(a, b kerneltest.Instance) int {
			_, m := a.Launches()
			_, n := b.Launches()
			return int(m - n)
		})
		if err := r.repeat(ctx, largest.Name(), func(step func(func() error) error) error { return r.same(ctx, largest, step) }); err != nil {
			return err
		}
	}
	return nil
}

// repeat lets body call step for as many runs as there are, and enters how it
// ended.
func (r *run) repeat(ctx context.Context, what string, body func(step func(func() error) error) error) error {
	if err := r.save("barriers: " + what); err != nil {
		return err
	}
	b := Barrier{What: what}
	most := mostRuns
	if r.opt.Quick {
		most = mostRunsQuick
	}
	began := time.Now()
	err := body(func(once func() error) error {
		for b.Runs < most && (b.Runs < 2 || time.Since(began) < longestRepetition) {
			if err := once(); err != nil {
				return fmt.Errorf("run %d: %w", b.Runs+1, err)
			}
			b.Runs++
		}
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		b.Error = err.Error()
	}
	r.report.Barriers = append(r.report.Barriers, b)
	r.text.barrier(b)
	return nil
}

// same runs a case again and again: its bits may not change.
func (r *run) same(ctx context.Context, in kerneltest.Instance, step func(func() error) error) error {
	first, err := in.Sum(ctx, r.pool)
	if err != nil {
		return err
	}
	return step(func() error {
		sum, err := in.Sum(ctx, r.pool)
		if err == nil && sum != first {
			err = fmt.Errorf("the outputs have other bits than those of the first run")
		}
		return err
	})
}

// dependent goes through Fibonacci's numbers on three vectors in turn: each
// dispatch reads what the two before it wrote, and overwrites what the last one
// read. There are more of them than a command buffer takes.
func (r *run) dependent(step func(func() error) error) error {
	const length, dispatches = 1 << 14, 300
	return r.lending(func(l *list) error {
		var v [3]kernels.Tensor
		for i := range v {
			v[i] = kernels.Scratch(l, metal.Uint32, length)
		}
		for i := range dispatches {
			kernels.Binary(l, kernels.Add, v[i%3], v[(i+1)%3], v[(i+2)%3])
		}
		p, err := r.dev.Prepare(l.ops)
		if err != nil {
			return err
		}
		defer p.Close()
		n := uint32(0)
		return step(func() error {
			n++
			for i := range v {
				for k := range length {
					binary.NativeEndian.PutUint32(v[i].View.Bytes()[4*k:], uint32(k)*n+uint32(i))
				}
			}
			if err := p.Run(context.Background()); err != nil {
				return err
			}
			for k := range length {
				want := [3]uint32{uint32(k) * n, uint32(k)*n + 1, uint32(k)*n + 2}
				for i := range dispatches {
					want[(i+2)%3] = want[i%3] + want[(i+1)%3]
				}
				for i := range v {
					if got := binary.NativeEndian.Uint32(v[i].View.Bytes()[4*k:]); got != want[i] {
						return fmt.Errorf("element %d of vector %d is %d, want %d: dispatches ran out of order", k, i, got, want[i])
					}
				}
			}
			return nil
		})
	})
}
