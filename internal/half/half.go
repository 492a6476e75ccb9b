package half

import (
	"math"
	"sync"

	"github.com/x448/float16"
)

// bf16NaN is the one NaN that narrowing to bfloat16 makes, as in MLX: cutting
// the payload off could leave an infinity.
const bf16NaN = 0x7fc0

// BF16ToF32 is the value of the bfloat16 with bits u.
func BF16ToF32(u uint16) float32 { return math.Float32frombits(uint32(u) << 16) }

// F32ToBF16 is the bits of the bfloat16 nearest to f.
func F32ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return bf16NaN
	}
	// Half a unit in the last place, less one if the kept part is even: a carry
	// goes into the exponent and, from the largest finite number, to infinity.
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// F16ToF32 is the value of the binary16 with bits u.
func F16ToF32(u uint16) float32 { return float16.Frombits(u).Float32() }

// F32ToF16 is the bits of the binary16 nearest to f. A NaN keeps its sign and
// the top of its payload.
func F32ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	a := b & 0x7fffffff
	// [2^-14, 2^16) is where the exponent only has to be moved.
	if a-0x38800000 < 0x47800000-0x38800000 {
		a += 0xfff + a>>13&1
		return uint16(b>>16&0x8000 | (a-0x38000000)>>13)
	}
	return float16.Fromfloat32(f).Bits()
}

// f16Table holds the float32 of every binary16. It is 256 KiB, so it is made
// when the first slice is converted.
var f16Table = sync.OnceValue(func() *[1 << 16]float32 {
	t := new([1 << 16]float32)
	for i := range t {
		t[i] = F16ToF32(uint16(i))
	}
	return t
})

// F16sToF32s widens src into dst[:len(src)]; dst must be long enough.
func F16sToF32s(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	table := f16Table()
	for i, u := range src {
		dst[i] = table[u]
	}
}

// BF16sToF32s widens src into dst[:len(src)]; dst must be long enough.
func BF16sToF32s(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	for i, u := range src {
		dst[i] = BF16ToF32(u)
	}
}

// F32sToF16s narrows src into dst[:len(src)]; dst must be long enough.
func F32sToF16s(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	for i, f := range src {
		dst[i] = F32ToF16(f)
	}
}

// F32sToBF16s narrows src into dst[:len(src)]; dst must be long enough.
func F32sToBF16s(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	for i, f := range src {
		dst[i] = F32ToBF16(f)
	}
}
