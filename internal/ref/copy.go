package ref

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// Convert is every element of x, words of dtype from, in dtype to. Integers
// reach the 16-bit floats through float32; floats are cut off toward zero.
func Convert(x []uint64, from, to metal.DType) Result {
	out := make([]uint64, len(x))
	for i, w := range x {
		switch {
		case to == metal.Bool:
			out[i] = Encode(to, Decode(from, w))
		case from.IsFloat():
			out[i] = Encode(to, Decode(from, w))
		case to.IsFloat() && from.IsSigned():
			out[i] = Encode(to, float64(float32(SignExtend(from, w))))
		case to.IsFloat():
			out[i] = Encode(to, float64(float32(w)))
		case from.IsSigned():
			out[i] = uint64(SignExtend(from, w)) & wordMask(to)
		default:
			out[i] = w & wordMask(to)
		}
		if to.IsFloat() && math.IsNaN(Decode(to, out[i])) {
			return valuesOf(to, x, from)
		}
	}
	return Result{Words: out}
}

// valuesOf is Convert for floats among which there are NaNs, whose words differ
// from device to device.
func valuesOf(to metal.DType, x []uint64, from metal.DType) Result {
	out := make([]float64, len(x))
	for i, w := range x {
		out[i] = Round(to, Decode(from, w))
	}
	return Result{Class: Exact, Value: out}
}

// Arange is start + i·step for i < n; floats are computed in float32.
func Arange(dt metal.DType, n int, start, step float64) Result {
	if dt.IsFloat() {
		out := Result{Class: Elementwise, Value: make([]float64, n), Mag: make([]float64, n)}
		a, b := float64(float32(start)), float64(float32(step))
		for i := range n {
			out.Value[i], out.Mag[i] = a+float64(i)*b, math.Abs(a)+math.Abs(float64(i)*b)
		}
		if step == 0 {
			out.Class, out.Mag = Exact, nil
			for i := range n {
				out.Value[i] = a
			}
		}
		return out
	}
	words := make([]uint64, n)
	first := uint64(int64(start))
	if start >= 1<<63 {
		first = uint64(start)
	}
	for i := range words {
		words[i] = (first + uint64(i)*uint64(int64(step))) & wordMask(dt)
		if dt == metal.Bool {
			words[i] = Encode(dt, start+float64(i)*step)
		}
	}
	return Result{Words: words}
}
