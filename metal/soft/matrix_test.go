package soft_test

import (
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
	"github.com/x448/float16"
)

type matrixArgs struct {
	AStride, BStride, DStride          uint32
	X, Y                               uint32
	TransposeA, TransposeB, TransposeD uint32
}

// toBits stores small integers, which every dtype holds exactly.
func toBits(t *testing.T, d *soft.Device, suffix string, v []float32) metal.View {
	half := make([]uint16, len(v))
	for i, f := range v {
		half[i] = float16.Fromfloat32(f).Bits()
		if suffix == "bf16" {
			half[i] = toBFloat(f)
		}
	}
	if suffix == "f32" {
		return view(t, d, v)
	}
	return view(t, d, half)
}

// Loads with strides, origins and transposition, D = A B + C, stores.
func TestMatrix(t *testing.T) {
	const aStride, bStride, dStride, ox, oy = 19, 23, 17, 3, 5
	small := func(n, seed int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32((i*7+seed+i/5)%9 - 4)
		}
		return v
	}
	for _, suffix := range []string{"f32", "f16", "bf16"} {
		for flags := range 8 {
			d := open(t, soft.Options{Shuffle: uint64(flags)})
			a, b, c := small(16*aStride, 1), small(16*bStride, 2), small(64, 3)
			out := view(t, d, make([]float32, 16*dStride))
			ta, tb, td := flags&1, flags>>1&1, flags>>2&1
			run(t, d, metal.Dispatch{Kernel: "selftest_matrix_" + suffix,
				In:  []metal.View{toBits(t, d, suffix, a), toBits(t, d, suffix, b), view(t, d, c)},
				Out: []metal.View{out}, Grid: x(32), Group: x(32),
				Args: bytesOf(matrixArgs{aStride, bStride, dStride, ox, oy, uint32(ta), uint32(tb), uint32(td)})})
			at := func(m []float32, stride, r, k, transposed int) float32 {
				if transposed == 1 {
					r, k = k, r
				}
				return m[(oy+r)*stride+ox+k]
			}
			want := make([]float32, 16*dStride)
			for r := range 8 {
				for k := range 8 {
					sum := c[8*r+k]
					for j := range 8 {
						sum += at(a, aStride, r, j, ta) * at(b, bStride, j, k, tb)
					}
					if td == 1 {
						want[(oy+k)*dStride+ox+r] = sum
					} else {
						want[(oy+r)*dStride+ox+k] = sum
					}
				}
			}
			require.Equal(t, want, as[float32](out), "%s, transposed %03b", suffix, flags)
		}
	}
}

// The layout of Apple's GPUs: lane l holds columns 2(l%2) + 4(l/8%2) and the
// next one of row l/2%4 + 4(l/16).
func TestMatrixLayout(t *testing.T) {
	d := open(t, soft.Options{})
	in := make([]float32, 64)
	for i := range in {
		in[i] = float32(i)
	}
	out := view(t, d, make([]float32, 192))
	run(t, d, metal.Dispatch{Kernel: "selftest_matrix_layout", In: []metal.View{view(t, d, in)}, Out: []metal.View{out},
		Args: bytesOf(matrixArgs{AStride: 8}), Grid: x(32), Group: x(32)})
	got := as[float32](out)
	for l := range 32 {
		row, col := l/2%4+4*(l/16), 2*(l%2)+4*(l/8%2)
		for j := range 2 {
			require.Equal(t, float32(8*row+col+j), got[2*l+j], "lane %d", l)
			require.Equal(t, got[2*l+j], got[64+2*l+j], "identity times m")
			require.Equal(t, float32(7), got[128+2*l+j])
		}
	}
}
