package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// ConvOptions are the arguments of convolutions by number of axes. A list has
// one value per spatial axis, or one value for all; nil stands for the default.
type ConvOptions struct {
	Stride        []int // steps between outputs (nil: 1)
	Padding       []int // zeros on both sides (nil: 0); a negative number cuts
	Dilation      []int // steps between the kernel's elements (nil: 1)
	OutputPadding []int // ConvTranspose only: more outputs at the end (nil: 0)
	Groups        int   // 0 means 1
}

// ConvGeneralOptions are the arguments of [ConvGeneral]. A list has one value
// per spatial axis, or one value for all; nil stands for the default.
type ConvGeneralOptions struct {
	Stride          []int // steps between outputs (nil: 1)
	PadLow, PadHigh []int // zeros before and after the input (nil: 0); negative numbers cut
	KernelDilation  []int // steps between the kernel's elements (nil: 1)
	InputDilation   []int // steps between the input's elements, with zeros between (nil: 1)
	Groups          int   // 0 means 1
	Flip            bool  // the kernel's elements in reverse: convolution in the narrow sense
}

// Conv1d correlates x [N,L,C] with w [O,K,C/groups] to [N,L',O], in the
// promoted dtype of both: float32, float16 or bfloat16, with float32 sums.
// Channels fall into groups that do not mix. Shapes that do not fit panic with an
// *Error. Mirrors mx.conv1d.
func Conv1d(x, w *Array, opt ConvOptions) *Array { return convND("Conv1d", x, w, 1, opt) }

// Conv2d is Conv1d for x [N,H,W,C] and w [O,KH,KW,C/groups]. Mirrors mx.conv2d.
func Conv2d(x, w *Array, opt ConvOptions) *Array { return convND("Conv2d", x, w, 2, opt) }

// Conv3d is Conv1d for x [N,D,H,W,C] and w [O,KD,KH,KW,C/groups]. Mirrors
// mx.conv3d.
func Conv3d(x, w *Array, opt ConvOptions) *Array { return convND("Conv3d", x, w, 3, opt) }

// ConvTranspose1d spreads x [N,L,C] with w [O,K,C/groups] to [N,L',O], where
// L' = (L-1)·stride - 2·padding + dilation·(K-1) + 1 + output padding: the
// gradient of a Conv1d in its input, with w's channels exchanged. Mirrors
// mx.conv_transpose1d.
func ConvTranspose1d(x, w *Array, opt ConvOptions) *Array {
	return convTransposeND("ConvTranspose1d", x, w, 1, opt)
}

// ConvTranspose2d is ConvTranspose1d for x [N,H,W,C] and w [O,KH,KW,C/groups].
// Mirrors mx.conv_transpose2d.
func ConvTranspose2d(x, w *Array, opt ConvOptions) *Array {
	return convTransposeND("ConvTranspose2d", x, w, 2, opt)
}

// ConvTranspose3d is ConvTranspose1d for x [N,D,H,W,C] and
// w [O,KD,KH,KW,C/groups]. Mirrors mx.conv_transpose3d.
func ConvTranspose3d(x, w *Array, opt ConvOptions) *Array {
	return convTransposeND("ConvTranspose3d", x, w, 3, opt)
}

// ConvGeneral correlates x [N,…,C] with w [O,…,C/groups] over one to three
// spatial axes, with every option a convolution has. Mirrors mx.conv_general.
func ConvGeneral(x, w *Array, opt ConvGeneralOptions) *Array {
	present("ConvGeneral", x, w)
	n := len(x.shape) - 2
	check(n >= 1 && n <= kernels.ConvAxes, "ConvGeneral", "x has shape %v, want [N, 1 to %d spatial axes, C]", x.shape, kernels.ConvAxes)
	return convolution("ConvGeneral", x, w, opt)
}

