// Package null is a device that runs nothing and stores nothing. It checks the
// bindings of a program and counts bytes, FLOPs and launches, so that the step
// of a 70-billion-parameter model can be planned on a laptop.
package null

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/ftmetal/ftmetal/metal"
)

func init() {
	metal.Register("null", func() (metal.Device, error) { return New(), nil })
}

// Totals is what a device's programs would have done.
type Totals struct {
	Launches, FLOPs, Traffic int64
}

// Device counts; its buffers have a length and no bytes.
type Device struct {
	allocated int64
	totals    Totals
}

// New returns a device with unbounded memory.
func New() *Device { return &Device{} }

// buffer has an identity (its address) and a length.
type buffer struct{ n int64 }

func (b *buffer) Len() int64    { return b.n }
func (b *buffer) Bytes() []byte { return nil }

// Info reports a device without host memory.
func (d *Device) Info() metal.Info {
	return metal.Info{Name: "null", Architecture: "none", MemoryBytes: math.MaxInt64, MaxBuffer: math.MaxInt64}
}

// Alloc returns a buffer without memory behind it.
func (d *Device) Alloc(n int64) (metal.Buffer, error) {
	d.allocated += n
	return &buffer{n}, nil
}

// Wrap returns a buffer as long as data.
func (d *Device) Wrap(data []byte) (metal.Buffer, error) { return &buffer{int64(len(data))}, nil }

// Free forgets b.
func (d *Device) Free(b metal.Buffer) {}

// Close does nothing.
func (d *Device) Close() error { return nil }

// Totals is what the programs run so far would have done.
func (d *Device) Totals() Totals { return d.totals }

// Prepare checks that every view lies inside its buffer.
func (d *Device) Prepare(list []metal.Dispatch) (metal.Program, error) {
	p := &program{dev: d, list: list}
	for i := range list {
		op := &list[i]
		for j, v := range append(append([]metal.View{}, op.In...), op.Out...) {
			if v.Buf == nil || v.Off < 0 || v.Len < 0 || v.Off+v.Len > v.Buf.Len() {
				return nil, fmt.Errorf("null: %s: binding %d is outside its buffer", op.Kernel, j)
			}
		}
		p.sum.Launches++
		p.sum.FLOPs += op.FLOPs
		p.sum.Traffic += op.Traffic()
	}
	return p, nil
}

type program struct {
	dev  *Device
	list []metal.Dispatch
	sum  Totals
}

// Run counts the list.
func (p *program) Run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &p.dev.totals
	t.Launches += p.sum.Launches
	t.FLOPs += p.sum.FLOPs
	t.Traffic += p.sum.Traffic
	return nil
}

// Profile counts the list; every dispatch takes no time.
func (p *program) Profile(ctx context.Context) ([]time.Duration, error) {
	return make([]time.Duration, len(p.list)), p.Run(ctx)
}

func (p *program) Close() {}
