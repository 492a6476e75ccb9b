package kernels

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// ConvAxes is the most spatial axes of a convolution.
const ConvAxes = 3

// convScratch bounds the unfolded matrix of a convolution, in bytes: a larger
// one is made and multiplied in chunks of rows, at least one at a time.
const convScratch = 16 << 20

// convPart is how many output positions one thread of conv_depthwise_weight sums.
const convPart = 1024

// convArgs mirrors ConvArgs of conv.h.
type convArgs struct {
	size                                                   uint64
	first, base                                            int64
	in, out, taps, stride, pad, tapDilation, inputDilation [ConvAxes]int32
	channels, outputs, groups, rows, flip                  uint32
}

// ConvOp is a convolution of x [N, in…, C] with w [O, taps…, C/Groups] to
// y [N, out…, O], all contiguous and of one float dtype. On each axis, output
// position o and tap k meet input position p where
//
//	p·InputDilation = o·Stride - Pad + k·TapDilation.
//
// With Flip, the weights of tap k are stored at taps-1-k. Pad is what lies before
// the input; it may be negative. The extents of y say what lies behind.
type ConvOp struct {
	Stride, Pad, TapDilation, InputDilation [ConvAxes]int
	Groups                                  int
	Flip                                    bool
}

// conv is a ConvOp with the sizes of its arrays.
type conv struct {
	ConvOp
	args            convArgs
	dt              metal.DType
	e               Emitter
	images          int
	channels        int // of x
	outputs         int // of y
	taps, positions int // of the kernel, and of y in an image
}

func (op ConvOp) of(e Emitter, x, w, y Tensor) conv {
	c := conv{ConvOp: op, dt: x.DType, e: e, images: x.Shape[0], channels: x.Dim(-1), outputs: y.Dim(-1), taps: 1, positions: 1}
	a := &c.args
	for i := range ConvAxes {
		in, taps, out := 1, 1, 1
		if i < len(x.Shape)-2 {
			in, taps, out = x.Shape[i+1], w.Shape[i+1], y.Shape[i+1]
		}
		c.taps, c.positions = c.taps*taps, c.positions*out
		farthest := max(in*op.InputDilation[i], out*op.Stride[i]) + taps*op.TapDilation[i] + max(op.Pad[i], -op.Pad[i])
		if farthest > math.MaxInt32 {
			refuse("Conv: axis %d of x %v is too long for the kernels: positions reach %d", i, x.Shape, farthest)
		}
		a.in[i], a.taps[i], a.out[i] = int32(in), int32(taps), int32(out)
		a.stride[i], a.pad[i] = int32(op.Stride[i]), int32(op.Pad[i])
		a.tapDilation[i], a.inputDilation[i] = int32(op.TapDilation[i]), int32(op.InputDilation[i])
	}
	a.channels, a.outputs, a.groups, a.flip = u32(c.channels), u32(c.outputs), u32(op.Groups), flag(op.Flip)
	return c
}

// width is the columns of the unfolded matrix of a group.
func (c *conv) width() int { return c.taps * c.channels / c.Groups }

// rows is how many rows of the unfolded matrix, of elements of size bytes, are
// made at a time.
func (c *conv) rows(size int) int {
	n := convScratch / (c.Groups * c.width() * size)
	return max(n&^63, min(n, 64), 1)
}

// direct reports whether groups have one input channel and so few outputs that
// products of matrices would waste their tiles.
func (c *conv) direct() bool { return c.channels == c.Groups && c.outputs/c.Groups <= 4 }

// plain reports whether the unfolded matrix is x itself.
func (c *conv) plain() bool {
	plain := c.taps == 1
	for i := range ConvAxes {
		plain = plain && c.Stride[i] == 1 && c.Pad[i] == 0 && c.InputDilation[i] == 1 && c.args.in[i] == c.args.out[i]
	}
	return plain
}

// weights is w [O, taps…, C/groups] as the matrix of each group, by outputs.
func (c *conv) weights(w Tensor) Tensor {
	return Contig(w.View, w.DType, c.Groups, c.outputs/c.Groups, c.width())
}

// grouped is the rows [first, first+n) of an array [rows, channels] as a matrix
// for each group.
func (c *conv) grouped(t Tensor, channels, first, n int) Tensor {
	size := int64(t.DType.Size() * channels)
	each := channels / c.Groups
	return Tensor{View: t.View.Slice(int64(first)*size, int64(n)*size), DType: t.DType, Shape: []int{c.Groups, n, each}, Strides: []int{each, channels, 1}}
}

