package soft_test

import (
	"context"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/null"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// One wrong dispatch per rule of Metal's validation layer.
func TestPrepareRefuses(t *testing.T) {
	d, other := open(t, soft.Options{}), open(t, soft.Options{})
	good := func() metal.Dispatch {
		return scale(d, "f32", view(t, d, normal(64, 1)), view(t, d, make([]float32, 64)), 64, 32, 1)
	}
	foreign := view(t, other, normal(64, 1))
	nothing, err := null.New().Alloc(256)
	require.NoError(t, err)
	freed := view(t, d, normal(64, 1))
	d.Free(freed.Buf)
	for _, c := range []struct {
		change func(op *metal.Dispatch)
		want   string
	}{
		{func(op *metal.Dispatch) { op.Kernel = "smoke_scale_f64" }, "smoke_scale_f64: there is no such kernel"},
		{func(op *metal.Dispatch) { op.In = nil }, "smoke_scale_f32: 1 buffers are bound, the kernel has 2"},
		{func(op *metal.Dispatch) { op.Args = op.Args[:2] }, "smoke_scale_f32: args are 2 bytes, the kernel's struct is 4"},
		{func(op *metal.Dispatch) { op.In[0].Buf = nil }, "smoke_scale_f32: buffer 0: nothing is bound"},
		{func(op *metal.Dispatch) { op.In[0] = foreign }, "smoke_scale_f32: buffer 0: the buffer was freed, or belongs to another device"},
		{func(op *metal.Dispatch) { op.In[0] = freed }, "smoke_scale_f32: buffer 0: the buffer was freed, or belongs to another device"},
		{func(op *metal.Dispatch) { op.Out[0].Buf = nothing }, "smoke_scale_f32: buffer 1: a buffer of another device (*null.buffer)"},
		{func(op *metal.Dispatch) { op.Out[0].Off = 4 }, "smoke_scale_f32: buffer 1: bytes [4, 260) are outside the buffer of 256"},
		{func(op *metal.Dispatch) { op.Out[0].Off, op.Out[0].Len = -4, 4 }, "smoke_scale_f32: buffer 1: bytes [-4, 0) are outside the buffer of 256"},
		{func(op *metal.Dispatch) { op.Out[0].Off, op.Out[0].Len = 2, 4 }, "smoke_scale_f32: buffer 1: offset 2 is not a multiple of the element's 4 bytes"},
		{func(op *metal.Dispatch) { op.Out, op.In = nil, append(op.In, op.Out...) }, "smoke_scale_f32: buffer 1 is an input, the kernel declares it as device T*"},
		{func(op *metal.Dispatch) { op.In, op.Out = nil, append(op.In, op.Out...) }, "smoke_scale_f32: buffer 0 is an output, the kernel declares it as device const T*"},
		{func(op *metal.Dispatch) { op.Grid.Y = 0 }, "smoke_scale_f32: grid 64×0×1 has an extent outside 1…2³²-1"},
		{func(op *metal.Dispatch) { op.Group.Z = -1 }, "smoke_scale_f32: threadgroup 32×1×-1 has an extent outside 1…2³²-1"},
		{func(op *metal.Dispatch) { op.Group.Y = 33 }, "smoke_scale_f32: threadgroup 32×33×1 has more than 1024 threads"},
	} {
		op := good()
		c.change(&op)
		_, err := d.Prepare([]metal.Dispatch{good(), op})
		require.EqualError(t, err, "soft: dispatch 1, "+c.want)
	}
	require.NoError(t, metal.Run(context.Background(), d, []metal.Dispatch{good()}))
}

func TestMemory(t *testing.T) {
	d := open(t, soft.Options{})
	_, err := d.Alloc(0)
	require.EqualError(t, err, "soft: a buffer of 0 bytes")
	_, err = d.Alloc(1 << 62)
	require.ErrorContains(t, err, "soft: a buffer of 4096.00 PiB: ")
	_, err = d.Wrap(nil)
	require.EqualError(t, err, "soft: wrapping no bytes")
	// Wrapped memory is used where it is.
	data := bytesOf([4]float32{1, 2, 3, 4})
	b, err := d.Wrap(data)
	require.NoError(t, err)
	out := view(t, d, make([]float32, 4))
	run(t, d, scale(d, "f32", metal.View{Buf: b, Len: 16}, out, 4, 4, 3))
	require.Equal(t, []float32{3, 6, 9, 12}, as[float32](out))
	d.Free(b)
	require.PanicsWithValue(t, "soft: Free of a buffer that this device does not own", func() { d.Free(b) })
	require.Contains(t, d.Info().Name, "software Metal (")
	require.Positive(t, d.Info().MemoryBytes)
}

func TestRegistered(t *testing.T) {
	d, choice, err := metal.Open("soft")
	require.NoError(t, err)
	require.Equal(t, "soft", choice.Name)
	require.NoError(t, d.Close())
}
