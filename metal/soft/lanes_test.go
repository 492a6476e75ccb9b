package soft_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
	"github.com/x448/float16"
)

type lanesArgs struct{ Op, K, Skip uint32 }

// lane is one thread's view of its simdgroup in the reference.
type lane struct {
	x      float64
	k      int
	active bool
}

// laneOps are the functions of testdata/lanes.metal by op, on a group of lanes
// (a simdgroup or a quadgroup): the result for lane i, and whether Metal
// defines it.
var laneOps = map[int]func(g []lane, i, k int) (float64, bool){
	0: func(g []lane, i, k int) (float64, bool) { return fold(g, 0, add), true },
	1: func(g []lane, i, k int) (float64, bool) { return fold(g, 1, mul), true },
	2: func(g []lane, i, k int) (float64, bool) { return fold(g, math.Inf(-1), math.Max), true },
	3: func(g []lane, i, k int) (float64, bool) { return fold(g, math.Inf(1), math.Min), true },
	4: func(g []lane, i, k int) (float64, bool) { return fold(g[:i+1], 0, add), true },
	5: func(g []lane, i, k int) (float64, bool) { return fold(g[:i], 0, add), true },
	6: func(g []lane, i, k int) (float64, bool) { return fold(g[:i+1], 1, mul), true },
	7: func(g []lane, i, k int) (float64, bool) { return fold(g[:i], 1, mul), true },
	8: func(g []lane, i, k int) (float64, bool) { return from(g, g[i].k%len(g)) },
	9: func(g []lane, i, k int) (float64, bool) { return from(g, k) },
	10: func(g []lane, i, k int) (float64, bool) {
		if i+k >= len(g) {
			return g[i].x, true
		}
		return from(g, i+k)
	},
	11: func(g []lane, i, k int) (float64, bool) {
		if i < k {
			return g[i].x, true
		}
		return from(g, i-k)
	},
	12: func(g []lane, i, k int) (float64, bool) { return from(g, i^k) },
	13: func(g []lane, i, k int) (float64, bool) { return from(g, (i+k)%len(g)) },
	14: func(g []lane, i, k int) (float64, bool) { return from(g, (i-k+len(g))%len(g)) },
	15: func(g []lane, i, k int) (float64, bool) { return from(g, first(g)) },
	16: func(g []lane, i, k int) (float64, bool) { return fillDown(g, i, k, len(g)) },
	17: func(g []lane, i, k int) (float64, bool) { return fillUp(g, i, k, len(g)) },
	18: func(g []lane, i, k int) (float64, bool) {
		return float64(ballot(g, func(l lane) bool { return l.x > 0 }) & 0x7ff), true
	},
	19: func(g []lane, i, k int) (float64, bool) {
		return truth(ballot(g, func(l lane) bool { return !(l.x > 0) }) == 0), true
	},
	20: func(g []lane, i, k int) (float64, bool) {
		return truth(ballot(g, func(l lane) bool { return l.x > 0 }) != 0), true
	},
	21: func(g []lane, i, k int) (float64, bool) { return truth(first(g) == i), true },
	22: func(g []lane, i, k int) (float64, bool) {
		return float64(ballot(g, func(lane) bool { return true }) >> 21 & 0x7ff), true
	},
}

func add(a, b float64) float64 { return a + b }
func mul(a, b float64) float64 { return a * b }

// fold combines the active lanes, starting from the identity.
func fold(g []lane, r float64, f func(a, b float64) float64) float64 {
	for _, l := range g {
		if l.active {
			r = f(r, l.x)
		}
	}
	return r
}

// fillDown shifts blocks of m lanes; lanes beyond a block come from the fill,
// which is the negated value.
func fillDown(g []lane, i, k, m int) (float64, bool) {
	base, src := i/m*m, i%m+k
	if src < m {
		return from(g, base+src)
	}
	v, ok := from(g, base+src-m)
	return -v, ok
}

func fillUp(g []lane, i, k, m int) (float64, bool) {
	base, src := i/m*m, i%m-k
	if src >= 0 {
		return from(g, base+src)
	}
	v, ok := from(g, base+src+m)
	return -v, ok
}

func from(g []lane, i int) (float64, bool) { return g[i].x, g[i].active }

func first(g []lane) int {
	for i, l := range g {
		if l.active {
			return i
		}
	}
	return -1
}

