package soft_test

import (
	"math"
	"math/big"
	"math/bits"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

type mathArgs struct{ Op uint32 }

func b2f(b bool) float64 { return truth(b) }

// mathOps are the functions of testdata/math.metal in float64.
var mathOps = map[uint32]func(x, y float64) float64{
	0: un(math.Exp), 1: un(math.Exp2), 2: func(x, y float64) float64 { return math.Pow(10, x) },
	3: un(math.Log), 4: un(math.Log2), 5: un(math.Log10), 6: un(math.Sin), 7: un(math.Cos), 8: un(math.Tan),
	9: un(math.Asin), 10: un(math.Acos), 11: un(math.Atan), 12: un(math.Sinh), 13: un(math.Cosh), 14: un(math.Tanh),
	15: un(math.Asinh), 16: un(math.Acosh), 17: un(math.Atanh), 18: un(math.Sqrt),
	19: func(x, y float64) float64 { return 1 / math.Sqrt(x) },
	20: un(math.Floor), 21: un(math.Ceil), 22: un(math.RoundToEven), 23: un(math.Round), 24: un(math.Trunc), 25: un(math.Abs),
	26: func(x, y float64) float64 {
		if x > 0 {
			return 1
		} else if x < 0 {
			return -1
		}
		return 0
	},
	27: math.Pow,
	28: func(x, y float64) float64 {
		if x < 0 {
			return math.NaN()
		}
		return math.Pow(x, y)
	},
	29: math.Atan2, 30: math.Mod,
	31: func(x, y float64) float64 { return pick(x, y, x > y) }, 32: func(x, y float64) float64 { return pick(x, y, x < y) },
	33: math.Copysign,
	34: func(x, y float64) float64 { return math.FMA(x, y, x) },
	35: func(x, y float64) float64 { return pick(pick(x, -1, x > -1), y, pick(x, -1, x > -1) < y) },
	36: func(x, y float64) float64 { return b2f(math.IsNaN(x)) },
	37: func(x, y float64) float64 { return b2f(math.IsInf(x, 0)) },
	38: func(x, y float64) float64 { return b2f(!math.IsInf(x, 0) && !math.IsNaN(x)) },
	39: func(x, y float64) float64 { return b2f(math.Signbit(x)) },
	40: func(x, y float64) float64 {
		if x > y {
			return y
		}
		return x
	},
	41: func(x, y float64) float64 { return pick(0, pick(x, 1, x < 1), !(x > 0)) },
	42: func(x, y float64) float64 { return x * 8 },
	43: math.Dim,
	44: func(x, y float64) float64 { return x + (y-x)*0.25 },
	45: func(x, y float64) float64 { return x + 2*y + x*y },
}

func un(f func(float64) float64) func(x, y float64) float64 {
	return func(x, _ float64) float64 { return f(x) }
}

// pick is a if c, else b; one NaN yields the other operand, as in Metal's max.
func pick(a, b float64, c bool) float64 {
	if math.IsNaN(a) {
		return b
	}
	if c || math.IsNaN(b) {
		return a
	}
	return b
}

func TestMath(t *testing.T) {
	d := open(t, soft.Options{})
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	xs := []float32{0, float32(math.Copysign(0, -1)), 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 3, -3, 10, 80, -80, 1e-6, 1e6, 3.5e-39, nan, inf, -inf}
	xs = append(xs, normal(200, 4)...)
	ys := append(append([]float32{}, 2, 0.5, -1, nan, 3, inf), normal(len(xs)-6, 5)...)
	out := view(t, d, make([]float32, len(xs)))
	for op, f := range mathOps {
		run(t, d, metal.Dispatch{Kernel: "selftest_math", In: []metal.View{view(t, d, xs), view(t, d, ys)}, Out: []metal.View{out},
			Args: bytesOf(mathArgs{op}), Grid: x(len(xs)), Group: x(64)})
		for i, got := range as[float32](out) {
			x, y := float64(xs[i]), float64(ys[i])
			want := f(x, y)
			if math.IsNaN(want) {
				require.True(t, math.IsNaN(float64(got)), "op %d(%v, %v) = %v", op, x, y, got)
				continue
			}
			if w := float32(want); math.IsInf(float64(w), 0) || w == 0 {
				require.InDelta(t, 0, boolDiff(w, got), 0, "op %d(%v, %v) = %v, want %v", op, x, y, got, w)
				continue
			}
			// 3 units in the last place; sums may cancel, so the terms count.
			tol := 3 * math.Exp2(-23) * (math.Abs(want) + cancels(op)*(math.Abs(x)+2*math.Abs(y)+math.Abs(x*y)))
			require.InDelta(t, want, float64(got), tol+1e-44, "op %d(%v, %v)", op, x, y)
		}
	}
}

// boolDiff is 0 where got is what an infinite or zero want asks for.
func boolDiff(want, got float32) float64 {
	if want == got || want == 0 && math.Abs(float64(got)) < 1e-38 {
		return 0
	}
	return 1
}

func cancels(op uint32) float64 { return b2f(op == 34 || op == 44 || op == 45) }

func TestBits(t *testing.T) {
	ops := []func(x, y uint32) uint32{
		func(x, y uint32) uint32 { return uint32(bits.LeadingZeros32(x)) },
		func(x, y uint32) uint32 { return uint32(bits.TrailingZeros32(x)) },
		func(x, y uint32) uint32 { return uint32(bits.OnesCount32(x)) },
		func(x, y uint32) uint32 { return bits.Reverse32(x) },
		func(x, y uint32) uint32 { hi, _ := bits.Mul32(x, y); return hi },
		func(x, y uint32) uint32 { return uint32(int64(int32(x)) * int64(int32(y)) >> 32) },
		func(x, y uint32) uint32 { return bits.RotateLeft32(x, int(y%32)) },
		func(x, y uint32) uint32 { return x >> 5 & 511 },
		func(x, y uint32) uint32 { return x&^(511<<5) | y&511<<5 },
		func(x, y uint32) uint32 { return uint32(max(int32(x)>>1, -(int32(x) >> 1))) },
		func(x, y uint32) uint32 { return max(x, y) - min(x, y) },
		func(x, y uint32) uint32 { return uint32(bits.LeadingZeros16(uint16(x))) },
		func(x, y uint32) uint32 { return uint32(bits.OnesCount8(uint8(x))) },
		func(x, y uint32) uint32 { return min(max(x, 10), y|10) },
		func(x, y uint32) uint32 { hi, _ := bits.Mul64(uint64(x)<<20, uint64(y)<<30); return uint32(hi) },
		func(x, y uint32) uint32 { return uint32(int32(x<<18) >> 23) },
	}
	d := open(t, soft.Options{})
	xs := []uint32{0, 1, 2, 0x80000000, 0xffffffff, 0x7fffffff, 5, 12345678}
	ys := []uint32{0, 31, 32, 0xffffffff, 0xffffffff, 0x80000000, 7, 87654321}
	for i := range uint32(100) {
		xs, ys = append(xs, i*2654435761), append(ys, i*i*40503+i<<20)
	}
	out := view(t, d, make([]uint32, len(xs)))
	for op, f := range ops {
		run(t, d, metal.Dispatch{Kernel: "selftest_bits", In: []metal.View{view(t, d, xs), view(t, d, ys)}, Out: []metal.View{out},
			Args: bytesOf(mathArgs{uint32(op)}), Grid: x(len(xs)), Group: x(32)})
		for i, got := range as[uint32](out) {
			require.Equal(t, f(xs[i], ys[i]), got, "op %d(%#x, %#x)", op, xs[i], ys[i])
		}
	}
}

// format is a 16-bit float: the references below know it by its definition.
type format struct {
	suffix    string
	precision int // bits of the significand, the hidden one included
	bias      int
}

var formats = []format{{"f16", 11, 15}, {"bf16", 8, 127}}

// value is the number that bits stand for.
func (f format) value(b uint16) float64 {
	frac := uint(f.precision - 1)
	e, m := int(b&0x7fff)>>frac, float64(int(b)&(1<<frac-1))
	sign := 1.0
	if b>>15 == 1 {
		sign = -1
	}
	switch {
	case e == 2*f.bias+1 && m != 0:
		return math.NaN()
	case e == 2*f.bias+1:
		return sign * math.Inf(1)
	case e == 0:
		return sign * math.Ldexp(m, 1-f.bias-int(frac))
	}
	return sign * math.Ldexp(m+float64(int(1)<<frac), e-f.bias-int(frac))
}

// round returns the bits nearest to v, ties to even.
func (f format) round(v float64) uint16 {
	sign := uint16(0)
	if math.Signbit(v) {
		sign, v = 0x8000, -v
	}
	lo, hi := uint16(0), uint16((2*f.bias+1)<<(f.precision-1)) // 0 and infinity
	if math.IsInf(v, 0) {
		return sign | hi
	}
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		if f.value(mid) <= v {
			lo = mid
		} else {
			hi = mid
		}
	}
	up := f.value(hi)
	if math.IsInf(up, 0) { // where the next number would be
		up = math.Ldexp(1, f.bias+1)
	}
	below := new(big.Float).Sub(big.NewFloat(v), big.NewFloat(f.value(lo)))
	above := new(big.Float).Sub(big.NewFloat(up), big.NewFloat(v))
	if c := below.Cmp(above); c > 0 || c == 0 && lo&1 == 1 {
		return sign | hi
	}
	return sign | lo
}

