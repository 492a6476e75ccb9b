package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
)

// convForm is what a row of the table asks for besides sizes. Dims are images,
// channels, outputs and then the extents of the input.
type convForm struct {
	name                                   string
	taps, stride, pad, high, spread, apart []int // nil: 1, or 0 for the paddings
	groups                                 int   // 0: 1; -1: as many as channels
	flip                                   bool
}

var convForms = []convForm{
	{name: "valid", taps: []int{3, 2, 2}},
	{name: "point", taps: []int{1, 1, 1}},
	{name: "point_groups", taps: []int{1, 1, 1}, groups: 2},
	{name: "same", taps: []int{3, 3, 3}, pad: []int{1, 1, 1}, high: []int{1, 1, 1}},
	{name: "stride", taps: []int{3, 2, 2}, stride: []int{2, 3, 1}, pad: []int{1, 0, 2}, high: []int{0, 2, 1}},
	{name: "gaps", taps: []int{1, 2, 1}, stride: []int{3, 3, 2}},
	{name: "dilated", taps: []int{2, 3, 2}, spread: []int{2, 1, 3}, pad: []int{2, 1, 3}, high: []int{1, 3, 3}},
	{name: "spread", taps: []int{3, 2, 2}, stride: []int{2, 1, 3}, apart: []int{3, 2, 1}, pad: []int{1, 1, 0}, flip: true},
	{name: "cut", taps: []int{2, 2, 1}, pad: []int{-1, 0, -1}, high: []int{2, -1, 1}},
	{name: "groups", taps: []int{3, 2, 2}, groups: 2, pad: []int{1, 1, 1}, flip: true},
	{name: "depthwise", taps: []int{3, 2, 2}, groups: -1, stride: []int{2, 1, 1}, pad: []int{1, 1, 1}, high: []int{1, 0, 1}},
	{name: "depthwise_spread", taps: []int{2, 3, 1}, groups: -1, apart: []int{2, 3, 1}, spread: []int{3, 1, 1}, pad: []int{3, 1, 0}, flip: true},
}

// Vectors, images and volumes; channels of one vector, and of several with a
// rest. Their unfolded matrices have few rows, or fill several chunks.
var convDims = [][]int{{2, 4, 6, 9}, {1, 2, 2, 7, 6}, {3, 6, 12, 5, 8}, {2, 2, 4, 4, 5, 6}, {1, 4, 4, 33}}

// Of as many groups as channels: one to three outputs each, and more.
var depthwiseDims = [][]int{{2, 4, 8, 9}, {1, 2, 2, 7, 6}, {3, 6, 18, 5, 8}, {2, 2, 20, 4, 5, 6}, {1, 4, 4, 33}}

var _ = func() bool {
	for _, f := range convForms {
		dims := convDims
		if f.groups < 0 {
			dims = depthwiseDims
		}
		add(convCases(f, dims)...)
	}
	// More than one chunk of an unfolded matrix: of one image, and of several.
	add(convCases(convForm{name: "chunks", taps: []int{3, 3}, pad: []int{1, 1}, stride: []int{1, 2}}, [][]int{{2, 190, 2, 80, 60}})...)
	add(convCases(convForm{name: "chunks_of_images", taps: []int{2, 2}, stride: []int{2, 2}}, [][]int{{40, 200, 2, 25, 26}})...)
	return add(convCases(convForm{name: "parts", taps: []int{3}, groups: -1}, [][]int{{2, 3, 3, 1100}})...)
}()

// at is value i of a list, or what stands for a missing one.
func at(list []int, i, missing int) int {
	if i < len(list) {
		return list[i]
	}
	return missing
}

// of is the shapes of the form for some dims.
func (f convForm) of(dims []int) (c ref.Conv, op kernels.ConvOp) {
	c = ref.Conv{N: dims[0], C: dims[1], O: dims[2], Groups: max(f.groups, 1), Flip: f.flip}
	if f.groups < 0 {
		c.Groups = c.C
	}
	for i := range 3 {
		c.In[i], c.Taps[i], c.Out[i] = 1, 1, 1
		c.Stride[i], c.TapDilation[i], c.InputDilation[i] = 1, 1, 1
		if i >= len(dims)-3 {
			continue
		}
		c.In[i], c.Taps[i] = dims[i+3], at(f.taps, i, 1)
		c.Stride[i], c.Pad[i], c.TapDilation[i], c.InputDilation[i] = at(f.stride, i, 1), at(f.pad, i, 0), at(f.spread, i, 1), at(f.apart, i, 1)
		padded := (c.In[i]-1)*c.InputDilation[i] + 1 + c.Pad[i] + at(f.high, i, 0)
		c.Out[i] = (padded-(c.Taps[i]-1)*c.TapDilation[i]-1)/c.Stride[i] + 1
	}
	return c, kernels.ConvOp{Stride: c.Stride, Pad: c.Pad, TapDilation: c.TapDilation, InputDilation: c.InputDilation, Groups: c.Groups, Flip: c.Flip}
}

// convCases are the three products of a form. The reference of a case with
// several chunks is large, so those have one fill.
func convCases(f convForm, dims [][]int) []Case {
	shapes := func(c ref.Conv, d int) (x, w, y []int) {
		x, w, y = []int{c.N}, []int{c.O}, []int{c.N}
		for i := range d {
			x, w, y = append(x, c.In[i]), append(w, c.Taps[i]), append(y, c.Out[i])
		}
		return append(x, c.C), append(w, c.C/c.Groups), append(y, c.O)
	}
	product := func(launch func(e kernels.Emitter, op kernels.ConvOp, a, b, out kernels.Tensor), pick func(x, w, y []int) (a, b, out []int),
		want func(c ref.Conv, a, b []float64) ref.Result) func(s *Setup) {
		return func(s *Setup) {
			c, op := f.of(s.Dims)
			sa, sb, so := pick(shapes(c, len(s.Dims)-3))
			a, b, out := s.In(s.DType, sa...), s.In(s.DType, sb...), s.Out(s.DType, so...)
			s.Launch(func(e kernels.Emitter) { launch(e, op, a.Tensor, b.Tensor, out.Tensor) })
			s.Want(out, func() ref.Result { return want(c, a.Values, b.Values) })
		}
	}
	bench := [][]int(nil)
	if f.name == "same" {
		bench = [][]int{{8, 64, 64, 56, 56}}
	}
	return []Case{
		{Op: "conv/" + f.name, DTypes: floats, Dims: dims, Bench: bench, Make: product(kernels.Conv, func(x, w, y []int) (a, b, out []int) { return x, w, y }, ref.Conv.Output)},
		{Op: "conv_input/" + f.name, DTypes: floats, Dims: dims, Bench: bench, Make: product(kernels.ConvInput, func(x, w, y []int) (a, b, out []int) { return y, w, x }, ref.Conv.Input)},
		{Op: "conv_weight/" + f.name, DTypes: floats, Dims: dims, Bench: bench, Make: product(kernels.ConvWeight, func(x, w, y []int) (a, b, out []int) { return x, y, w }, ref.Conv.Weight)},
	}
}