func ballot(g []lane, p func(lane) bool) (votes uint64) {
	for i, l := range g {
		if l.active && p(l) {
			votes |= 1 << i
		}
	}
	return votes
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// wantLanes computes what every thread of a threadgroup gets, NaN where Metal
// leaves it open.
func wantLanes(xs []float64, ks []int, op, k, skip int) []float64 {
	want := make([]float64, len(xs))
	for base := 0; base < len(xs); base += 32 {
		simd := make([]lane, 32)
		for i := range simd {
			if at := base + i; at < len(xs) {
				simd[i] = lane{xs[at], ks[at], skip == 0 || i%3 != 0}
			}
		}
		for i := range min(32, len(xs)-base) {
			if !simd[i].active {
				if skip == 1 { // they count themselves on the other side of the branch
					want[base+i] = float64((min(32, len(xs)-base) + 2) / 3)
				}
				continue
			}
			group, at := simd, i
			f := laneOps[op]
			if op >= 32 && op < 64 {
				group, at, f = simd[i/4*4:i/4*4+4], i%4, laneOps[op-32]
			}
			var v float64
			var ok bool
			switch op {
			case 64:
				v, ok = fillDown(group, at, k, 8)
			case 65:
				v, ok = fillUp(group, at, k, 8)
			default:
				v, ok = f(group, at, k)
			}
			if want[base+i] = v; !ok {
				want[base+i] = math.NaN()
			}
		}
	}
	return want
}

func lanesCase(t *testing.T, d *soft.Device, suffix string, n, groups, op, k, skip int) {
	xs, ks := make([]float64, n*groups), make([]int, n*groups)
	for i := range xs {
		xs[i] = []float64{1, -1, 2, 1, -2, 1, 0.5, -1}[(i*7+i/8)%8] // products stay exact
		if suffix == "i32" {
			xs[i] = []float64{1, -1, 2, 1, -2, 1, 3, -1}[(i*7+i/8)%8]
		}
		ks[i] = (i*13 + 5) % 32
	}
	kv := make([]uint32, len(ks))
	for i := range ks {
		kv[i] = uint32(ks[i])
	}
	in, out, got := laneBuffers(t, d, suffix, xs)
	run(t, d, metal.Dispatch{
		Kernel: "selftest_lanes_" + suffix,
		In:     []metal.View{in, view(t, d, kv)}, Out: []metal.View{out},
		Args: bytesOf(lanesArgs{uint32(op), uint32(k), uint32(skip)}),
		Grid: x(n * groups), Group: x(n),
	})
	for g := range groups {
		want := wantLanes(xs[g*n:][:n], ks[g*n:][:n], op, k, skip)
		for i, w := range want {
			if math.IsNaN(w) {
				continue
			}
			require.Equal(t, w, got(g*n+i), "%s op %d k %d skip %d: thread %d of %d", suffix, op, k, skip, i, n)
		}
	}
}

// laneBuffers stores xs in the dtype and returns a reader of the output.
func laneBuffers(t *testing.T, d *soft.Device, suffix string, xs []float64) (in, out metal.View, got func(int) float64) {
	switch suffix {
	case "f16":
		v := make([]uint16, len(xs))
		for i := range xs {
			v[i] = float16.Fromfloat32(float32(xs[i])).Bits()
		}
		in, out = view(t, d, v), view(t, d, make([]uint16, len(xs)))
		return in, out, func(i int) float64 { return float64(float16.Frombits(as[uint16](out)[i]).Float32()) }
	case "i32":
		v := make([]int32, len(xs))
		for i := range xs {
			v[i] = int32(xs[i])
		}
		in, out = view(t, d, v), view(t, d, make([]int32, len(xs)))
		return in, out, func(i int) float64 { return float64(as[int32](out)[i]) }
	}
	v := make([]float32, len(xs))
	for i := range xs {
		v[i] = float32(xs[i])
	}
	in, out = view(t, d, v), view(t, d, make([]float32, len(xs)))
	return in, out, func(i int) float64 { return float64(as[float32](out)[i]) }
}

// Every simd and quad function, full and ragged simdgroups, all lanes active or
// some on the other side of a branch or returned.
func TestLanes(t *testing.T) {
	for name, opt := range map[string]soft.Options{"natural": {}, "shuffled": {Shuffle: 11}} {
		for _, suffix := range []string{"f32", "f16", "i32"} {
			t.Run(fmt.Sprintf("%s/%s", name, suffix), func(t *testing.T) {
				d := open(t, opt)
				for _, n := range []int{1, 5, 32, 45, 96} {
					for _, skip := range []int{0, 1, 2} {
						for op := range laneOps {
							for _, k := range []int{0, 1, 3, 17} {
								lanesCase(t, d, suffix, n, 2, op, k, skip)
								if k < 4 {
									lanesCase(t, d, suffix, n, 2, op+32, k, skip)
									lanesCase(t, d, suffix, n, 2, 64, k, skip)
									lanesCase(t, d, suffix, n, 2, 65, k, skip)
								}
							}
						}
					}
				}
			})
		}
	}
}

func TestLaneBits(t *testing.T) {
	d := open(t, soft.Options{})
	const n = 45
	v := make([]uint32, n)
	for i := range v {
		v[i] = uint32(i)*2654435761 | 0x400
	}
	fs := []func(a, b uint32) uint32{
		func(a, b uint32) uint32 { return a & b },
		func(a, b uint32) uint32 { return a | b },
		func(a, b uint32) uint32 { return a ^ b },
	}
	src, dst := view(t, d, v), view(t, d, make([]uint32, n))
	for op, f := range fs {
		for _, width := range []int{32, 4} {
			code := uint32(op)
			if width == 4 {
				code += 32
			}
			run(t, d, metal.Dispatch{Kernel: "selftest_lanes_bits_u32", In: []metal.View{src}, Out: []metal.View{dst},
				Args: bytesOf(lanesArgs{Op: code}), Grid: x(n), Group: x(n)})
			for i, got := range as[uint32](dst) {
				// Groups are blocks of a simdgroup, and simdgroups start at 0 and 32.
				base := i / width * width
				want := v[base]
				for _, b := range v[base+1 : min(base+width, n)] {
					want = f(want, b)
				}
				require.Equal(t, want, got, "op %d width %d thread %d", op, width, i)
			}
		}
	}
}

func TestLaneVectors(t *testing.T) {
	d := open(t, soft.Options{})
	const n = 40
	v := make([]float32, 4*n)
	for i := range v {
		v[i] = float32(i%13 - 6)
	}
	src, dst := view(t, d, v), view(t, d, make([]float32, 4*n))
	run(t, d, metal.Dispatch{Kernel: "selftest_lanes_vec", In: []metal.View{src}, Out: []metal.View{dst},
		Args: bytesOf(lanesArgs{K: 1}), Grid: x(n), Group: x(n)})
	for i := range n {
		for c := range 4 {
			sum := float32(0)
			for j := i / 32 * 32; j < min(i/32*32+32, n); j++ {
				sum += v[4*j+c]
			}
			require.Equal(t, v[4*(i^1)+c]+sum, as[float32](dst)[4*i+c], "thread %d component %d", i, c)
		}
	}
}
