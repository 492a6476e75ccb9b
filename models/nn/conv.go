package nn

import (
	"slices"

	"github.com/ftmetal/ftmetal/graph"
)

// Conv is what convolutions over one to three axes share: inputs [N,…,in] of
// spatial axes and channels, outputs [N,…,out].
type Conv struct {
	Weight  *Param // [out,…,in/groups]
	Bias    *Param // [out] or nil
	Options graph.ConvOptions
}

// newConv makes the parameters; a kernel has one size per spatial axis.
func newConv(op string, in, out int, kernel []int, opt graph.ConvOptions) Conv {
	groups := max(opt.Groups, 1)
	graph.Check(in > 0 && out > 0 && in%groups == 0, op, "%d input channels, want a positive multiple of the %d groups", in, groups)
	fan := in
	for _, k := range kernel {
		graph.Check(k > 0, op, "kernel of size %v, want positive numbers", kernel)
		fan *= k
	}
	shape := slices.Concat([]int{out}, kernel, []int{in / groups})
	return Conv{newParam(spread(fan), shape...), newParam(zeros(), out), opt}
}

// Conv1d is a convolution over one axis with bias; set Bias to nil to do
// without. Mirrors nn.Conv1d.
type Conv1d struct{ Conv }

// NewConv1d is a layer without data.
func NewConv1d(in, out, kernel int, opt graph.ConvOptions) *Conv1d {
	return &Conv1d{newConv("nn.Conv1d", in, out, []int{kernel}, opt)}
}

// Forward convolves x [N,L,in]. See graph.Conv1d.
func (l *Conv1d) Forward(x *graph.Array) *graph.Array {
	return withBias(graph.Conv1d(x, l.Weight.array(), l.Options), l.Bias)
}

// Conv2d is a convolution over two axes with bias; set Bias to nil to do
// without. Mirrors nn.Conv2d.
type Conv2d struct{ Conv }

// NewConv2d is a layer without data.
func NewConv2d(in, out int, kernel [2]int, opt graph.ConvOptions) *Conv2d {
	return &Conv2d{newConv("nn.Conv2d", in, out, kernel[:], opt)}
}

// Forward convolves x [N,H,W,in]. See graph.Conv2d.
func (l *Conv2d) Forward(x *graph.Array) *graph.Array {
	return withBias(graph.Conv2d(x, l.Weight.array(), l.Options), l.Bias)
}

// Conv3d is a convolution over three axes with bias; set Bias to nil to do
// without. Mirrors nn.Conv3d.
type Conv3d struct{ Conv }

// NewConv3d is a layer without data.
func NewConv3d(in, out int, kernel [3]int, opt graph.ConvOptions) *Conv3d {
	return &Conv3d{newConv("nn.Conv3d", in, out, kernel[:], opt)}
}

// Forward convolves x [N,D,H,W,in]. See graph.Conv3d.
func (l *Conv3d) Forward(x *graph.Array) *graph.Array {
	return withBias(graph.Conv3d(x, l.Weight.array(), l.Options), l.Bias)
}

// ConvTranspose1d is a transposed convolution over one axis with bias; set Bias
// to nil to do without. Mirrors nn.ConvTranspose1d.
type ConvTranspose1d struct{ Conv }

// NewConvTranspose1d is a layer without data.
func NewConvTranspose1d(in, out, kernel int, opt graph.ConvOptions) *ConvTranspose1d {
	return &ConvTranspose1d{newConv("nn.ConvTranspose1d", in, out, []int{kernel}, opt)}
}

// Forward spreads x [N,L,in]. See graph.ConvTranspose1d.
func (l *ConvTranspose1d) Forward(x *graph.Array) *graph.Array {
	return withBias(graph.ConvTranspose1d(x, l.Weight.array(), l.Options), l.Bias)
}

// ConvTranspose2d is a transposed convolution over two axes with bias; set Bias
// to nil to do without. Mirrors nn.ConvTranspose2d.
type ConvTranspose2d struct{ Conv }

// NewConvTranspose2d is a layer without data.
func NewConvTranspose2d(in, out int, kernel [2]int, opt graph.ConvOptions) *ConvTranspose2d {
	return &ConvTranspose2d{newConv("nn.ConvTranspose2d", in, out, kernel[:], opt)}
}

// Forward spreads x [N,H,W,in]. See graph.ConvTranspose2d.
func (l *ConvTranspose2d) Forward(x *graph.Array) *graph.Array {
	return withBias(graph.ConvTranspose2d(x, l.Weight.array(), l.Options), l.Bias)
}

// ConvTranspose3d is a transposed convolution over three axes with bias; set
// Bias to nil to do without. Mirrors nn.ConvTranspose3d.
type ConvTranspose3d struct{ Conv }

// NewConvTranspose3d is a layer without data.
func NewConvTranspose3d(in, out int, kernel [3]int, opt graph.ConvOptions) *ConvTranspose3d {
	return &ConvTranspose3d{newConv("nn.ConvTranspose3d", in, out, kernel[:], opt)}
}

// Forward spreads x [N,D,H,W,in]. See graph.ConvTranspose3d.
func (l *ConvTranspose3d) Forward(x *graph.Array) *graph.Array {
	return withBias(graph.ConvTranspose3d(x, l.Weight.array(), l.Options), l.Bias)
}