// convND checks the number of axes.
func convND(op string, x, w *Array, n int, opt ConvOptions) *Array {
	checkConvAxes(op, x, w, n)
	check(opt.OutputPadding == nil, op, "OutputPadding %v is for transposed convolutions only", opt.OutputPadding)
	return convolution(op, x, w, ConvGeneralOptions{Stride: opt.Stride, PadLow: opt.Padding, PadHigh: opt.Padding,
		KernelDilation: opt.Dilation, Groups: opt.Groups})
}

// convTransposeND spreads the input's elements apart and convolves: MLX's own
// definition.
func convTransposeND(op string, x, w *Array, n int, opt ConvOptions) *Array {
	checkConvAxes(op, x, w, n)
	stride, pad := perAxis(op, "Stride", opt.Stride, n, 1, 1), perAxis(op, "Padding", opt.Padding, n, 0, math.MinInt32)
	dilation, more := perAxis(op, "Dilation", opt.Dilation, n, 1, 1), perAxis(op, "OutputPadding", opt.OutputPadding, n, 0, 0)
	low, high := make([]int, n), make([]int, n)
	for i := range n {
		low[i] = dilation[i]*(w.shape[i+1]-1) - pad[i]
		high[i] = low[i] + more[i]
	}
	return convolution(op, x, w, ConvGeneralOptions{PadLow: low, PadHigh: high, KernelDilation: dilation, InputDilation: stride, Groups: opt.Groups, Flip: true})
}

func checkConvAxes(op string, x, w *Array, n int) {
	present(op, x, w)
	check(len(x.shape) == n+2, op, "x has shape %v, want [N, %d spatial axes, C]", x.shape, n)
	check(len(w.shape) == n+2, op, "w has shape %v, want [O, %d spatial axes, C/groups]", w.shape, n)
}

// perAxis is one value per spatial axis, none below least.
func perAxis(op, what string, values []int, n, fallback, least int) []int {
	switch len(values) {
	case 0:
		values = slices.Repeat([]int{fallback}, n)
	case 1:
		values = slices.Repeat(values, n)
	}
	check(len(values) == n, op, "%s has %d values for %d spatial axes", what, len(values), n)
	for _, v := range values {
		check(v >= least && v <= math.MaxInt32, op, "%s is %v, want values from %d to %d", what, values, least, math.MaxInt32)
	}
	return values
}

// convolution checks the operands and makes the node.
func convolution(op string, x, w *Array, opt ConvGeneralOptions) *Array {
	wantFloat(op, x)
	dt := Promote(x.dtype, w.dtype)
	check(dt.IsFloat() && dt != metal.Float64, op, "operands are %s and %s, want float32, float16 or bfloat16", x, w)
	n := len(x.shape) - 2
	check(len(w.shape) == n+2, op, "w has shape %v for x of shape %v, want [O, %d spatial axes, C/groups]", w.shape, x.shape, n)
	groups := opt.Groups
	if groups == 0 {
		groups = 1
	}
	outputs := w.shape[0]
	check(groups > 0, op, "%d groups", groups)
	check(x.Dim(-1) > 0 && x.Dim(-1) == groups*w.Dim(-1), op, "x has %d channels, w of shape %v in %d groups wants %d", x.Dim(-1), w.shape, groups, groups*w.Dim(-1))
	check(outputs > 0 && outputs%groups == 0, op, "%d outputs of w %v do not divide into %d groups", outputs, w.shape, groups)
	stride, kd := perAxis(op, "Stride", opt.Stride, n, 1, 1), perAxis(op, "KernelDilation", opt.KernelDilation, n, 1, 1)
	id := perAxis(op, "InputDilation", opt.InputDilation, n, 1, 1)
	low, high := perAxis(op, "PadLow", opt.PadLow, n, 0, math.MinInt32), perAxis(op, "PadHigh", opt.PadHigh, n, 0, math.MinInt32)
	c := kernels.ConvOp{Groups: groups, Flip: opt.Flip}
	shape := slices.Clone(x.shape)
	for i := range n {
		d, k := x.shape[i+1], w.shape[i+1]
		check(k > 0, op, "w has shape %v: an empty kernel", w.shape)
		check(float64(d)*float64(id[i]) < maxBytes && float64(k)*float64(kd[i]) < maxBytes, op, "dilated axis %d of x %v and w %v is too large", i+1, x.shape, w.shape)
		padded, reach := max(d-1, 0)*id[i]+min(d, 1)+low[i]+high[i], (k-1)*kd[i]+1
		check(padded >= reach, op, "axis %d of x %v is %d with padding, shorter than the kernel's %d (w %v)", i+1, x.shape, padded, reach, w.shape)
		shape[i+1] = (padded-reach)/stride[i] + 1
		c.Stride[i], c.Pad[i], c.TapDilation[i], c.InputDilation[i] = stride[i], low[i], kd[i], id[i]
	}
	for i := n; i < kernels.ConvAxes; i++ {
		c.Stride[i], c.TapDilation[i], c.InputDilation[i] = 1, 1, 1
	}
	shape[n+1] = outputs
	x, w = AsType(x, dt), AsType(w, dt)
	if slices.Max(stride) == 1 && slices.Max(id) > 1 {
		return spreadConv(c, x, w, shape)
	}
	return apply1(conv{c}, shape, dt, x, w)
}

