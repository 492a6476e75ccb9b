// Package check wraps a device so that every dispatch also runs on a second
// one, on copies of the same bytes, and is compared: the first difference stops
// the program with the kernel's name and the element. Guard bytes round every
// block of memory are checked after each dispatch.
//
// The device registered as "check" compares the best device with the exact mode
// of the software device. It is slow, and finds the dispatch that is wrong instead of the loss that is.
package check

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"time"
	"unsafe"

	"github.com/ftmetal/ftmetal/internal/half"
	"github.com/ftmetal/ftmetal/metal"
)

// guardBytes surround each block on both sides.
const guardBytes = 256

// guardValue fills them: a NaN in every floating-point type.
const guardValue = 0xFF

func init() {
	metal.Register("check", func() (metal.Device, error) {
		primary, _, err := metal.Open("")
		if err != nil {
			return nil, err
		}
		reference, _, err := metal.Open("exact")
		if err != nil {
			primary.Close()
			return nil, err
		}
		return New(primary, reference)
	})
}

// Device runs on a primary device and compares with a reference.
type Device struct {
	primary, reference metal.Device
	blocks             []*buffer
}

// New wraps primary. The reference must have host memory; it may be the same
// kind of device in another mode, such as the software device without native
// kernels.
func New(primary, reference metal.Device) (*Device, error) {
	if !primary.Info().HostMemory || !reference.Info().HostMemory {
		return nil, fmt.Errorf("check: both devices need host memory to compare")
	}
	return &Device{primary: primary, reference: reference}, nil
}

// buffer is a block of the primary device with guards round it.
type buffer struct {
	inner metal.Buffer
	n     int64
}

func (b *buffer) Len() int64    { return b.n }
func (b *buffer) Bytes() []byte { return b.inner.Bytes()[guardBytes : guardBytes+b.n] }

// guards reports the first guard byte that was overwritten, relative to the
// block.
func (b *buffer) guards() (at int64, ok bool) {
	all := b.inner.Bytes()
	for i, v := range all[:guardBytes] {
		if v != guardValue {
			return int64(i) - guardBytes, false
		}
	}
	for i, v := range all[guardBytes+b.n:] {
		if v != guardValue {
			return b.n + int64(i), false
		}
	}
	return 0, true
}

// wrapped is host memory that kernels only read; it has no guards.
type wrapped struct{ metal.Buffer }

// Info names both devices.
func (d *Device) Info() metal.Info {
	info := d.primary.Info()
	info.Name = fmt.Sprintf("%s checked against %s", info.Name, d.reference.Info().Name)
	return info
}

// Alloc returns a guarded block.
func (d *Device) Alloc(n int64) (metal.Buffer, error) {
	inner, err := d.primary.Alloc(n + 2*guardBytes)
	if err != nil {
		return nil, err
	}
	b := &buffer{inner, n}
	all := inner.Bytes()
	for i := range all {
		if i < guardBytes || int64(i) >= guardBytes+n {
			all[i] = guardValue
		}
	}
	d.blocks = append(d.blocks, b)
	return b, nil
}

// Wrap makes host memory addressable.
func (d *Device) Wrap(data []byte) (metal.Buffer, error) {
	b, err := d.primary.Wrap(data)
	if err != nil {
		return nil, err
	}
	return wrapped{b}, nil
}

// Free releases a block.
func (d *Device) Free(b metal.Buffer) {
	switch b := b.(type) {
	case *buffer:
		for i, x := range d.blocks {
			if x == b {
				d.blocks = append(d.blocks[:i], d.blocks[i+1:]...)
				break
			}
		}
		d.primary.Free(b.inner)
	case wrapped:
		d.primary.Free(b.Buffer)
	}
}

// Close closes both devices.
func (d *Device) Close() error {
	if err := d.reference.Close(); err != nil {
		return err
	}
	return d.primary.Close()
}