func toBFloat(v float32) uint16 { return formats[1].round(float64(v)) }

// All 65536 values survive a trip through float, and what lies between two of
// them rounds to the nearest, ties to even.
func TestFloat16Conversions(t *testing.T) {
	d := open(t, soft.Options{})
	for _, f := range formats {
		all := make([]uint16, 1<<16)
		for i := range all {
			all[i] = uint16(i)
		}
		in, out := view(t, d, all), view(t, d, make([]uint16, len(all)))
		run(t, d, scale(d, f.suffix, in, out, len(all), 256, 1))
		for i, got := range as[uint16](out) {
			if math.IsNaN(f.value(uint16(i))) {
				require.True(t, math.IsNaN(f.value(got)), "%s %#x", f.suffix, i)
				continue
			}
			require.Equal(t, uint16(i), got, "%s %#x", f.suffix, i)
		}
		var halfway []float32
		for i := 0; i < 1<<15; i += 7 {
			v := float32((f.value(uint16(i)) + f.value(uint16(i+1))) / 2)
			if v != v || math.IsInf(float64(v), 0) {
				continue
			}
			halfway = append(halfway, v, math.Nextafter32(v, 0), math.Nextafter32(v, math.MaxFloat32), -v)
		}
		halfway = append(halfway, 65504, 65519, 65520, 65536, 1e9, math.MaxFloat32, 1e-30, 1e-45, 0, -1e-45)
		n := len(halfway)
		dst := view(t, d, make([]uint16, n))
		run(t, d, scale(d, "f32_"+f.suffix, view(t, d, halfway), dst, n, 256, 1))
		for i, got := range as[uint16](dst) {
			require.Equal(t, f.round(float64(halfway[i])), got, "%s of %v", f.suffix, halfway[i])
		}
	}
}

