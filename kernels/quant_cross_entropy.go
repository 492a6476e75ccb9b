package kernels

import "github.com/ftmetal/ftmetal/metal"

// quantSlice bounds the elements of a quantised vocabulary projection that are
// unpacked at one time: 16M are 32 MiB of 16-bit floats.
const quantSlice = 16 << 20

// QuantWeight is a quantised matrix: words, scales and, in affine formats, biases,
// all contiguous.
type QuantWeight struct {
	Format            QuantFormat
	W, Scales, Biases Tensor
}

// LinearCrossEntropyQuant is LinearCrossEntropy for a quantised w, which is
// unpacked a slice of the vocabulary at a time: sliceElements bounds it (0: 16M).
// Affine scales have h's dtype.
func LinearCrossEntropyQuant(e Emitter, h Tensor, w QuantWeight, targets, loss, lse, dh0 Tensor, chunkRows, sliceElements int) {
	if h.Shape[0] == 0 {
		return
	}
	projectedCrossEntropy(e, h, newPackedProjection(e, w, h, sliceElements), targets, loss, lse, dh0, chunkRows)
}

// packedProjection unpacks slices of a weight [V, D] into dense, one at a time.
type packedProjection struct {
	QuantWeight
	rows  int    // of the vocabulary in a slice
	dense Tensor // [rows, D]
	held  int    // the slice that dense holds, -1: none
}

func newPackedProjection(e Emitter, w QuantWeight, h Tensor, elements int) *packedProjection {
	if elements == 0 {
		elements = quantSlice
	}
	v, d := w.W.Shape[0], h.Shape[1]
	p := &packedProjection{QuantWeight: w, rows: min(v, max(1, elements/max(d, 1))), held: -1}
	p.dense = Scratch(e, h.DType, p.rows, d)
	return p
}

func (p *packedProjection) vocabulary() int { return p.W.Shape[0] }

// slices is how many there are.
func (p *packedProjection) slices() int { return ceilDiv(p.vocabulary(), p.rows) }

// slice is rows [first, end) of the weight.
func (p *packedProjection) slice(e Emitter, i int) (w Tensor, first, end int) {
	first, end = i*p.rows, min((i+1)*p.rows, p.vocabulary())
	w = rowRange(p.dense, 0, end-first)
	if p.held != i {
		p.held = i
		biases := p.Biases
		if biases.Bound() {
			biases = rowRange(biases, first, end)
		}
		Dequantize(e, p.Format, rowRange(p.W, first, end), rowRange(p.Scales, first, end), biases, Tensor{}, w)
	}
	return w, first, end
}

// columns is columns [first, end) of a contiguous matrix.
func columns(t Tensor, first, end int) Tensor {
	at := int64(first) * int64(t.DType.Size())
	return Tensor{View: t.View.Slice(at, t.View.Len-at), DType: t.DType, Shape: []int{t.Shape[0], end - first}, Strides: t.Strides}
}

func (p *packedProjection) logits(e Emitter, x, out Tensor, wanted *WantedRows) {
	for i := range p.slices() {
		w, first, end := p.slice(e, i)
		Gemm(e, GemmOp{A: x, B: transposed(w), C: columns(out, first, end), Wanted: wanted})
	}
}

// times goes through the slices backwards: the last one is there already. Their
// products are added up in float32.
func (p *packedProjection) times(e Emitter, d, out Tensor, wanted *WantedRows) {
	n := p.slices()
	if n == 1 {
		w, _, _ := p.slice(e, 0)
		Gemm(e, GemmOp{A: d, B: w, C: out, Wanted: wanted})
		return
	}
	parts := Scratch(e, metal.Float32, n, out.Shape[0], out.Shape[1])
	for i := n - 1; i >= 0; i-- {
		w, first, end := p.slice(e, i)
		part := rowRange(parts, i, i+1)
		part.Shape, part.Strides = out.Shape, out.Strides
		Gemm(e, GemmOp{A: columns(d, first, end), B: w, C: part, Wanted: wanted})
	}
	args := gemmMergeArgs{ldc: int64(out.Shape[1]), m: u32(out.Shape[0]), n: u32(out.Shape[1]), count: u32(n), alpha: 1}
	unused := metal.View{Buf: parts.View.Buf, Off: parts.View.Off}
	e.Emit(metal.Dispatch{Kernel: name("gemm_merge", out.DType), In: []metal.View{parts.View, unused}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: metal.Size{X: out.Shape[1], Y: out.Shape[0], Z: 1}, Group: metal.Size{X: min(out.Shape[1], 256), Y: 1, Z: 1}})
}
