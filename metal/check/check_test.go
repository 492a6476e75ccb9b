package check_test

import (
	"context"
	"math"
	"testing"
	"time"
	"unsafe"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/check"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// faulty is a device that lets a fault happen after each dispatch.
type faulty struct {
	metal.Device
	fault func(op *metal.Dispatch)
}

type faultyProgram struct {
	metal.Program
	list  []metal.Dispatch
	fault func(op *metal.Dispatch)
}

func (d *faulty) Prepare(list []metal.Dispatch) (metal.Program, error) {
	p, err := d.Device.Prepare(list)
	return &faultyProgram{p, list, d.fault}, err
}

func (p *faultyProgram) Run(ctx context.Context) error {
	err := p.Program.Run(ctx)
	for i := range p.list {
		p.fault(&p.list[i])
	}
	return err
}

func (p *faultyProgram) Profile(ctx context.Context) ([]time.Duration, error) {
	return make([]time.Duration, len(p.list)), p.Run(ctx)
}

// emitter collects dispatches; the kernel under test needs no scratch.
type emitter struct{ list []metal.Dispatch }

func (e *emitter) Emit(d metal.Dispatch)      { e.list = append(e.list, d) }
func (e *emitter) Scratch(n int64) metal.View { panic("no scratch") }
func floatsOf(v metal.View) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(&v.Bytes()[0])), v.Len/4)
}
func exact() metal.Device                      { return soft.New(soft.Options{}) }
func after(f func(op *metal.Dispatch)) *faulty { return &faulty{exact(), f} }
func block(t *testing.T, d metal.Device, n int) metal.View {
	t.Helper()
	b, err := d.Alloc(int64(n))
	require.NoError(t, err)
	return metal.View{Buf: b, Len: int64(n)}
}

// double runs x+x of 40 floats on d and returns the result.
func double(t *testing.T, d metal.Device) ([]float32, error) {
	t.Helper()
	x, out := block(t, d, 160), block(t, d, 160)
	for i := range floatsOf(x) {
		floatsOf(x)[i] = float32(i) - 7.5
	}
	var e emitter
	in := kernels.Contig(x, metal.Float32, 40)
	kernels.Binary(&e, kernels.Add, in, in, kernels.Contig(out, metal.Float32, 40))
	p, err := d.Prepare(e.list)
	require.NoError(t, err)
	defer p.Close()
	err = p.Run(context.Background())
	return floatsOf(out), err
}

func TestAgreement(t *testing.T) {
	d, err := check.New(exact(), exact())
	require.NoError(t, err)
	got, err := double(t, d)
	require.NoError(t, err)
	for i, v := range got {
		require.Equal(t, 2*float32(i)-15, v)
	}
	require.NoError(t, d.Close())
}

// Each fault is found, and named.
func TestFaultsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(op *metal.Dispatch)
		want  string
	}{
		"wrong value": {func(op *metal.Dispatch) { floatsOf(op.Out[0])[3] *= 1.0001 },
			"check: dispatch 0: binary_f32: output 0 differs at element 3: got -9.0009002"},
		"NaN":           {func(op *metal.Dispatch) { floatsOf(op.Out[0])[39] = float32(math.NaN()) }, "output 0 differs at element 39: got NaN, want 63"},
		"changed input": {func(op *metal.Dispatch) { floatsOf(op.In[0])[1]++ }, "binary_f32: input 0 was changed"},
		"wrote behind": {func(op *metal.Dispatch) {
			v := op.Out[0]
			v.Buf.Bytes()[v.Off+v.Len] = 1
		}, "binary_f32: wrote outside a block of 160 bytes, at byte 160"},
		"wrote before": {func(op *metal.Dispatch) {
			v := op.Out[0]
			v.Buf.Bytes()[v.Off-1] = 1
		}, "binary_f32: wrote outside a block of 160 bytes, at byte -1"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := check.New(after(c.fault), exact())
			require.NoError(t, err)
			_, err = double(t, d)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// A difference that rounding explains is none: a float32 sum in another order.
func TestRoundingIsNoFault(t *testing.T) {
	d, err := check.New(after(func(op *metal.Dispatch) {
		v := floatsOf(op.Out[0])
		v[30] = math.Nextafter32(v[30], 1000)
	}), exact())
	require.NoError(t, err)
	_, err = double(t, d)
	require.NoError(t, err)
}

// The device is there by name, and compares the best device with exact mode.
func TestOpenByName(t *testing.T) {
	d, choice, err := metal.Open("check")
	require.NoError(t, err)
	require.Equal(t, metal.Choice{Name: "check", Reason: "asked for"}, choice)
	require.Contains(t, d.Info().Name, " checked against software Metal")
	_, err = double(t, d)
	require.NoError(t, err)
	require.NoError(t, d.Close())
}
