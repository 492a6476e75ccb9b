package train

import (
	"context"
	"fmt"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// speed is what a device reached just now.
type speed struct {
	flops, bandwidth float64 // per second
}

// String is the speed in words.
func (s speed) String() string {
	return fmt.Sprintf("a matrix product at %.0f GFLOP/s and copies at %.1f GB/s, measured now", s.flops/1e9, s.bandwidth/1e9)
}

// measure times a matrix product of dtype dt and a copy, each a few times, and
// keeps the best. A device without memory has no speed: ok is false.
func measure(ctx context.Context, rt *graph.Runtime, dt metal.DType) (s speed, ok bool, err error) {
	if !rt.Device.Info().HostMemory {
		return s, false, nil
	}
	const n, elements, repeats = 768, 8 << 20, 4
	product := func(in []*graph.Array) []*graph.Array { return []*graph.Array{graph.Matmul(in[0], in[1])} }
	duplicate := func(in []*graph.Array) []*graph.Array { return []*graph.Array{graph.Contiguous(in[0])} }
	a, err := graph.NewState(rt, "measurement", dt, n, n)
	if err != nil {
		return s, false, err
	}
	x, err := graph.NewState(rt, "measurement", metal.Float32, elements)
	if err != nil {
		return s, false, err
	}
	matrix, err := best(ctx, repeats, product, a, a)
	if err != nil {
		return s, false, err
	}
	moved, err := best(ctx, repeats, duplicate, x)
	if err != nil {
		return s, false, err
	}
	return speed{flops: 2 * n * n * n / matrix.Seconds(), bandwidth: 2 * 4 * elements / moved.Seconds()}, true, nil
}

// best is the shortest of several runs of fn.
func best(ctx context.Context, repeats int, fn func([]*graph.Array) []*graph.Array, args ...*graph.Array) (time.Duration, error) {
	f := graph.Compile(fn, graph.CompileOptions{ReuseOutputs: true})
	defer f.Close()
	shortest := time.Duration(1 << 62)
	for range repeats + 1 { // the first one also makes the plan
		began := time.Now()
		if _, err := f.Call(ctx, args...); err != nil {
			return 0, err
		}
		shortest = min(shortest, time.Since(began))
	}
	return max(shortest, time.Microsecond), nil
}
