package weights

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/ftmetal/ftmetal/internal/half"
	"github.com/ftmetal/ftmetal/metal"
)

// exponents are, for every type with NaN and infinity, the exponent bits of
// the numbers that 8 bytes hold, and the lowest of these bits in each number.
// All exponent bits are set in a NaN or an infinity and in nothing else.
var exponents = map[metal.DType]struct{ all, low uint64 }{
	metal.Float16:   {0x7c00_7c00_7c00_7c00, 0x0400_0400_0400_0400},
	metal.BFloat16:  {0x7f80_7f80_7f80_7f80, 0x0080_0080_0080_0080},
	metal.Float32:   {0x7f80_0000_7f80_0000, 0x0080_0000_0080_0000},
	metal.Complex64: {0x7f80_0000_7f80_0000, 0x0080_0000_0080_0000},
	metal.Float64:   {0x7ff0_0000_0000_0000, 0x0010_0000_0000_0000},
}

// CheckFinite reads all of t and returns an error with name, index and value
// of the first element that is NaN or infinite. Integers are always finite.
func CheckFinite(t Tensor) error { return checkFinite(t, func([]byte) {}) }

// finiteChunk is how many bytes checkFinite reads before it lets go of them.
const finiteChunk = 8 << 20

// checkFinite is CheckFinite; done gets every stretch of data that has been
// read.
func checkFinite(t Tensor, done func(read []byte)) error {
	for at := 0; at < len(t.Data); at += finiteChunk {
		end := min(at+finiteChunk, len(t.Data))
		if !allFinite(t.DType, t.Data[at:end]) {
			return findNonFinite(t, at)
		}
		done(t.Data[at:end])
	}
	return nil
}

// allFinite reports whether no number in data is NaN or infinite.
func allFinite(dt metal.DType, data []byte) bool {
	e, ok := exponents[dt]
	if !ok {
		return true
	}
	// Adding the lowest exponent bit carries into the sign bit just where all
	// are set; without its sign and mantissa, a number does not carry further.
	signs := e.all + e.low
	const block = 64
	for len(data) >= block {
		b := data[:block:block]
		found := uint64(0)
		for i := 0; i < block; i += 8 {
			found |= binary.LittleEndian.Uint64(b[i:])&e.all + e.low
		}
		if found&signs != 0 {
			return false
		}
		data = data[block:]
	}
	// A tail of zeros is finite.
	var tail [block]byte
	copy(tail[:], data)
	found := uint64(0)
	for i := 0; i < block; i += 8 {
		found |= binary.LittleEndian.Uint64(tail[i:])&e.all + e.low
	}
	return found&signs == 0
}

// findNonFinite looks at t element by element, beginning at byte from.
func findNonFinite(t Tensor, from int) error {
	size := t.DType.Size()
	for i := from / size; (i+1)*size <= len(t.Data); i++ {
		re, im := element(t, i)
		if finite(re) && finite(im) {
			continue
		}
		value := fmt.Sprint(re)
		if t.DType == metal.Complex64 {
			value = fmt.Sprint(complex(re, im))
		}
		return fmt.Errorf("tensor %q: element %v is %s, want a finite number", t.Name, unravel(i, t.Shape), value)
	}
	return nil
}

// element is number i of a float or complex tensor, as its two parts.
func element(t Tensor, i int) (re, im float64) {
	le := binary.LittleEndian
	b := t.Data[i*t.DType.Size():]
	switch t.DType {
	case metal.Float16:
		return float64(half.F16ToF32(le.Uint16(b))), 0
	case metal.BFloat16:
		return float64(half.BF16ToF32(le.Uint16(b))), 0
	case metal.Float32:
		return float64(math.Float32frombits(le.Uint32(b))), 0
	case metal.Float64:
		return math.Float64frombits(le.Uint64(b)), 0
	}
	return float64(math.Float32frombits(le.Uint32(b))), float64(math.Float32frombits(le.Uint32(b[4:])))
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// unravel is the index in shape of element i in row-major order.
func unravel(i int, shape []int) []int {
	index := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		index[d] = i % shape[d]
		i /= shape[d]
	}
	return index
}
