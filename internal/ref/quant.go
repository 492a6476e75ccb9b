package ref

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// Quant is a format of quantised matrices: MLX's mode, the bits of an element,
// and the length of the groups of the last axis that share a scale.
type Quant struct {
	Mode        string
	Bits, Group int
}

// floats8 lists the values of the small floats by code: e2m1, or e4m3 without
// NaN.
func floats8(exponentBits, mantissaBits, bias int) []float64 {
	values := make([]float64, 1<<(1+exponentBits+mantissaBits))
	for code := range values {
		m := float64(code & (1<<mantissaBits - 1))
		e := code >> mantissaBits & (1<<exponentBits - 1)
		v := math.Ldexp(float64(int(1)<<mantissaBits)+m, e-bias-mantissaBits)
		if e == 0 {
			v = math.Ldexp(m, 1-bias-mantissaBits)
		}
		if code >= len(values)/2 {
			v = -v
		}
		values[code] = v
	}
	return values
}

var e2m1, e4m3 = floats8(2, 1, 1), floats8(4, 3, 7)

// ToE4M3 is the code of the nearest e4m3 float, of even mantissa if two are
// equally near, and of ±448 for whatever exceeds it, NaN included.
func ToE4M3(v float64) uint64 {
	sign := uint64(0)
	if math.Signbit(v) {
		sign, v = 128, -v
	}
	if !(v < 448) {
		return sign | 126
	}
	best := uint64(0)
	for c := uint64(1); c <= 126; c++ {
		off, least := math.Abs(v-e4m3[c]), math.Abs(v-e4m3[best])
		if off < least || (off == least && c%2 == 0) {
			best = c
		}
	}
	return sign | best
}

// FromE4M3 is the value of a code.
func FromE4M3(code uint64) float64 { return e4m3[code] }

// toE2M1 is the code of the e2m1 float that is nearest in the arithmetic of dt,
// and the first of those that are equally near.
func toE2M1(dt metal.DType, v float64) uint64 {
	best, least := uint64(0), math.Inf(1)
	for c, x := range e2m1 {
		if off := math.Abs(Round(dt, v-x)); off < least {
			best, least = uint64(c), off
		}
	}
	return best
}

// e8m0 is the value of a scale of the mx modes.
func e8m0(code uint64) float64 { return math.Ldexp(1, int(code)-127) }

// codes packs and unpacks streams of elements of Bits bits, the first in the
// lowest bits of the first byte.
func (q Quant) pack(codes []uint64) []uint64 {
	words := make([]uint64, len(codes)*q.Bits/32)
	for i, c := range codes {
		for b := range q.Bits {
			at := i*q.Bits + b
			words[at/32] |= c >> b & 1 << (at % 32)
		}
	}
	return words
}

func (q Quant) unpack(words []uint64) []uint64 {
	codes := make([]uint64, len(words)*32/q.Bits)
	for i := range codes {
		for b := range q.Bits {
			at := i*q.Bits + b
			codes[i] |= words[at/32] >> (at % 32) & 1 << b
		}
	}
	return codes
}

// Quantize is MLX's packing of w, whose values are of dtype dt: uint32 words,
// and the raw words of scales and of biases, which affine formats have. A global
// scale of 0 stands for none.
func (q Quant) Quantize(dt metal.DType, w []float64, global float64) (words, scales, biases []uint64) {
	var codes []uint64
	for from := 0; from < len(w); from += q.Group {
		group := w[from : from+q.Group]
		if q.Mode == "affine" {
			c, scale, bias := q.affine(group)
			codes = append(codes, c...)
			scales, biases = append(scales, Encode(dt, float64(scale))), append(biases, Encode(dt, float64(bias)))
			continue
		}
		c, scale := q.small(dt, group, global)
		codes, scales = append(codes, c...), append(scales, scale)
	}
	return q.pack(codes), scales, biases
}

