package kernels

import "github.com/ftmetal/ftmetal/metal"

// crossEntropyThreads is CROSS_ENTROPY_THREADS of cross_entropy.h.
const crossEntropyThreads = 256

// crossEntropyArgs mirrors CrossEntropyArgs of cross_entropy.h.
type crossEntropyArgs struct {
	rows, n, scaled, skip uint32
}

// crossEntropyOrderArgs mirrors CrossEntropyOrderArgs of cross_entropy.h.
type crossEntropyOrderArgs struct{ rows, _ uint32 }

// expandRowsArgs mirrors ExpandRowsArgs of cross_entropy.h.
type expandRowsArgs struct{ size, n uint64 }

// scaleRowsArgs mirrors ScaleRowsArgs of cross_entropy.h.
type scaleRowsArgs struct{ size, n uint64 }

// CrossEntropy is loss[t] = lse[t] - logits[t, targets[t]] with the log-sum-exp
// lse[t] of row t, for logits [T, V] and targets int32 [T], contiguous; loss and
// lse are float32 [T]. The loss of a negative target is 0, that of a target
// beyond V is NaN.
func CrossEntropy(e Emitter, logits, targets, loss, lse Tensor) {
	crossEntropyOf(e, logits, targets, loss, lse, false)
}

// crossEntropyOf is CrossEntropy; with skip, rows with a negative target are not
// read, and their log-sum-exp is 0.
func crossEntropyOf(e Emitter, logits, targets, loss, lse Tensor, skip bool) {
	rows, n := lastAxis(logits)
	if rows == 0 {
		return
	}
	args := crossEntropyArgs{rows: u32(rows), n: u32(n), skip: flag(skip)}
	grid, group := rowGrid(rows, n, crossEntropyThreads)
	e.Emit(metal.Dispatch{Kernel: name("cross_entropy", logits.DType), In: []metal.View{logits.View, targets.View},
		Out: []metal.View{loss.View, lse.View}, Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: 4 * int64(rows) * int64(n)})
}

// CrossEntropyGrad is out = g[t]·(softmax(logits[t]) - onehot(targets[t])), zeros
// in rows with a negative target. g, float32 [T], may lack a view and is 1 then;
// out has the logits' dtype, or any float dtype where they are float32.
func CrossEntropyGrad(e Emitter, logits, targets, lse, g, out Tensor) {
	rows, n := lastAxis(logits)
	if out.Size() == 0 {
		return
	}
	args := crossEntropyArgs{rows: u32(rows), n: u32(n), scaled: flag(g.Bound())}
	kernel, inPlace := name("cross_entropy_grad", logits.DType), []uint32{1}
	if out.DType != logits.DType {
		kernel, inPlace = kernel+"_"+out.DType.Suffix(), nil
	}
	grid, group := rowGrid(rows, n, crossEntropyThreads)
	e.Emit(metal.Dispatch{Kernel: kernel, In: []metal.View{logits.View, targets.View, lse.View, orElse(g.View, lse.View)},
		Out: []metal.View{out.View}, Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: 4 * int64(rows) * int64(n), InPlace: inPlace})
}

// projection is the weight w [V, D] of a vocabulary projection as the chunks use
// it.
type projection interface {
	// vocabulary is V.
	vocabulary() int
	// logits writes x @ wᵀ to out, float32; of rows that are not wanted anything.
	logits(e Emitter, x, out Tensor, wanted *WantedRows)
	// times writes d @ w to out, of d's dtype.
	times(e Emitter, d, out Tensor, wanted *WantedRows)
}

// denseProjection is a weight of h's dtype.
type denseProjection struct{ w Tensor }

func (p denseProjection) vocabulary() int { return p.w.Shape[0] }

func (p denseProjection) logits(e Emitter, x, out Tensor, wanted *WantedRows) {
	Gemm(e, GemmOp{A: x, B: transposed(p.w), C: out, Wanted: wanted})
}

func (p denseProjection) times(e Emitter, d, out Tensor, wanted *WantedRows) {
	Gemm(e, GemmOp{A: d, B: p.w, C: out, Wanted: wanted})
}

