package half

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// format describes a 16-bit format by its field widths, from which the tests
// work out every value in float64 without using the code under test.
type format struct {
	name      string
	mantissa  int // bits
	bias      int
	widen     func(uint16) float32
	narrow    func(float32) uint16
	widenAll  func([]float32, []uint16)
	narrowAll func([]uint16, []float32)
}

var formats = []format{
	{"f16", 10, 15, F16ToF32, F32ToF16, F16sToF32s, F32sToF16s},
	{"bf16", 7, 127, BF16ToF32, F32ToBF16, BF16sToF32s, F32sToBF16s},
}

// value is the exact value of bits u.
func (f format) value(u uint16) float64 {
	sign := 1.0
	if u&0x8000 != 0 {
		sign = -1
	}
	top := 1<<(15-f.mantissa) - 1
	exp := int(u&0x7fff) >> f.mantissa
	man := float64(int(u) & (1<<f.mantissa - 1))
	switch {
	case exp == top && man != 0:
		return math.NaN()
	case exp == top:
		return math.Inf(int(sign))
	case exp == 0:
		return math.Copysign(math.Ldexp(man, 1-f.bias-f.mantissa), sign)
	}
	return sign * math.Ldexp(1+man/float64(int(1)<<f.mantissa), exp-f.bias)
}

// nearest is the bits of the finite x >= 0 rounded with big.Float, which
// rounds to nearest even at any precision.
func (f format) nearest(x float64) uint16 {
	// Below the smallest normal number the spacing is fixed, so the precision
	// shrinks with the exponent; adding the smallest normal number, which is
	// even in its last place, makes it the same there.
	emin := 1 - f.bias
	base := big.NewFloat(0)
	if x < math.Ldexp(1, emin) {
		base = big.NewFloat(math.Ldexp(1, emin))
	}
	sum := new(big.Float).SetPrec(uint(f.mantissa) + 1).SetMode(big.ToNearestEven)
	sum.Add(base, big.NewFloat(x))
	r, _ := sum.Float64()
	b, _ := base.Float64()
	r -= b
	inf := uint16(1<<(15-f.mantissa)-1) << f.mantissa
	if r >= math.Ldexp(1, f.bias+1) {
		return inf
	}
	// Positive patterns are in the order of their values.
	lo, hi := uint16(0), inf
	for lo < hi {
		if mid := (lo + hi) / 2; f.value(mid) < r {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func TestWidenEveryPattern(t *testing.T) {
	for _, f := range formats {
		src := make([]uint16, 1<<16)
		for i := range src {
			src[i] = uint16(i)
		}
		all := make([]float32, 1<<16)
		f.widenAll(all, src)
		for i, got := range all {
			want := f.value(uint16(i))
			one := f.widen(uint16(i))
			require.Equal(t, math.Float32bits(one), math.Float32bits(got), "%s %#04x: slice and scalar", f.name, i)
			if math.IsNaN(want) {
				require.True(t, math.IsNaN(float64(got)), "%s %#04x", f.name, i)
				require.Equal(t, i>>15 != 0, math.Signbit(float64(got)), "%s %#04x", f.name, i)
				continue
			}
			require.Equal(t, math.Float64bits(want), math.Float64bits(float64(got)), "%s %#04x", f.name, i)
		}
	}
}

func TestRoundTripEveryPattern(t *testing.T) {
	for _, f := range formats {
		for i := range 1 << 16 {
			u := uint16(i)
			got := f.narrow(f.widen(u))
			if !math.IsNaN(f.value(u)) {
				require.Equal(t, u, got, "%s %#04x", f.name, i)
				continue
			}
			require.True(t, math.IsNaN(f.value(got)), "%s %#04x became %#04x", f.name, i, got)
			if f.name == "bf16" {
				require.Equal(t, uint16(0x7fc0), got)
			}
		}
	}
}

// check narrows x and -x and compares with the reference.
func (f format) check(t *testing.T, x float32) {
	bits := math.Float32bits(x) & 0x7fffffff
	for _, sign := range []uint32{0, 1 << 31} {
		v := math.Float32frombits(bits | sign)
		got := f.narrow(v)
		var bulk [1]uint16
		f.narrowAll(bulk[:], []float32{v})
		if got != bulk[0] {
			t.Fatalf("%s %g (%#08x): scalar %#04x, slice %#04x", f.name, v, bits|sign, got, bulk[0])
		}
		if v != v {
			if !math.IsNaN(f.value(got)) {
				t.Fatalf("%s of NaN %#08x is %#04x", f.name, bits|sign, got)
			}
			continue
		}
		want := uint16(1<<(15-f.mantissa)-1) << f.mantissa
		if !math.IsInf(float64(v), 0) {
			want = f.nearest(math.Abs(float64(v)))
		}
		want |= uint16(sign >> 16)
		if got != want {
			t.Fatalf("%s %g (%#08x): got %#04x, want %#04x", f.name, v, bits|sign, got, want)
		}
	}
}

func TestNarrowBoundaries(t *testing.T) {
	for _, f := range formats {
		inf := uint16(1<<(15-f.mantissa)-1) << f.mantissa
		for u := range inf {
			lo, hi := f.value(u), f.value(u+1)
			if u+1 == inf {
				hi = math.Ldexp(1, f.bias+1)
			}
			// The tie between two neighbours is a float32 itself, and so are the
			// numbers just beside it.
			tie := float32((lo + hi) / 2)
			for _, x := range []float32{float32(lo), tie, math.Nextafter32(tie, 0), math.Nextafter32(tie, math.MaxFloat32)} {
				f.check(t, x)
			}
		}
		for _, bits := range []uint32{0, 1, 2, 0x007fffff, 0x00800000, 0x33000000, 0x33000001, 0x32ffffff, 0x387fffff,
			0x477fefff, 0x477ff000, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fbfffff, 0x7fc00000, 0x7fffffff, 0x7f80ffff} {
			f.check(t, math.Float32frombits(bits))
		}
	}
}

func TestNarrowRandomBits(t *testing.T) {
	for _, f := range formats {
		r := rand.New(rand.NewPCG(1, uint64(f.mantissa)))
		for range 100_000 {
			f.check(t, math.Float32frombits(r.Uint32()))
			// Uniform bits are mostly out of binary16's range.
			f.check(t, float32(math.Ldexp(1+r.Float64(), r.IntN(46)-27)))
		}
	}
}

func TestSlicesTouchOnlyTheirLength(t *testing.T) {
	for _, f := range formats {
		wide := []float32{9, 9, 9, 9}
		f.widenAll(wide, []uint16{0, 0x8000, 0})
		require.Equal(t, float32(9), wide[3])
		narrow := []uint16{9, 9, 9, 9}
		f.narrowAll(narrow, []float32{0, 0, 0})
		require.Equal(t, []uint16{0, 0, 0, 9}, narrow)
		require.Panics(t, func() { f.widenAll(wide[:2:2], make([]uint16, 3)) })
		f.widenAll(nil, nil)
		f.narrowAll(nil, nil)
	}
}

func BenchmarkSlices(b *testing.B) {
	const n = 1 << 16
	wide, narrow := make([]float32, n), make([]uint16, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range wide {
		wide[i] = float32(r.NormFloat64())
	}
	for _, f := range formats {
		b.Run(f.name+"/narrow", func(b *testing.B) {
			b.SetBytes(4 * n)
			for b.Loop() {
				f.narrowAll(narrow, wide)
			}
		})
		b.Run(f.name+"/widen", func(b *testing.B) {
			b.SetBytes(4 * n)
			for b.Loop() {
				f.widenAll(wide, narrow)
			}
		})
	}
}
