package nn

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// Pool is what pooling layers share. A list has one value per spatial axis, or
// one value for all.
type Pool struct {
	Kernel  []int // size of a window
	Stride  []int // steps between windows; nil: Kernel
	Padding []int // on both sides: of -∞ for MaxPool, of 0, which count, for AvgPool; nil: 0
}

// perAxis is one value per spatial axis, none below least.
func perAxis(op, what string, values []int, n, least int) []int {
	if len(values) == 1 {
		values = slices.Repeat(values, n)
	}
	graph.Check(len(values) == n, op, "%s has %d values for %d spatial axes", what, len(values), n)
	for _, v := range values {
		graph.Check(v >= least, op, "%s is %v, want values of at least %d", what, values, least)
	}
	return values
}

// windows reads x [N,…,C] as [N, out, k, out, k, …, C] and lists the axes k.
func (p Pool) windows(op string, x *graph.Array, n int, fill float64) (*graph.Array, []int) {
	graph.Check(x.NDim() == n+2, op, "input is %v, want [N, %d spatial axes, C]", x, n)
	kernel := perAxis(op, "Kernel", p.Kernel, n, 1)
	stride, padding := kernel, make([]int, n)
	if p.Stride != nil {
		stride = perAxis(op, "Stride", p.Stride, n, 1)
	}
	if p.Padding != nil {
		padding = perAxis(op, "Padding", p.Padding, n, 0)
	}
	if slices.Max(padding) > 0 {
		widths := make([][2]int, n+2)
		for i, w := range padding {
			widths[i+1] = [2]int{w, w}
		}
		x = graph.Pad(x, widths, fill)
	}
	var axes []int
	for i, k := range kernel {
		axis := 1 + 2*i
		size := x.Dim(axis)
		graph.Check(size >= k, op, "input is %v with padding, smaller than the window %v", x, kernel)
		axes = append(axes, axis+1)
		if stride[i] == k && size%k == 0 {
			x = graph.Unflatten(x, axis, size/k, k)
			continue
		}
		out := (size-k)/stride[i] + 1
		first := graph.Multiply(graph.Arange(0, float64(out), 1, metal.Int32), stride[i])
		at := graph.Add(graph.ExpandDims(first, 1), graph.Arange(0, float64(k), 1, metal.Int32))
		x = graph.Take(x, at, axis)
	}
	return x, axes
}

func (p Pool) max(op string, x *graph.Array, n int) *graph.Array {
	w, axes := p.windows(op, x, n, math.Inf(-1))
	return graph.Max(w, axes, false)
}

func (p Pool) mean(op string, x *graph.Array, n int) *graph.Array {
	w, axes := p.windows(op, x, n, 0)
	return graph.Mean(w, axes, false)
}

// MaxPool1d is the largest of every window of x [N,L,C]. Mirrors nn.MaxPool1d.
type MaxPool1d struct{ Pool }

// Forward pools x [N,L,C].
func (p MaxPool1d) Forward(x *graph.Array) *graph.Array { return p.max("nn.MaxPool1d", x, 1) }

// MaxPool2d is the largest of every window of x [N,H,W,C]. Mirrors nn.MaxPool2d.
type MaxPool2d struct{ Pool }

// Forward pools x [N,H,W,C].
func (p MaxPool2d) Forward(x *graph.Array) *graph.Array { return p.max("nn.MaxPool2d", x, 2) }

// MaxPool3d is the largest of every window of x [N,D,H,W,C]. Mirrors nn.MaxPool3d.
type MaxPool3d struct{ Pool }

// Forward pools x [N,D,H,W,C].
func (p MaxPool3d) Forward(x *graph.Array) *graph.Array { return p.max("nn.MaxPool3d", x, 3) }

// AvgPool1d is the mean of every window of x [N,L,C]. Mirrors nn.AvgPool1d.
type AvgPool1d struct{ Pool }

// Forward pools x [N,L,C].
func (p AvgPool1d) Forward(x *graph.Array) *graph.Array { return p.mean("nn.AvgPool1d", x, 1) }

// AvgPool2d is the mean of every window of x [N,H,W,C]. Mirrors nn.AvgPool2d.
type AvgPool2d struct{ Pool }

// Forward pools x [N,H,W,C].
func (p AvgPool2d) Forward(x *graph.Array) *graph.Array { return p.mean("nn.AvgPool2d", x, 2) }

// AvgPool3d is the mean of every window of x [N,D,H,W,C]. Mirrors nn.AvgPool3d.
type AvgPool3d struct{ Pool }

// Forward pools x [N,D,H,W,C].
func (p AvgPool3d) Forward(x *graph.Array) *graph.Array { return p.mean("nn.AvgPool3d", x, 3) }
