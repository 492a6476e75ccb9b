package kerneltest

import (
	"math"
	"math/rand/v2"

	"github.com/ftmetal/ftmetal/metal"
)

// Fill is a way to choose an operand's values.
type Fill string

// The fills. Integers are small in all of them but Bits.
const (
	Uniform  Fill = "uniform"  // [-1, 1); integers in [-100, 100], or [0, 100]
	Positive Fill = "positive" // (0, 4]
	Outliers Fill = "outliers" // normal, with one element of 64 a hundred times larger
	Large    Fill = "large"    // [-1000, 1000)
	Constant Fill = "constant" // all elements of a row alike
	Special  Fill = "special"  // uniform, with NaN, infinities, zeros of both signs and denormals between; the ends of integers
	Bits     Fill = "bits"     // integers with random bits
)

// special values, the denormals being those of float16 and of float32.
var special = []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 0x1p-24, -0x1.8p-15, 0x1p-149, -0x1p-130, 1, -1}

// ends holds the ends of the ranges of integers, and what is next to them and to
// zero, in the top bits: 0, 1, 2, 3, -1, -2, -3, the largest and smallest signed
// ones and their neighbours. Shifted down, they are those of a narrower type.
var ends = func() []uint64 {
	var words []uint64
	for _, size := range []int{8, 16, 32, 64} {
		for k := range uint64(4) {
			words = append(words, k<<(64-size), -k<<(64-size), 1<<63+k<<(64-size), 1<<63-k<<(64-size))
		}
	}
	return words
}()

// value draws element i of an operand whose rows have n elements.
func (f Fill) value(r *rand.Rand, dt metal.DType, i, n int, last float64) float64 {
	if !dt.IsFloat() {
		switch {
		case dt == metal.Bool:
			return float64(r.IntN(2))
		case dt.IsUnsigned():
			return float64(r.IntN(101))
		}
		return float64(r.IntN(201) - 100)
	}
	switch f {
	case Positive:
		return 4 * (1 - r.Float64())
	case Outliers:
		v := r.NormFloat64()
		if r.IntN(64) == 0 {
			v *= 100
		}
		return v
	case Large:
		return 2000*r.Float64() - 1000
	case Constant:
		if i%max(n, 1) != 0 {
			return last
		}
		return 2*r.Float64() - 1
	case Special:
		if r.IntN(8) == 0 {
			return special[r.IntN(len(special))]
		}
	}
	return 2*r.Float64() - 1
}