// logitChunks walks over the rows of h @ wᵀ that count, a chunk at a time, in
// memory that all chunks share. Those rows are moved to the front first, so that
// the chunks behind the last of them take no time: how many they are is known
// when the program runs.
type logitChunks struct {
	e                   Emitter
	h                   Tensor
	head                projection
	order, place, count Tensor     // see cross_entropy.metal
	rows, targets       Tensor     // of the chunks: h and targets in their order
	logits, d           metal.View // d holds dlogits; the logits themselves if h is float32
}

func newLogitChunks(e Emitter, h Tensor, head projection, targets Tensor, rows int, gradient bool) logitChunks {
	c := logitChunks{e: e, h: h, head: head}
	t := h.Shape[0]
	ints := func(n int) Tensor { return Scratch(e, metal.Int32, n) }
	c.order, c.targets, c.place, c.count = ints(t), ints(t), ints(t), ints(1)
	args := crossEntropyOrderArgs{rows: u32(t)}
	threads := metal.Size{X: crossEntropyThreads, Y: 1, Z: 1}
	e.Emit(metal.Dispatch{Kernel: "cross_entropy_order", In: []metal.View{targets.View},
		Out: []metal.View{c.order.View, c.targets.View, c.place.View, c.count.View}, Args: bytesOf(&args), Grid: threads, Group: threads})
	c.rows = c.ordered(h)
	n := int64(min(rows, t)) * int64(head.vocabulary())
	c.logits = e.Scratch(4 * n)
	c.d = c.logits
	if gradient && h.DType != metal.Float32 {
		c.d = e.Scratch(int64(h.DType.Size()) * n)
	}
	return c
}

// ordered is the rows of x in the order of the chunks.
func (c *logitChunks) ordered(x Tensor) Tensor {
	out := Scratch(c.e, x.DType, x.Shape...)
	Gather(c.e, x, c.order, out)
	return out
}

// expanded writes rows in the order of the chunks to out in the order of h, and
// zeros where a row does not count.
func (c *logitChunks) expanded(x, out Tensor) {
	n := out.Size()
	if n == 0 {
		return
	}
	args := expandRowsArgs{uint64(n), uint64(n / out.Shape[0])}
	grid, group := gridFor(n)
	c.e.Emit(metal.Dispatch{Kernel: name("cross_entropy_expand", x.DType), In: []metal.View{x.View, c.place.View}, Out: []metal.View{out.View},
		Args: bytesOf(&args), Grid: grid, Group: group})
}

// wanted are the rows of a product that begins at row begin.
func (c *logitChunks) wanted(begin int) *WantedRows {
	return &WantedRows{Count: c.count.View, First: begin}
}

// logitsOf computes the logits of rows [begin, end).
func (c *logitChunks) logitsOf(begin, end int) Tensor {
	logits := Contig(c.logits, metal.Float32, end-begin, c.head.vocabulary())
	c.head.logits(c.e, rowRange(c.rows, begin, end), logits, c.wanted(begin))
	return logits
}

// gradient replaces the logits of rows [begin, end) by their gradient, in h's
// dtype.
func (c *logitChunks) gradient(logits, lse, g Tensor, begin, end int) Tensor {
	d := Contig(c.d, c.h.DType, logits.Shape...)
	if g.Bound() {
		g = rowRange(g, begin, end)
	}
	CrossEntropyGrad(c.e, logits, rowRange(c.targets, begin, end), rowRange(lse, begin, end), g, d)
	return d
}

// times computes rows [begin, end) of d @ w.
func (c *logitChunks) times(d, out Tensor, begin, end int) {
	c.head.times(c.e, d, rowRange(out, begin, end), c.wanted(begin))
}

// rowRange is rows [begin, end) of t, contiguous.
func rowRange(t Tensor, begin, end int) Tensor {
	shape := append([]int{end - begin}, t.Shape[1:]...)
	row := int64(extent(t.Shape[1:])) * int64(t.DType.Size())
	return Contig(t.View.Slice(int64(begin)*row, int64(end-begin)*row), t.DType, shape...)
}

