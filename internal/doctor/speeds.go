package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/darwin"
)

// A measurement grows until a run takes so long, or is as large as it may be.
const (
	longEnough, longEnoughQuick = 100 * time.Millisecond, 20 * time.Millisecond
	largestProduct              = 4096
	largestVector               = 64 << 20 // elements
	best                        = 5        // runs of which the shortest counts
)

// roofline is the chip's, zero where none is known.
type roofline struct{ tflops, bandwidth float64 }

// speeds measures products and memory, by the device's own clock.
func (r *run) speeds(ctx context.Context) error {
	if chip, known := darwin.ChipOf(r.dev.Info().Name); known {
		r.report.roof, r.report.chip = roofline{chip.TFLOPS, chip.Bandwidth}, chip.Name
	}
	r.text.speedHead(r.report)
	roof := r.report.roof
	for _, dt := range []metal.DType{metal.Float32, metal.Float16, metal.BFloat16} {
		err := r.measure(ctx, fmt.Sprintf("matrix product, %s, ", dt), 64, largestProduct, "TFLOPS", roof.tflops, func(l *list, n int) (string, float64) {
			a, b, c := random(l, dt, n, n), random(l, dt, n, n), kernels.Scratch(l, dt, n, n)
			kernels.Gemm(l, kernels.GemmOp{A: a, B: b, C: c})
			return fmt.Sprintf("%d×%d×%d", n, n, n), 2 * float64(n) * float64(n) * float64(n) / 1e12
		})
		if err != nil {
			return err
		}
	}
	err := r.measure(ctx, "memory, copying ", 1<<16, largestVector, "GB/s", roof.bandwidth, func(l *list, n int) (string, float64) {
		kernels.Copy(l, random(l, metal.Float32, n), kernels.Scratch(l, metal.Float32, n))
		return metal.FormatBytes(4 * int64(n)), 8 * float64(n) / 1e9
	})
	if err != nil {
		return err
	}
	return r.measure(ctx, "memory, adding up ", 1<<16, largestVector, "GB/s", roof.bandwidth, func(l *list, n int) (string, float64) {
		kernels.Reduce(l, kernels.Sum, random(l, metal.Float32, n), kernels.Scratch(l, metal.Float32, 1), []int{0})
		return metal.FormatBytes(4 * int64(n)), 4 * float64(n) / 1e9
	})
}

// random is a tensor of small numbers.
func random(l *list, dt metal.DType, shape ...int) kernels.Tensor {
	t := kernels.Scratch(l, dt, shape...)
	data := t.View.Bytes()
	for i := 0; i < len(data); i += dt.Size() {
		data[i+dt.Size()-1] = 0x30 + byte(i/dt.Size()%13) // the byte of sign and exponent
	}
	return t
}

// measure doubles the size until a run is long enough, and enters the rate of the
// shortest of a few. launch returns the size in words, and the work of a run in
// 1e12 or 1e9.
func (r *run) measure(ctx context.Context, what string, from, most int, unit string, roof float64, launch func(l *list, n int) (string, float64)) error {
	if err := r.save("speeds: " + what); err != nil {
		return err
	}
	enough := longEnough
	if r.opt.Quick {
		enough, most = longEnoughQuick, most/4
	}
	s := Speed{Unit: unit, Roof: roof}
	for n := from; ; n *= 2 {
		var took time.Duration
		err := r.lending(func(l *list) (err error) {
			size, work := launch(l, n)
			took, err = r.shortest(ctx, l.ops)
			s.What, s.Value = what+size, work/took.Seconds()
			return err
		})
		if err != nil {
			return fmt.Errorf("measuring: %s: %w", what, err)
		}
		if took >= enough || n >= most {
			break
		}
	}
	r.report.Speeds = append(r.report.Speeds, s)
	r.text.speed(s)
	return nil
}

// shortest is the least time of a few runs, the first left out.
func (r *run) shortest(ctx context.Context, ops []metal.Dispatch) (time.Duration, error) {
	p, err := r.dev.Prepare(ops)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	least := time.Duration(1 << 62)
	for i := range best + 1 {
		times, err := p.Profile(ctx)
		if err != nil {
			return 0, err
		}
		sum := time.Duration(0)
		for _, t := range times {
			sum += t
		}
		if i > 0 {
			least = min(least, sum)
		}
	}
	return max(least, time.Nanosecond), nil
}
