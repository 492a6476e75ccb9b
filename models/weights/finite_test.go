package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ftmetal/ftmetal/metal"
)

// Every pattern of a 16-bit type, at every place of a word and in the tail.
func TestCheckFiniteEveryPattern(t *testing.T) {
	for dt, top := range map[metal.DType]uint16{metal.Float16: 0x7c00, metal.BFloat16: 0x7f80} {
		for u := range 1 << 16 {
			data := make([]byte, 2*37)
			at := u % 37
			binary.LittleEndian.PutUint16(data[2*at:], uint16(u))
			err := CheckFinite(Tensor{"w", dt, []int{37}, data})
			if uint16(u)&top != top {
				require.NoError(t, err, "%s %#04x", dt, u)
			} else {
				require.Error(t, err, "%s %#04x", dt, u)
			}
		}
	}
}

func TestCheckFiniteMessages(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		tensor Tensor
		want   string
	}{
		{Tensor{"w", metal.Float32, []int{2, 3}, encode(t, []float32{0, 1, 2, 3, float32(nan), float32(inf)})}, `tensor "w": element [1 1] is NaN, want a finite number`},
		{Tensor{"w", metal.Float32, []int{2, 3}, encode(t, []float32{0, 1, 2, 3, 4, float32(-inf)})}, `tensor "w": element [1 2] is -Inf, want a finite number`},
		{Tensor{"w", metal.Float32, nil, encode(t, float32(inf))}, `tensor "w": element [] is +Inf, want a finite number`},
		{Tensor{"w", metal.Float64, []int{1, 2, 1}, encode(t, []float64{math.MaxFloat64, nan})}, `tensor "w": element [0 1 0] is NaN, want a finite number`},
		{Tensor{"w", metal.Complex64, []int{2}, encode(t, []complex64{1, complex(0, float32(inf))})}, `tensor "w": element [1] is (0+Infi), want a finite number`},
		{Tensor{"w", metal.BFloat16, []int{3}, encode(t, []uint16{0x7f7f, 0xff80, 0x7fc0})}, `tensor "w": element [1] is -Inf, want a finite number`},
		{Tensor{"w", metal.Float16, []int{3}, encode(t, []uint16{0x7bff, 0xfbff, 0x7c01})}, `tensor "w": element [2] is NaN, want a finite number`},
	} {
		err := CheckFinite(c.tensor)
		require.EqualError(t, err, c.want)
	}
}

// Random numbers up to the largest, with one bad one at every place in turn.
func TestCheckFiniteEveryPlace(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, dt := range []metal.DType{metal.Float16, metal.BFloat16, metal.Float32, metal.Float64, metal.Complex64} {
		const n = 77
		data := make([]byte, n*dt.Size())
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		bad := exponents[dt].all
		word := dt.Size()
		if dt == metal.Complex64 {
			word = 4
		}
		// One exponent bit clear and the others set: large, but finite.
		for i := word - 1; i < len(data); i += word {
			data[i] = data[i]&0x80 | 0x6f
		}
		tensor := Tensor{"w", dt, []int{n}, data}
		require.NoError(t, CheckFinite(tensor), dt)
		for i := 0; i < len(data); i += word {
			old := append([]byte{}, data[i:i+word]...)
			var inf [8]byte
			binary.LittleEndian.PutUint64(inf[:], bad)
			copy(data[i:i+word], inf[8-word:])
			require.ErrorContains(t, CheckFinite(tensor), fmt.Sprintf(`tensor "w": element [%d] is `, i/dt.Size()), "%s byte %d", dt, i)
			copy(data[i:], old)
		}
	}
}

func TestCheckFiniteOthers(t *testing.T) {
	ones := []byte{255, 255, 255, 255, 255, 255, 255, 255}
	for _, dt := range metal.DTypes() {
		if !dt.IsFloat() && dt != metal.Complex64 {
			require.NoError(t, CheckFinite(Tensor{"w", dt, []int{8 / dt.Size()}, ones}))
		}
		require.NoError(t, CheckFinite(Tensor{"w", dt, []int{0, 3}, nil}))
	}
	require.Len(t, exponents, 5)
}

func BenchmarkCheckFinite(b *testing.B) {
	t := Tensor{"w", metal.BFloat16, []int{1 << 20}, make([]byte, 2<<20)}
	b.SetBytes(int64(len(t.Data)))
	for b.Loop() {
		if err := CheckFinite(t); err != nil {
			b.Fatal(err)
		}
	}
}
