package graph

import (
	"fmt"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// QuantMode is a way to quantise, by MLX's name.
type QuantMode = kernels.QuantMode

// The modes of quantisation.
const (
	QuantAffine = kernels.QuantAffine // integers; scales and biases of the matrix's dtype
	QuantMXFP4  = kernels.QuantMXFP4  // e2m1 floats; scales are powers of two
	QuantMXFP8  = kernels.QuantMXFP8  // e4m3 floats; scales are powers of two
	QuantNVFP4  = kernels.QuantNVFP4  // e2m1 floats; e4m3 scales
)

// Quantization is how a matrix is quantised. Zero fields take MLX's defaults:
//
//	mode     bits                    group size         scales, biases
//	affine   2, 3, 4 (default), 5, 6, 8   32, 64 (default), 128   dtype of the matrix
//	mxfp4    4                       32                 uint8 (e8m0), none
//	mxfp8    8                       32                 uint8 (e8m0), none
//	nvfp4    4                       16                 uint8 (e4m3), none
type Quantization struct {
	Mode      QuantMode
	Bits      int
	GroupSize int
}

// quantGroups and quantBits are what a mode admits, the default first.
var (
	quantBits   = map[QuantMode][]int{QuantAffine: {4, 2, 3, 5, 6, 8}, QuantMXFP4: {4}, QuantMXFP8: {8}, QuantNVFP4: {4}}
	quantGroups = map[QuantMode][]int{QuantAffine: {64, 32, 128}, QuantMXFP4: {32}, QuantMXFP8: {32}, QuantNVFP4: {16}}
)

// Resolved is q with its defaults filled in, or an error that says what is
// wrong.
func (q Quantization) Resolved() (Quantization, error) {
	if q.Mode == "" {
		q.Mode = QuantAffine
	}
	bits, groups := quantBits[q.Mode], quantGroups[q.Mode]
	if bits == nil {
		return q, fmt.Errorf("quantization mode is %q, want affine, mxfp4, mxfp8 or nvfp4", q.Mode)
	}
	if q.Bits == 0 {
		q.Bits = bits[0]
	}
	if q.GroupSize == 0 {
		q.GroupSize = groups[0]
	}
	if !slices.Contains(bits, q.Bits) {
		return q, fmt.Errorf("bits are %d, %s has %v", q.Bits, q.Mode, slices.Sorted(slices.Values(bits)))
	}
	if !slices.Contains(groups, q.GroupSize) {
		return q, fmt.Errorf("the group size is %d, %s has %v", q.GroupSize, q.Mode, slices.Sorted(slices.Values(groups)))
	}
	return q, nil
}

// format is q for the kernels.
func (q Quantization) format(op string) kernels.QuantFormat {
	r, err := q.Resolved()
	check(err == nil, op, "%v", err)
	return kernels.QuantFormat{Mode: r.Mode, Bits: r.Bits, Group: r.GroupSize}
}

// quantize has the inputs w and, if global, a scale of the whole matrix; its
// outputs are words, scales and, in affine formats, biases.
type quantize struct {
	noGradient
	kernels.QuantFormat
}

// Quantize packs the last axis of w [...,n], a float array of two axes or more
// whose n is a multiple of the group size: words, uint32 [...,n·bits/32], scales
// [...,n/group] and, in affine mode, biases like them, else nil. Scales of the mx
// modes are the powers of two nearest on a logarithmic scale, as MLX recorded in
// the golden values (846d176) rounds them; the wheel of 0.32.2 on PyPI takes the
// next one above. Mirrors mx.quantize.
func Quantize(w *Array, q Quantization) (words, scales, biases *Array) {
	return QuantizeScaled(w, nil, q)
}

// QuantizeScaled is Quantize with a float32 scale of the whole matrix, or nil:
// the largest magnitude in it, for nvfp4, whose scales are then relative to
// global / 2688. Mirrors mx.quantize with global_scale.
func QuantizeScaled(w, global *Array, q Quantization) (words, scales, biases *Array) {
	f := q.format("Quantize")
	wantFloat("Quantize", w)
	check(len(w.shape) >= 2, "Quantize", "w has shape %v, want at least two axes", w.shape)
	n := w.Dim(-1)
	check(n%f.Group == 0, "Quantize", "the last axis of shape %v is not a multiple of the group size %d", w.shape, f.Group)
	checkGlobal("Quantize", global, f)
	op := quantize{noGradient{"Quantize"}, f}
	in := []*Array{w}
	if global != nil {
		in = append(in, global)
	}
	outs := []*Array{{shape: withLast(w.shape, f.Words(n)), dtype: metal.Uint32}, {shape: withLast(w.shape, n/f.Group), dtype: f.ScaleDType(w.dtype)}}
	if f.Mode == QuantAffine {
		outs = append(outs, &Array{shape: outs[1].shape, dtype: w.dtype})
	}
	outs = append(apply(op, in, outs...), nil)
	return outs[0], outs[1], outs[2]
}

// checkGlobal panics unless global, if any, is one float32 and the mode has it.
func checkGlobal(op string, global *Array, f kernels.QuantFormat) {
	if global == nil {
		return
	}
	check(f.Mode == QuantNVFP4, op, "a global scale is for mode nvfp4, not %s", f.Mode)
	check(global.dtype == metal.Float32 && global.Size() == 1, op, "the global scale is %v, want one float32", global)
}

// withLast is shape with another last extent.
func withLast(shape []int, n int) []int { return append(slices.Clone(shape[:len(shape)-1]), n) }

func (op quantize) String() string { return fmt.Sprintf("Quantize%v", op.QuantFormat) }

func (op quantize) Lower(l *Lowering, in, out []kernels.Tensor) {
	var global, biases kernels.Tensor
	if len(in) > 1 {
		global = in[1]
	}
	if len(out) > 2 {
		biases = l.orScratch(out[2])
	}
	kernels.Quantize(l, op.QuantFormat, l.Contiguous(in[0]), global, out[0], l.orScratch(out[1]), biases)
}

func (op quantize) VMap(b *Batch) []*Array {
	if len(b.In) > 1 && b.Mapped[1] {
		return nil
	}
	return b.shared(op, 1)
}

// dequantize has the inputs words, scales, biases if affine, and a scale of the
// whole matrix if global.
type dequantize struct {
	kernels.QuantFormat
	global bool
}

// Dequantize is the matrix that words, scales and biases (affine only, else nil)
// stand for, in dtype dt: the inverse of Quantize. It has gradients for affine
// scales and biases. Mirrors mx.dequantize, whose result is of the scales' dtype,
// or bfloat16 for modes with 8-bit scales.
func Dequantize(words, scales, biases *Array, q Quantization, dt metal.DType) *Array {
	return DequantizeScaled(words, scales, biases, nil, q, dt)
}

// DequantizeScaled is Dequantize with the scale of the whole matrix that
// QuantizeScaled had, or nil. Mirrors mx.dequantize with global_scale.
func DequantizeScaled(words, scales, biases, global *Array, q Quantization, dt metal.DType) *Array {
	f := q.format("Dequantize")
	n := checkQuantized("Dequantize", words, scales, biases, f)
	checkGlobal("Dequantize", global, f)
	check(dt.IsFloat() && dt != metal.Float64, "Dequantize", "the result is to be %s, want float32, float16 or bfloat16", dt)
	work, in := dt, []*Array{words, scales}
	if f.Mode == QuantAffine {
		work = Promote(scales.dtype, biases.dtype)
		in = []*Array{words, AsType(scales, work), AsType(biases, work)}
	}
	if global != nil {
		in = append(in, global)
	}
	return AsType(apply1(dequantize{f, global != nil}, withLast(words.shape, n), work, in...), dt)
}

// checkQuantized panics unless the three belong together, and returns the last
// extent of the matrix.
func checkQuantized(op string, words, scales, biases *Array, f kernels.QuantFormat) int {
	present(op, words, scales)
	check(words.dtype == metal.Uint32 && len(words.shape) >= 2, op, "the quantized matrix is %v, want uint32 with at least two axes", words)
	bits := words.Dim(-1) * 32
	n := bits / f.Bits
	check(n*f.Bits == bits && n%f.Group == 0, op, "a row of %d words is not a number of groups of %d elements of %d bits", words.Dim(-1), f.Group, f.Bits)
	want := withLast(words.shape, n/f.Group)
	check(slices.Equal(scales.shape, want), op, "scales have shape %v, want %v for words of shape %v, %d bits and group size %d",
		scales.shape, want, words.shape, f.Bits, f.Group)
	if f.Mode != QuantAffine {
		check(scales.dtype == metal.Uint8, op, "scales are %s, want uint8 in mode %s", scales.dtype, f.Mode)
		check(biases == nil, op, "mode %s has no biases", f.Mode)
		return n
	}
	check(biases != nil, op, "biases are missing, which mode affine has")
	wantFloat(op, scales, biases)
	check(slices.Equal(biases.shape, want), op, "biases have shape %v, scales %v", biases.shape, want)
	return n
}

func (op dequantize) String() string { return fmt.Sprintf("Dequantize%v", op.QuantFormat) }

func (op dequantize) Lower(l *Lowering, in, out []kernels.Tensor) {
	var biases, global kernels.Tensor
	if op.Mode == QuantAffine {
		biases = l.Contiguous(in[2])
	}
	if op.global {
		global = in[2]
	}
	kernels.Dequantize(l, op.QuantFormat, l.Contiguous(in[0]), l.Contiguous(in[1]), biases, global, out[0])
}

func (op dequantize) VJP(c *Cotangents) []*Array {
	grads := make([]*Array, len(c.In))
	if op.Mode == QuantAffine {
		grads[1], grads[2] = op.affineGrads(c.In[0], c.Cot[0], c.Want[1], c.Want[2])
		return grads
	}
	return grads
}

// affineGrads is the gradients of scales and biases for that of the matrix: sums
// over groups of g·code and of g.
func (op dequantize) affineGrads(words, g *Array, wantScales, wantBiases bool) (scales, biases *Array) {
	groups := append(slices.Clone(g.shape[:len(g.shape)-1]), -1, op.Group)
	grouped := Reshape(g, groups...)
	return when(wantScales, func() *Array {
		shape := withLast(g.shape, g.Dim(-1)/op.Group)
		codes := apply1(op, g.shape, g.dtype, words, Ones(shape, g.dtype), Zeros(shape, g.dtype))
		return Sum(Multiply(grouped, Reshape(codes, groups...)), []int{-1}, false)
	}), when(wantBiases, func() *Array { return Sum(grouped, []int{-1}, false) })
}

func (op dequantize) VMap(b *Batch) []*Array {
	if op.global && b.Mapped[2] {
		return nil
	}
	if op.global {
		return b.shared(op, 2)
	}
	return b.all(op)
}

// toFP8 and fromFP8 convert elements.
type (
	toFP8   struct{ noGradient }
	fromFP8 struct{ noGradient }
)

// ToFP8 is the elements of a, floats, as e4m3 floats in uint8: to nearest even,
// those beyond ±448 as that. Mirrors mx.to_fp8.
func ToFP8(a *Array) *Array {
	wantFloat("ToFP8", a)
	return apply1(toFP8{noGradient{"ToFP8"}}, a.shape, metal.Uint8, a)
}

// FromFP8 is the values of e4m3 floats in uint8, as dtype dt. Mirrors
// mx.from_fp8, whose default is bfloat16.
func FromFP8(a *Array, dt metal.DType) *Array {
	present("FromFP8", a)
	check(a.dtype == metal.Uint8, "FromFP8", "operand is %v, want uint8", a)
	check(dt.IsFloat() && dt != metal.Float64, "FromFP8", "the result is to be %s, want float32, float16 or bfloat16", dt)
	return apply1(fromFP8{noGradient{"FromFP8"}}, a.shape, dt, a)
}

func (toFP8) String() string   { return "ToFP8" }
func (fromFP8) String() string { return "FromFP8" }

func (toFP8) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.ToFP8(l, l.Contiguous(in[0]), out[0])
}

func (fromFP8) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.FromFP8(l, l.Contiguous(in[0]), out[0])
}

func (op toFP8) VMap(b *Batch) []*Array   { return b.all(op) }
func (op fromFP8) VMap(b *Batch) []*Array { return b.all(op) }