// spreadConv is a convolution of an input with zeros between its elements, as the
// transpose of one that steps over its output: no product has a zero for a
// factor. The weights' channels are exchanged.
func spreadConv(c kernels.ConvOp, x, w *Array, shape []int) *Array {
	t := c
	t.Stride, t.InputDilation, t.Flip = c.InputDilation, c.Stride, !c.Flip
	for i, k := range w.shape[1 : len(w.shape)-1] {
		t.Pad[i] = (k-1)*c.TapDilation[i] - c.Pad[i]
	}
	g := Unflatten(w, 0, c.Groups, -1)
	last := len(g.shape) - 1
	return apply1(convInput{t}, shape, x.dtype, x, Flatten(SwapAxes(g, 1, last), 0, 1))
}

// conv, convInput and convWeight are the three products of one trilinear form:
// y from x and w, x from y and w, w from x and y. Each is linear in both of its
// inputs, and its gradients are the other two.
type (
	conv       struct{ kernels.ConvOp }
	convInput  struct{ kernels.ConvOp }
	convWeight struct{ kernels.ConvOp }
)

func (op conv) String() string       { return convString("Conv", op.ConvOp) }
func (op convInput) String() string  { return convString("ConvInput", op.ConvOp) }
func (op convWeight) String() string { return convString("ConvWeight", op.ConvOp) }

func convString(name string, op kernels.ConvOp) string {
	return fmt.Sprintf("%s{stride=%v pad=%v dilation=%v/%v groups=%d flip=%v}", name, op.Stride, op.Pad, op.TapDilation, op.InputDilation, op.Groups, op.Flip)
}

func (op conv) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Conv(l, op.ConvOp, l.Contiguous(in[0]), l.Contiguous(in[1]), out[0])
}

func (op convInput) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.ConvInput(l, op.ConvOp, l.Contiguous(in[0]), l.Contiguous(in[1]), out[0])
}

func (op convWeight) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.ConvWeight(l, op.ConvOp, l.Contiguous(in[0]), l.Contiguous(in[1]), out[0])
}

// VJP of y(x, w).
func (op conv) VJP(c *Cotangents) []*Array {
	x, w, y := c.In[0], c.In[1], c.Cot[0]
	return []*Array{
		when(c.Want[0], func() *Array { return apply1(convInput(op), x.shape, x.dtype, y, w) }),
		when(c.Want[1], func() *Array { return apply1(convWeight(op), w.shape, w.dtype, x, y) }),
	}
}

