package train

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/train/data"
)

// KernelStat is what one kernel took over a run.
type KernelStat struct {
	Kernel  string
	Calls   int
	Time    time.Duration
	FLOPs   int64 // useful arithmetic
	Traffic int64 // bytes read and written at least
}

// profile sums the times of dispatches by kernel.
type profile struct {
	stats   map[string]*KernelStat
	wall    time.Duration // of the calls, launching included
	visible float64       // of the batch under way
}

// begin tells of the batch that the next calls are for.
func (p *profile) begin(b *data.Batch) {
	if p != nil {
		p.visible = visible(b)
	}
}

// call runs a compiled function, timed if p is not nil.
func (p *profile) call(ctx context.Context, f *graph.Compiled, args []*graph.Array) ([]*graph.Array, error) {
	if p == nil {
		return f.Call(ctx, args...)
	}
	began := time.Now()
	outs, times, err := f.Profile(ctx, args...)
	p.wall += time.Since(began)
	for _, t := range times {
		s := p.stats[t.Kernel]
		if s == nil {
			s = &KernelStat{Kernel: t.Kernel}
			p.stats[t.Kernel] = s
		}
		s.Calls++
		s.Time += t.Time
		if strings.HasPrefix(t.Kernel, attentionKernels) {
			t.FLOPs = int64(float64(t.FLOPs) * p.visible)
		}
		s.FLOPs += t.FLOPs
		s.Traffic += t.Traffic
	}
	return outs, err
}

// event is the table, the longest first.
func (p *profile) event() Profiled {
	e := Profiled{Wall: p.wall}
	for _, s := range p.stats {
		e.Kernels = append(e.Kernels, *s)
	}
	slices.SortFunc(e.Kernels, func(a, b KernelStat) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.Kernel, b.Kernel))
	})
	return e
}