// swapped is t with its last two axes exchanged.
func swapped(t Tensor) Tensor {
	n := len(t.Shape)
	s := Tensor{View: t.View, DType: t.DType, Shape: append([]int{}, t.Shape...), Strides: append([]int{}, t.Strides...), Offset: t.Offset}
	s.Shape[n-1], s.Shape[n-2] = s.Shape[n-2], s.Shape[n-1]
	s.Strides[n-1], s.Strides[n-2] = s.Strides[n-2], s.Strides[n-1]
	return s
}

// unfolded calls f for chunks of rows of the unfolded matrix [groups, n, width].
func (c *conv) unfolded(x Tensor, f func(u Tensor, first, n int)) {
	all := c.images * c.positions
	if c.plain() {
		f(c.grouped(x, c.channels, 0, all), 0, all)
		return
	}
	step := min(c.rows(x.DType.Size()), all)
	u := Scratch(c.e, x.DType, c.Groups, step, c.width())
	for first := 0; first < all; first += step {
		n := min(step, all-first)
		args := c.args
		args.first, args.rows, args.size = int64(first), u32(n), uint64(c.Groups*n*c.width())
		wide := min(c.width(), 256)
		chunk := Contig(u.View, x.DType, c.Groups, n, c.width())
		c.e.Emit(metal.Dispatch{Kernel: name("conv_unfold", x.DType), In: []metal.View{x.View}, Out: []metal.View{chunk.View}, Args: bytesOf(&args),
			Grid: metal.Size{X: c.width(), Y: n, Z: c.Groups}, Group: metal.Size{X: wide, Y: min(max(256/wide, 1), n), Z: 1}})
		f(chunk, first, n)
	}
}

// emit runs a kernel with one thread per element of out.
func (c *conv) emit(kernel string, in []metal.View, out metal.View, size int, flops int64) {
	args := c.args
	args.size = uint64(size)
	grid, group := gridFor(size)
	c.e.Emit(metal.Dispatch{Kernel: kernel, In: in, Out: []metal.View{out}, Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: flops})
}

// flops is the arithmetic of a convolution, whichever of its arrays is made.
func (c *conv) flops() int64 {
	return 2 * int64(c.images) * int64(c.positions) * int64(c.outputs) * int64(c.width())
}

// Conv makes y from x and w.
func Conv(e Emitter, op ConvOp, x, w, y Tensor) {
	if y.Size() == 0 {
		return
	}
	c := op.of(e, x, w, y)
	switch {
	case x.Size() == 0 || w.Size() == 0:
		Fill(e, y, 0)
	case c.direct():
		c.emit(name("conv_depthwise", c.dt), []metal.View{x.View, w.View}, y.View, y.Size(), c.flops())
	default:
		c.unfolded(x, func(u Tensor, first, n int) {
			Gemm(e, GemmOp{A: u, B: swapped(c.weights(w)), C: c.grouped(y, c.outputs, first, n)})
		})
	}
}

// ConvWeight makes w, which it is a sum over all output positions for, from x
// and y: the transpose of Conv in w.
func ConvWeight(e Emitter, op ConvOp, x, y, w Tensor) {
	if w.Size() == 0 {
		return
	}
	c := op.of(e, x, w, y)
	switch {
	case x.Size() == 0 || y.Size() == 0:
		Fill(e, w, 0)
	case c.direct():
		c.depthwiseWeight(x, y, w)
	default:
		c.weightSums(x, y, w)
	}
}

// weightSums adds the chunks' products up in float32, in order.
func (c *conv) weightSums(x, y, w Tensor) {
	shape := []int{c.Groups, c.outputs / c.Groups, c.width()}
	all := c.images * c.positions
	var sums Tensor // of the chunks before
	c.unfolded(x, func(u Tensor, first, n int) {
		op := GemmOp{A: swapped(c.grouped(y, c.outputs, first, n)), B: u, D: sums, Beta: 1}
		last := first+n == all
		if last && (first == 0 || c.dt == metal.Float32) {
			op.C = Contig(w.View, w.DType, shape...)
			Gemm(c.e, op)
			return
		}
		op.C = Scratch(c.e, metal.Float32, shape...)
		Gemm(c.e, op)
		if sums = op.C; last {
			Copy(c.e, sums, Contig(w.View, w.DType, shape...))
		}
	})
}