// affine follows MLX in float32, rounding for rounding.
func (q Quant) affine(group []float64) (codes []uint64, scale, bias float32) {
	low, high := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range group {
		low, high = min(low, float32(v)), max(high, float32(v))
	}
	most := float32(int(1)<<q.Bits - 1)
	scale = max(float32(high-low)/most, 1e-7)
	edge := low
	if math.Abs(float64(low)) <= math.Abs(float64(high)) {
		edge, scale = high, -scale
	}
	if steps := float32(math.RoundToEven(float64(edge / scale))); steps != 0 {
		scale, bias = edge/steps, edge
	}
	for _, v := range group {
		x := math.RoundToEven(float64(float32(float32(v)-bias) / scale))
		codes = append(codes, uint64(min(max(x, 0), float64(most))))
	}
	return codes, scale, bias
}

// small is a group of small floats, with the roundings of MLX's graph of ops.
func (q Quant) small(dt metal.DType, group []float64, global float64) (codes []uint64, scale uint64) {
	top := 0.0
	for _, v := range group {
		top = max(top, math.Abs(v))
	}
	largest := e2m1[7]
	if q.Bits == 8 {
		largest = 448
	}
	relative := float32(1)
	if global != 0 {
		relative = 2688 / float32(global)
	}
	s := Round(dt, float64(float32(top)/float32(largest)))
	var by float64
	if q.Mode == "nvfp4" {
		scale = ToE4M3(float64(float32(s) * relative))
		by = e4m3[scale]
	} else {
		e := 0
		if s > 0 {
			e = int(math.RoundToEven(Round(dt, math.Log2(s))))
		}
		scale = uint64(e+127) & 255
		by = Round(dt, math.Ldexp(1, e))
	}
	near := dt
	if global != 0 {
		near = metal.Float32
	}
	for _, v := range group {
		x := float64(float32(Round(dt, float64(float32(v)/float32(by)))) * relative)
		if q.Bits == 8 {
			codes = append(codes, ToE4M3(x))
		} else {
			codes = append(codes, toE2M1(near, x))
		}
	}
	return codes, scale
}

// Dequantize is what the packed words stand for, and the magnitudes
// |scale·code| + |bias|. dt is the dtype of affine scales and biases. rounded
// rounds scale·code to it.
func (q Quant) Dequantize(dt metal.DType, words, scales, biases []uint64, global float64, rounded bool) (values, mags []float64) {
	relative := 1.0
	if global != 0 {
		relative = global / 2688
	}
	for i, c := range q.unpack(words) {
		var x, bias float64
		switch s := scales[i/q.Group]; q.Mode {
		case "affine":
			x, bias = float64(c)*Decode(dt, s), Decode(dt, biases[i/q.Group])
		case "nvfp4":
			x = e2m1[c] * e4m3[s] * relative
		case "mxfp4":
			x = e2m1[c] * e8m0(s)
		default:
			x = e4m3[c] * e8m0(s)
		}
		if rounded {
			x = Round(dt, x)
		}
		values, mags = append(values, x+bias), append(mags, math.Abs(x)+math.Abs(bias))
	}
	return values, mags
}

// QuantProduct is a batch of products of x [*,M,K] with matrices w: [*,N,K] if
// Transpose is set, else [*,K,N]. Left and Right name the matrices of each.
type QuantProduct struct {
	M, N, K     int
	Transpose   bool
	Left, Right []int
}

// Of multiplies. mags are the magnitudes of w.
func (p QuantProduct) Of(x, w, mags []float64) Result {
	out := Result{Class: Matmul}
	for z := range p.Left {
		for at := range p.M * p.N {
			i, j := at/p.N, at%p.N
			var sum, mag float64
			for k := range p.K {
				e := p.Right[z]*p.N*p.K + j*p.K + k
				if !p.Transpose {
					e = p.Right[z]*p.N*p.K + k*p.N + j
				}
				a := x[(p.Left[z]*p.M+i)*p.K+k]
				sum += a * w[e]
				mag += math.Abs(a) * mags[e]
			}
			out.Value, out.Mag = append(out.Value, sum), append(out.Mag, mag)
		}
	}
	return out
}