// transposed is the view tᵀ of a matrix.
func transposed(t Tensor) Tensor {
	t.Shape, t.Strides = []int{t.Shape[1], t.Shape[0]}, []int{t.Strides[1], t.Strides[0]}
	return t
}

// LinearCrossEntropy is CrossEntropy of the logits h @ wᵀ, for h [T, D] and w
// [V, D] of one dtype, made chunkRows rows at a time; rows with a negative target
// have no logits, and a log-sum-exp of 0. dh0 [T, D], if it has a view, receives
// d loss[t] / d h[t].
func LinearCrossEntropy(e Emitter, h, w, targets, loss, lse, dh0 Tensor, chunkRows int) {
	projectedCrossEntropy(e, h, denseProjection{w}, targets, loss, lse, dh0, chunkRows)
}

func projectedCrossEntropy(e Emitter, h Tensor, head projection, targets, loss, lse, dh0 Tensor, chunkRows int) {
	rows, gradient := h.Shape[0], dh0.Bound()
	if rows == 0 {
		return
	}
	chunks := newLogitChunks(e, h, head, targets, chunkRows, gradient)
	losses, sums := Scratch(e, metal.Float32, rows), Scratch(e, metal.Float32, rows)
	var d Tensor
	if gradient {
		d = Scratch(e, h.DType, h.Shape...)
	}
	for begin := 0; begin < rows; begin += chunkRows {
		end := min(begin+chunkRows, rows)
		logits := chunks.logitsOf(begin, end)
		crossEntropyOf(e, logits, rowRange(chunks.targets, begin, end), rowRange(losses, begin, end), rowRange(sums, begin, end), true)
		if gradient {
			chunks.times(chunks.gradient(logits, sums, Tensor{}, begin, end), d, begin, end)
		}
	}
	chunks.expanded(losses, loss)
	chunks.expanded(sums, lse)
	if gradient {
		chunks.expanded(d, dh0)
	}
}

// LinearCrossEntropyVJP is the gradient of LinearCrossEntropy's loss for the
// cotangent g, float32 [T]: dh, and dw; either may lack a view. The logits are
// made again; dw is summed in float32 over the chunks and rounded once.
func LinearCrossEntropyVJP(e Emitter, h, w, targets, lse, g, dh, dw Tensor, chunkRows int) {
	rows, sum := h.Shape[0], dw
	if rows == 0 {
		if dw.Bound() {
			Fill(e, dw, 0)
		}
		return
	}
	if dw.Bound() && dw.DType != metal.Float32 {
		sum = Scratch(e, metal.Float32, dw.Shape...)
	}
	chunks := newLogitChunks(e, h, denseProjection{w}, targets, chunkRows, true)
	lse, g = chunks.ordered(lse), chunks.ordered(g)
	var dRows Tensor
	if dh.Bound() {
		dRows = Scratch(e, h.DType, h.Shape...)
	}
	for begin := 0; begin < rows; begin += chunkRows {
		end := min(begin+chunkRows, rows)
		d := chunks.gradient(chunks.logitsOf(begin, end), lse, g, begin, end)
		if dh.Bound() {
			chunks.times(d, dRows, begin, end)
		}
		if !dw.Bound() {
			continue
		}
		product := GemmOp{A: transposed(d), B: rowRange(chunks.rows, begin, end), C: sum}
		if begin > 0 {
			product.D, product.Beta = sum, 1
		}
		Gemm(e, product)
	}
	if dh.Bound() {
		chunks.expanded(dRows, dh)
	}
	if dw.Bound() && dw.DType != metal.Float32 {
		Copy(e, sum, dw)
	}
}

// ScaleRows multiplies row t of x [T, …] by s[t], float32, into out of x's
// dtype; all contiguous.
func ScaleRows(e Emitter, x, s, out Tensor) {
	n := out.Size()
	if n == 0 {
		return
	}
	args := scaleRowsArgs{uint64(n), uint64(n / x.Shape[0])}
	grid, group := gridFor(n)
	e.Emit(metal.Dispatch{Kernel: name("cross_entropy_scale_rows", x.DType), In: []metal.View{x.View, s.View}, Out: []metal.View{out.View},
		Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: int64(n), InPlace: []uint32{1}})
}
