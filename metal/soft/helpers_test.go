package soft_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// open returns a device in exact mode, closed when the test ends.
func open(t testing.TB, opt soft.Options) *soft.Device {
	d := soft.New(opt)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// view returns a fresh buffer that holds data.
func view[T any](t testing.TB, d *soft.Device, data []T) metal.View {
	var zero T
	n := int64(len(data)) * int64(unsafe.Sizeof(zero))
	b, err := d.Alloc(max(n, 1))
	require.NoError(t, err)
	v := metal.View{Buf: b, Len: n}
	copy(as[T](v), data)
	return v
}

// as is the view's memory as elements.
func as[T any](v metal.View) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(v.Bytes()))), v.Len/int64(unsafe.Sizeof(zero)))
}

func bytesOf[T any](args T) []byte {
	p := new(T)
	*p = args
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(args))
}

func x(n int) metal.Size { return metal.Size{X: n, Y: 1, Z: 1} }

func run(t testing.TB, d *soft.Device, list ...metal.Dispatch) {
	require.NoError(t, metal.Run(context.Background(), d, list))
}

// normal draws n values, the same ones each time.
func normal(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

type scaleArgs struct{ Scale float32 }

func scale(d *soft.Device, suffix string, in, out metal.View, n, group int, by float32) metal.Dispatch {
	return metal.Dispatch{
		Kernel: "smoke_scale_" + suffix,
		In:     []metal.View{in}, Out: []metal.View{out},
		Args: bytesOf(scaleArgs{by}), Grid: x(n), Group: x(group),
	}
}

type normArgs struct {
	N   uint32
	Eps float32
}

func norm(in, w, out metal.View, rows, n, group int) metal.Dispatch {
	return metal.Dispatch{
		Kernel: "smoke_norm_f32",
		In:     []metal.View{in, w}, Out: []metal.View{out},
		Args: bytesOf(normArgs{uint32(n), 1e-5}), Grid: x(rows * group), Group: x(group),
	}
}