// VJP of x(y, w).
func (op convInput) VJP(c *Cotangents) []*Array {
	y, w, x := c.In[0], c.In[1], c.Cot[0]
	return []*Array{
		when(c.Want[0], func() *Array { return apply1(conv(op), y.shape, y.dtype, x, w) }),
		when(c.Want[1], func() *Array { return apply1(convWeight(op), w.shape, w.dtype, x, y) }),
	}
}

// VJP of w(x, y).
func (op convWeight) VJP(c *Cotangents) []*Array {
	x, y, w := c.In[0], c.In[1], c.Cot[0]
	return []*Array{
		when(c.Want[0], func() *Array { return apply1(convInput(op), x.shape, x.dtype, y, w) }),
		when(c.Want[1], func() *Array { return apply1(conv(op), y.shape, y.dtype, x, w) }),
	}
}

// VMap makes the slices further images where they share the weights, and
// further groups where each has its own.
func (op conv) VMap(b *Batch) []*Array {
	if !b.Mapped[1] {
		return b.merged(op, 1)
	}
	return b.convGroups(conv{groupedConv(op.ConvOp, b.N)})
}

// VMap is as conv's.
func (op convInput) VMap(b *Batch) []*Array {
	if !b.Mapped[1] {
		return b.merged(op, 1)
	}
	return b.convGroups(convInput{groupedConv(op.ConvOp, b.N)})
}

// convGroups applies op to the slices' channels side by side, as groups, and
// takes those of the output apart.
func (b *Batch) convGroups(op Op) []*Array {
	shape := slices.Clone(b.Out[0].shape)
	shape[len(shape)-1] *= b.N
	y := apply1(op, shape, b.Out[0].dtype, b.besideChannels(0), mergeFirst(b.full(1)))
	return []*Array{MoveAxis(Unflatten(y, -1, b.N, -1), -2, 0)}
}

// VMap makes the slices further groups: each has its own sum.
func (op convWeight) VMap(b *Batch) []*Array {
	shape := slices.Clone(b.Out[0].shape)
	shape[0] *= b.N
	w := apply1(convWeight{groupedConv(op.ConvOp, b.N)}, shape, b.Out[0].dtype, b.besideChannels(0), b.besideChannels(1))
	return []*Array{Reshape(w, b.front(b.Out[0].shape)...)}
}

func groupedConv(op kernels.ConvOp, n int) kernels.ConvOp {
	op.Groups *= n
	return op
}

// besideChannels is input i with the slices' channels side by side: [B,N,…,C]
// to [N,…,B·C].
func (b *Batch) besideChannels(i int) *Array {
	x := b.full(i)
	n := len(x.shape)
	return Flatten(MoveAxis(x, 0, n-2), n-2, n-1)
}

// ConvolveMode is which positions of two sequences [Convolve] takes.
type ConvolveMode int

const (
	ConvolveFull  ConvolveMode = iota // wherever they overlap
	ConvolveSame                      // as many as the longer one has, in the middle
	ConvolveValid                     // where the longer one covers the shorter one
)

// Convolve is the discrete convolution of two vectors; the longer one may come
// second. Mirrors mx.convolve.
func Convolve(a, v *Array, mode ConvolveMode) *Array {
	present("Convolve", a, v)
	check(len(a.shape) == 1 && len(v.shape) == 1 && a.Size() > 0 && v.Size() > 0, "Convolve", "operands have shapes %v and %v, want two vectors with elements", a.shape, v.shape)
	if a.Size() < v.Size() {
		a, v = v, a
	}
	low, high := 0, 0
	k := v.Size()
	switch mode {
	case ConvolveFull:
		low, high = k-1, k-1
	case ConvolveSame:
		low, high = k/2, (k-1)/2
	default:
		check(mode == ConvolveValid, "Convolve", "mode %d, want ConvolveFull, ConvolveSame or ConvolveValid", mode)
	}
	y := convolution("Convolve", Reshape(a, 1, -1, 1), Reshape(v, 1, -1, 1), ConvGeneralOptions{PadLow: []int{low}, PadHigh: []int{high}, Flip: true})
	return Reshape(y, -1)
}
