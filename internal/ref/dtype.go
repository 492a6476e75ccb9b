package ref

import (
	"encoding/binary"
	"math"

	"github.com/ftmetal/ftmetal/internal/half"
	"github.com/ftmetal/ftmetal/metal"
)

// Encode is the raw word of v in dtype dt: floats round to nearest, integers
// truncate.
func Encode(dt metal.DType, v float64) uint64 {
	switch {
	case dt == metal.Float32:
		return uint64(math.Float32bits(float32(v)))
	case dt == metal.Float16:
		return uint64(half.F32ToF16(float32(v)))
	case dt == metal.BFloat16:
		return uint64(half.F32ToBF16(float32(v)))
	case dt == metal.Bool:
		if v != 0 {
			return 1
		}
		return 0
	case dt.IsUnsigned():
		return uint64(v) & wordMask(dt)
	default:
		return uint64(int64(v)) & wordMask(dt)
	}
}

// Decode is the value of the raw word w of dtype dt. 64-bit integers beyond 2⁵³
// lose bits.
func Decode(dt metal.DType, w uint64) float64 {
	switch {
	case dt == metal.Float32:
		return float64(math.Float32frombits(uint32(w)))
	case dt == metal.Float16:
		return float64(half.F16ToF32(uint16(w)))
	case dt == metal.BFloat16:
		return float64(half.BF16ToF32(uint16(w)))
	case dt.IsSigned():
		return float64(SignExtend(dt, w))
	default:
		return float64(w)
	}
}

// Round is v as dtype dt stores it.
func Round(dt metal.DType, v float64) float64 { return Decode(dt, Encode(dt, v)) }

// SignExtend is the value of a word of a signed integer type.
func SignExtend(dt metal.DType, w uint64) int64 {
	shift := 64 - 8*dt.Size()
	return int64(w<<shift) >> shift
}

func wordMask(dt metal.DType) uint64 { return math.MaxUint64 >> (64 - 8*dt.Size()) }

// Word reads element i of b.
func Word(dt metal.DType, b []byte, i int) uint64 {
	switch dt.Size() {
	case 1:
		return uint64(b[i])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b[2*i:]))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b[4*i:]))
	default:
		return binary.LittleEndian.Uint64(b[8*i:])
	}
}

// SetWord writes element i of b.
func SetWord(dt metal.DType, b []byte, i int, w uint64) {
	switch dt.Size() {
	case 1:
		b[i] = byte(w)
	case 2:
		binary.LittleEndian.PutUint16(b[2*i:], uint16(w))
	case 4:
		binary.LittleEndian.PutUint32(b[4*i:], uint32(w))
	default:
		binary.LittleEndian.PutUint64(b[8*i:], w)
	}
}

// unit is the unit roundoff of a dtype: the largest relative error of rounding
// to nearest.
func unit(dt metal.DType) float64 {
	switch dt {
	case metal.Float16:
		return 0x1p-11
	case metal.BFloat16:
		return 0x1p-8
	case metal.Float32:
		return 0x1p-24
	}
	return 0
}

// halfDenormal is half the smallest positive number: the largest error of
// rounding near zero.
func halfDenormal(dt metal.DType) float64 {
	switch dt {
	case metal.Float16:
		return 0x1p-25
	case metal.BFloat16:
		return 0x1p-134
	case metal.Float32:
		return 0x1p-150
	}
	return 0
}

// overflow is the least magnitude that rounds to infinity.
func overflow(dt metal.DType) float64 {
	switch dt {
	case metal.Float16:
		return 65520
	case metal.BFloat16:
		return 0x1.ffp127
	case metal.Float32:
		return 0x1.ffffffp127
	}
	return math.Inf(1)
}