// Prepare keeps the list; each dispatch is prepared on both devices when it
// runs, since the reference works on copies.
func (d *Device) Prepare(list []metal.Dispatch) (metal.Program, error) {
	p, err := d.primary.Prepare(unwrapAll(list))
	if err != nil {
		return nil, err
	}
	p.Close()
	return &program{d, list}, nil
}

func unwrapAll(list []metal.Dispatch) []metal.Dispatch {
	out := make([]metal.Dispatch, len(list))
	for i, op := range list {
		op.In, op.Out = unwrap(op.In), unwrap(op.Out)
		out[i] = op
	}
	return out
}

func unwrap(views []metal.View) []metal.View {
	out := make([]metal.View, len(views))
	for i, v := range views {
		switch b := v.Buf.(type) {
		case *buffer:
			v = metal.View{Buf: b.inner, Off: v.Off + guardBytes, Len: v.Len}
		case wrapped:
			v.Buf = b.Buffer
		}
		out[i] = v
	}
	return out
}

type program struct {
	dev  *Device
	list []metal.Dispatch
}

func (p *program) Close() {}

// Run executes and compares the dispatches one after another.
func (p *program) Run(ctx context.Context) error {
	_, err := p.Profile(ctx)
	return err
}

// Profile is Run with the time each dispatch took on the primary device.
func (p *program) Profile(ctx context.Context) ([]time.Duration, error) {
	times := make([]time.Duration, len(p.list))
	for i := range p.list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var err error
		if times[i], err = p.dev.step(ctx, &p.list[i]); err != nil {
			return nil, fmt.Errorf("check: dispatch %d: %w", i, err)
		}
	}
	return times, nil
}

// step runs one dispatch on the reference, on copies, then on the primary.
func (d *Device) step(ctx context.Context, op *metal.Dispatch) (time.Duration, error) {
	ref, copies, err := d.replica(op)
	if err != nil {
		return 0, err
	}
	defer func() {
		for _, b := range copies {
			d.reference.Free(b)
		}
	}()
	if err := metal.Run(ctx, d.reference, []metal.Dispatch{ref}); err != nil {
		return 0, fmt.Errorf("on the reference: %w", err)
	}
	inputs := make([][]byte, len(op.In))
	for i, v := range op.In {
		inputs[i] = bytes.Clone(v.Bytes())
	}
	began := time.Now()
	if err := metal.Run(ctx, d.primary, unwrapAll([]metal.Dispatch{*op})); err != nil {
		return 0, err
	}
	took := time.Since(began)
	return took, d.verify(op, &ref, inputs)
}

// replica is op over copies of its memory: one copy for each buffer, of what lies
// between the first and the last byte that op names, so that in-place kernels see
// what they expect and a small view of a large file costs little.
func (d *Device) replica(op *metal.Dispatch) (metal.Dispatch, []metal.Buffer, error) {
	ref := *op
	views := append(append([]metal.View{}, op.In...), op.Out...)
	type part struct {
		from, to int64
		copy     metal.Buffer
	}
	parts := map[metal.Buffer]*part{}
	for _, v := range views {
		const aligned = 256 // more than any element asks for
		p := parts[v.Buf]
		if p == nil {
			p = &part{from: v.Off / aligned * aligned, to: v.Off + v.Len}
			parts[v.Buf] = p
		}
		p.from, p.to = min(p.from, v.Off/aligned*aligned), max(p.to, v.Off+v.Len)
	}
	var copies []metal.Buffer
	for b, p := range parts {
		c, err := d.reference.Alloc(max(p.to-p.from, 1))
		if err != nil {
			return ref, copies, err
		}
		copy(c.Bytes(), b.Bytes()[p.from:p.to])
		p.copy = c
		copies = append(copies, c)
	}
	for i, v := range views {
		p := parts[v.Buf]
		views[i] = metal.View{Buf: p.copy, Off: v.Off - p.from, Len: v.Len}
	}
	ref.In, ref.Out = views[:len(op.In):len(op.In)], views[len(op.In):]
	return ref, copies, nil
}