func TestFloat16Arithmetic(t *testing.T) {
	d := open(t, soft.Options{})
	for _, f := range formats {
		r := func(v float64) float64 { return f.value(f.round(v)) }
		single := func(v float64) float64 { return float64(float32(v)) }
		ops := []func(a, b float64) float64{
			func(a, b float64) float64 { return r(r(a*b) + a) },
			func(a, b float64) float64 { return r(single(single(a*b) + a)) },
			func(a, b float64) float64 { return r(a / b) },
			func(a, b float64) float64 { return r(a + b) },
			func(a, b float64) float64 { return r(a - 1) },
			func(a, b float64) float64 { return r(single(a*2 + b)) },
			func(a, b float64) float64 {
				if a > b {
					return a
				}
				return -b
			},
		}
		n := 500
		xs, ys := make([]uint16, n), make([]uint16, n)
		for i, v := range normal(n, 6) {
			xs[i] = f.round(float64(v) * 3)
		}
		for i, v := range normal(n, 7) {
			ys[i] = f.round(float64(v))
		}
		out := view(t, d, make([]uint16, n))
		for op, g := range ops {
			run(t, d, metal.Dispatch{Kernel: "selftest_half_ops_" + f.suffix, In: []metal.View{view(t, d, xs), view(t, d, ys)}, Out: []metal.View{out},
				Args: bytesOf(mathArgs{uint32(op)}), Grid: x(n), Group: x(64)})
			for i, got := range as[uint16](out) {
				a, b := f.value(xs[i]), f.value(ys[i])
				require.Equal(t, g(a, b), f.value(got), "%s op %d(%v, %v)", f.suffix, op, a, b)
			}
		}
	}
}