// depthwiseWeight sums parts of the output positions, and then the parts.
func (c *conv) depthwiseWeight(x, y, w Tensor) {
	all := c.images * c.positions
	parts := ceilDiv(all, convPart)
	sums := Scratch(c.e, metal.Float32, parts, w.Size())
	args := c.args
	args.rows, args.size = convPart, uint64(all)
	c.e.Emit(metal.Dispatch{Kernel: name("conv_depthwise_weight", c.dt), In: []metal.View{x.View, y.View}, Out: []metal.View{sums.View}, Args: bytesOf(&args),
		Grid: metal.Size{X: c.outputs, Y: c.taps, Z: parts}, Group: metal.Size{X: min(c.outputs, 256), Y: 1, Z: 1}, FLOPs: c.flops()})
	total := Contig(w.View, metal.Float32, w.Size())
	if c.dt != metal.Float32 {
		total = Scratch(c.e, metal.Float32, w.Size())
	}
	Reduce(c.e, Sum, sums, total, []int{0})
	if c.dt != metal.Float32 {
		Copy(c.e, total, Contig(w.View, w.DType, w.Size()))
	}
}

// ConvInput makes x from y and w: the transpose of Conv in x. It multiplies
// whole images, or the output rows that a range of x's first axis needs.
func ConvInput(e Emitter, op ConvOp, y, w, x Tensor) {
	if x.Size() == 0 {
		return
	}
	c := op.of(e, x, w, y)
	switch {
	case y.Size() == 0 || w.Size() == 0:
		Fill(e, x, 0)
	case c.direct():
		c.emit(name("conv_depthwise_input", c.dt), []metal.View{y.View, w.View}, x.View, x.Size(), c.flops())
	case c.plain():
		all := c.images * c.positions
		Gemm(e, GemmOp{A: c.grouped(y, c.outputs, 0, all), B: c.weights(w), C: c.grouped(x, c.channels, 0, all)})
	default:
		limit := c.rows(metal.Float32.Size())
		if images := min(limit/c.positions, c.images); images > 0 {
			for n := 0; n < c.images; n += images {
				c.foldRange(y, w, x, n, min(images, c.images-n), 0, int(c.args.in[0]))
			}
			return
		}
		for n := range c.images {
			for from := 0; from < int(c.args.in[0]); {
				to := from + 1
				for to < int(c.args.in[0]) && c.needed(from, to+1) <= limit {
					to++
				}
				c.foldRange(y, w, x, n, 1, from, to)
				from = to
			}
		}
	}
}

// outRange is the positions of y's first axis that meet positions [from, to) of
// x's.
func (c *conv) outRange(from, to int) (first, last int) {
	stride, pad, step := c.Stride[0], c.Pad[0], c.InputDilation[0]
	reach := (int(c.args.taps[0]) - 1) * c.TapDilation[0]
	first = max(ceilDiv(max(from*step+pad-reach, 0), stride), 0)
	last = min(max((to-1)*step+pad, -1)/stride+1, int(c.args.out[0]))
	if (to-1)*step+pad < 0 {
		last = 0
	}
	return first, max(first, last)
}

// needed is the rows of the unfolded matrix behind positions [from, to) of x's
// first axis, in one image.
func (c *conv) needed(from, to int) int {
	first, last := c.outRange(from, to)
	return (last - first) * (c.positions / int(c.args.out[0]))
}

// foldRange makes positions [from, to) of x's first axis in some images: all
// positions if there are several images.
func (c *conv) foldRange(y, w, x Tensor, image, images, from, to int) {
	inner := c.positions / int(c.args.out[0])
	first, last := 0, int(c.args.out[0])
	if images == 1 {
		first, last = c.outRange(from, to)
	}
	base, rows := image*c.positions+first*inner, (images-1)*c.positions+(last-first)*inner
	u := Scratch(c.e, metal.Float32, c.Groups, max(rows, 1), c.width())
	if rows > 0 {
		Gemm(c.e, GemmOp{A: c.grouped(y, c.outputs, base, rows), B: c.weights(w), C: u})
	}
	depth := int(c.args.in[0])
	line := int(c.args.in[1]) * int(c.args.in[2]) // positions of x in one of its first axis
	args := c.args
	args.first, args.base, args.rows = int64((image*depth+from)*line), int64(base), u32(rows)
	n := ((images-1)*depth + to - from) * line * c.channels
	args.size = uint64(n)
	grid, group := gridFor(n)
	size := int64(c.dt.Size())
	out := x.View.Slice(args.first*int64(c.channels)*size, int64(n)*size)
	c.e.Emit(metal.Dispatch{Kernel: name("conv_fold", c.dt), In: []metal.View{u.View}, Out: []metal.View{out}, Args: bytesOf(&args), Grid: grid, Group: group,
		FLOPs: int64(rows) * int64(c.Groups) * int64(c.width())})
}