// verify compares outputs, inputs that must not have changed, and guards.
func (d *Device) verify(op, ref *metal.Dispatch, inputs [][]byte) error {
	for i, v := range op.Out {
		if at, got, want, ok := compare(op.Kernel, v.Bytes(), ref.Out[i].Bytes()); !ok {
			return fmt.Errorf("%s: output %d differs at element %d: got %v, want %v", op.Kernel, i, at, got, want)
		}
	}
	for i, v := range op.In {
		written := false
		for _, o := range op.Out {
			written = written || o.Overlaps(v)
		}
		if !written && !bytes.Equal(inputs[i], v.Bytes()) {
			return fmt.Errorf("%s: input %d was changed", op.Kernel, i)
		}
	}
	for _, b := range d.blocks {
		if at, ok := b.guards(); !ok {
			return fmt.Errorf("%s: wrote outside a block of %d bytes, at byte %d", op.Kernel, b.n, at)
		}
	}
	return nil
}

// compare checks two outputs bit for bit, and where they differ as numbers:
// |got-want| ≤ eps(dtype)·|want| + 32·eps(float32)·max|want|, with the largest
// value of the output standing in for the magnitude of the sums behind it. The
// element type is the kernel's, or float32, in which kernels of every dtype keep
// statistics.
func compare(kernel string, got, want []byte) (at int, g, w float64, ok bool) {
	if bytes.Equal(got, want) {
		return 0, 0, 0, true
	}
	for i, e := range elements(kernel, len(got)) {
		a, x, y, same := e.compare(got, want)
		if same {
			return 0, 0, 0, true
		}
		if i == 0 {
			at, g, w = a, x, y
		}
	}
	return at, g, w, false
}

// element is how the bytes of an output may be read.
type element struct {
	decode func([]byte) float64
	size   int
	eps    float64
}

// elements lists the readings of an output of n bytes: the dtype in the kernel's
// name, then float32. A kernel without a floating-point dtype is compared by its
// bytes.
func elements(kernel string, n int) []element {
	f32 := element{func(b []byte) float64 { return float64(*(*float32)(unsafe.Pointer(&b[0]))) }, 4, 1.0 / (1 << 23)}
	var found []element
	for _, part := range strings.Split(kernel, "_") {
		switch part {
		case "f32":
			found = []element{f32}
		case "f16":
			found = []element{{func(b []byte) float64 { return float64(half.F16ToF32(uint16(b[0]) | uint16(b[1])<<8)) }, 2, 1.0 / (1 << 10)}, f32}
		case "bf16":
			found = []element{{func(b []byte) float64 { return float64(half.BF16ToF32(uint16(b[0]) | uint16(b[1])<<8)) }, 2, 1.0 / (1 << 7)}, f32}
		}
	}
	if found == nil {
		found = []element{{func(b []byte) float64 { return float64(b[0]) }, 1, 0}}
	}
	var fit []element
	for _, e := range found {
		if n%e.size == 0 {
			fit = append(fit, e)
		}
	}
	return fit
}

// compare reports the first element that is too far off.
func (e element) compare(got, want []byte) (at int, g, w float64, ok bool) {
	const eps32 = 1.0 / (1 << 24)
	scale := 0.0
	for i := 0; e.eps > 0 && i+e.size <= len(want); i += e.size {
		if v := math.Abs(e.decode(want[i:])); !math.IsNaN(v) && !math.IsInf(v, 0) {
			scale = max(scale, v)
		}
	}
	for i := 0; i+e.size <= len(want); i += e.size {
		g, w := e.decode(got[i:]), e.decode(want[i:])
		if g == w || (math.IsNaN(g) && math.IsNaN(w)) {
			continue
		}
		if !(math.Abs(g-w) <= e.eps*math.Abs(w)+32*eps32*scale) {
			return i / e.size, g, w, false
		}
	}
	return 0, 0, 0, true
}
