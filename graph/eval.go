package graph

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/internal/half"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Eval computes arrays on the default runtime and waits for them, and for what
// AsyncEval began of them. Arrays that hold data already cost nothing. Mirrors
// mx.eval.
func Eval(ctx context.Context, arrays ...*Array) error {
	todo, err := unevaluated("Eval", arrays)
	if err != nil {
		return err
	}
	for _, a := range arrays {
		if a.data != nil && a.data.storage != nil {
			if err := a.data.storage.pending.await(ctx, false); err != nil {
				return err
			}
		}
	}
	if len(todo) == 0 {
		return nil
	}
	plan, b, err := bound(todo)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.await(ctx, false); err != nil {
		return err
	}
	if _, err := plan.execute(ctx, b, false); err != nil {
		b.discard()
		return err
	}
	assign(todo, b.outputs)
	return nil
}

// unevaluated is the arrays that hold no data, each once.
func unevaluated(op string, arrays []*Array) ([]*Array, error) {
	var todo []*Array
	seen := map[*Array]bool{}
	for i, a := range arrays {
		if a == nil {
			return nil, &Error{Op: op, Msg: fmt.Sprintf("array %d is nil", i), Site: siteOf(nil)}
		}
		if a.data == nil && !seen[a] {
			seen[a] = true
			todo = append(todo, a)
		}
	}
	return todo, nil
}

// bound is the plan of arrays, with memory of the default runtime behind it.
func bound(todo []*Array) (plan *Plan, b *binding, err error) {
	rt, err := Default()
	if err != nil {
		return nil, nil, err
	}
	if err := Catch(func() { plan = newPlan(todo, nil, nil) }); err != nil {
		return nil, nil, err // an op that does not take its operands
	}
	b, err = plan.bind(rt, nil, nil)
	return plan, b, err
}

// assign gives arrays their data.
func assign(todo []*Array, outs []*data) {
	for i, a := range todo {
		a.data = outs[i]
		if tracing.Load() == 0 {
			a.node = nil
		}
	}
}

// execute runs a bound plan. With FTMETAL_DEBUG=2 every dispatch is timed and
// printed.
func (p *Plan) execute(ctx context.Context, b *binding, profile bool) ([]KernelTime, error) {
	verbose := debug.Level() >= 2
	if !profile && !verbose {
		if err := b.program.Run(ctx); err != nil {
			return nil, err
		}
		return nil, b.verify(p.checks)
	}
	spent, err := b.program.Profile(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.verify(p.checks); err != nil {
		return nil, err
	}
	times := make([]KernelTime, len(spent))
	for i, t := range spent {
		d := &p.list[i]
		times[i] = KernelTime{d.Kernel, p.labels[i], t, d.FLOPs, d.Traffic()}
		if verbose {
			debug.Logf("%4d %-28s %10.3f ms %9.2f GFLOP/s %8.2f GB/s  %s", i, d.Kernel, t.Seconds()*1e3,
				float64(d.FLOPs)/t.Seconds()/1e9, float64(d.Traffic())/t.Seconds()/1e9, p.labels[i])
		}
	}
	return times, nil
}

// binding is a plan with memory behind every slot, ready to run.
type binding struct {
	rt      *Runtime
	program metal.Program
	owned   []metal.Buffer // constants, and the arena unless that is shared
	arena   metal.Buffer   // nil: no temporaries
	outputs []*data
	made    []*storage   // memory of the outputs
	keep    []*storage   // that, and memory of others that the program reads
	found   []metal.View // what the plan's checks find
}

// close frees the arena; outputs stay.
func (b *binding) close() {
	if b.program != nil {
		b.program.Close()
	}
	for _, buf := range b.owned {
		b.rt.Pool.Free(buf)
	}
	b.owned = nil
}

// discard frees the outputs: there will be no arrays over them.
func (b *binding) discard() {
	for _, s := range b.made {
		s.free()
	}
	b.made, b.keep, b.outputs = nil, nil, nil
}

// bind allocates the arena, the constants and the outputs, and prepares the
// dispatch list. args holds the data of the plan's arguments; shared, if not
// nil, lends the arena.
func (p *Plan) bind(rt *Runtime, args []*data, shared *Arena) (*binding, error) {
	if p.double != "" && !rt.Device.Info().Float64 {
		return nil, fmt.Errorf("graph: %s: dtype float64 is not supported by %s; float32 is", p.double, rt.Device.Info().Name)
	}
	b := &binding{rt: rt}
	where := make([]metal.View, len(p.slots))
	if shared != nil {
		var err error
		if b.arena, err = shared.reserve(rt, p.ArenaBytes); err != nil {
			return nil, err
		}
	}
	if err := p.place(b, where, args); err != nil {
		b.close()
		b.discard()
		return nil, err
	}
	list := make([]metal.Dispatch, len(p.list))
	resolve := func(views []metal.View) []metal.View {
		out := make([]metal.View, len(views))
		for i, v := range views {
			w := where[v.Buf.(*slot).root().id]
			out[i] = metal.View{Buf: w.Buf, Off: w.Off + v.Off, Len: v.Len}
		}
		return out
	}
	for i, d := range p.list {
		d.In, d.Out = resolve(d.In), resolve(d.Out)
		list[i] = d
	}
	program, err := rt.Device.Prepare(list)
	if err != nil {
		b.close()
		b.discard()
		return nil, err
	}
	b.program = program
	return b, nil
}

// gone is the error of using memory of a runtime that is closed.
func gone(op, what string) error {
	return &Error{Op: op, Msg: what + " lies in the memory of a runtime that was closed, or of another one than the default", Site: siteOf(nil)}
}

// place finds memory for every slot.
func (p *Plan) place(b *binding, where []metal.View, args []*data) error {
	alloc := func(n int64, what string) (metal.Buffer, error) {
		if n == 0 {
			return nil, nil
		}
		buf, err := b.rt.alloc(n, what)
		if err == nil {
			b.owned = append(b.owned, buf)
		}
		return buf, err
	}
	if b.arena == nil {
		var err error
		if b.arena, err = alloc(p.ArenaBytes, "temporaries"); err != nil {
			return err
		}
	}
	consts, err := alloc(p.consts, "constants")
	if err != nil {
		return err
	}
	for _, s := range p.slots {
		if s.first < 0 && s.output == 0 && s.input == 0 {
			continue
		}
		v := metal.View{Len: s.size}
		switch {
		case s.input > 0:
			d := args[s.input-1]
			if !d.storage.lives(b.rt) {
				return gone("Call", s.label)
			}
			v.Buf, v.Off = d.storage.buf, d.base
			b.keep = append(b.keep, d.storage)
		case s.output > 0:
			buf, err := b.rt.alloc(s.size, "output "+s.label)
			if err != nil {
				return err
			}
			st := newStorage(b.rt.Pool, buf)
			b.made, b.keep = append(b.made, st), append(b.keep, st)
			v.Buf = buf
		case s.constant != nil:
			v.Buf, v.Off = consts, s.off
			if v.Buf.Bytes() != nil {
				copy(v.Bytes(), s.constant)
			}
		case s.storage != nil:
			if !s.storage.lives(b.rt) {
				return gone("Eval", s.label)
			}
			v.Buf = s.storage.buf
			b.keep = append(b.keep, s.storage)
		case s.into == nil:
			v.Buf, v.Off = b.arena, s.off
		}
		where[s.id] = v
	}
	for _, c := range p.checks {
		b.found = append(b.found, where[c.found.id])
	}
	for _, t := range p.outputs {
		s := t.View.Buf.(*slot)
		if s.input > 0 {
			b.outputs = append(b.outputs, args[s.input-1])
			continue
		}
		for _, st := range b.keep {
			if st.buf == where[s.id].Buf {
				b.outputs = append(b.outputs, &data{storage: st, strides: kernels.RowMajor(t.Shape), length: s.size})
				break
			}
		}
	}
	return nil
}

// Upload moves a's host data to device memory, so that it can be an argument of
// a compiled function.
func upload(rt *Runtime, a *Array) error {
	d := a.data
	if d == nil || d.storage != nil {
		return nil
	}
	buf, err := rt.alloc(max(d.length, 1), "array "+a.String())
	if err != nil {
		return err
	}
	if buf.Bytes() != nil {
		copy(buf.Bytes(), d.host)
	}
	d.storage, d.host = newStorage(rt.Pool, buf), nil
	return nil
}

// Bytes evaluates a and returns a copy of its elements in row-major order.
func Bytes(ctx context.Context, a *Array) ([]byte, error) {
	if a != nil && a.data != nil && a.data.host == nil && !a.tensor().Contiguous() {
		a = Contiguous(a)
	}
	if err := Eval(ctx, a); err != nil {
		return nil, err
	}
	if a.data.host != nil {
		return append([]byte{}, a.data.host...), nil
	}
	if a.data.storage.closed() {
		return nil, gone("Bytes", a.String())
	}
	raw := a.tensor().View.Bytes()
	if raw == nil && a.Size() > 0 {
		return nil, fmt.Errorf("graph: this device has no memory to read %v from", a)
	}
	return append([]byte{}, raw...), nil
}

// Read evaluates a and returns its elements in row-major order. T must be a's
// element type. Mirrors array.tolist.
func Read[T Element](ctx context.Context, a *Array) ([]T, error) {
	present("Read", a)
	if dt := dtypeOf[T](); dt != a.dtype {
		return nil, fmt.Errorf("graph: Read: array is %s, want %s", a.dtype, dt)
	}
	raw, err := Bytes(ctx, a)
	if err != nil {
		return nil, err
	}
	out := make([]T, a.Size())
	if len(out) > 0 {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&out[0])), len(raw)), raw)
	}
	return out, nil
}

// Floats evaluates a and returns its elements as float64, whatever its real
// dtype.
func Floats(ctx context.Context, a *Array) ([]float64, error) {
	present("Floats", a)
	check(a.dtype != metal.Complex64, "Floats", "array is %v, want real numbers", a)
	raw, err := Bytes(ctx, a)
	if err != nil {
		return nil, err
	}
	return decodeFloats(raw, a.dtype), nil
}

// Item evaluates a one-element array and returns its value. Mirrors array.item.
func Item(ctx context.Context, a *Array) (float64, error) {
	present("Item", a)
	check(a.Size() == 1, "Item", "array has shape %v, want one element", a.shape)
	v, err := Floats(ctx, a)
	if err != nil {
		return 0, err
	}
	return v[0], nil
}

func decodeFloats(raw []byte, dt metal.DType) []float64 {
	n := len(raw) / dt.Size()
	out := make([]float64, n)
	if n == 0 {
		return out
	}
	p := unsafe.Pointer(&raw[0])
	switch dt {
	case metal.Bool, metal.Uint8:
		widen(out, unsafe.Slice((*uint8)(p), n))
	case metal.Uint16:
		widen(out, unsafe.Slice((*uint16)(p), n))
	case metal.Uint32:
		widen(out, unsafe.Slice((*uint32)(p), n))
	case metal.Uint64:
		widen(out, unsafe.Slice((*uint64)(p), n))
	case metal.Int8:
		widen(out, unsafe.Slice((*int8)(p), n))
	case metal.Int16:
		widen(out, unsafe.Slice((*int16)(p), n))
	case metal.Int32:
		widen(out, unsafe.Slice((*int32)(p), n))
	case metal.Int64:
		widen(out, unsafe.Slice((*int64)(p), n))
	case metal.Float32:
		widen(out, unsafe.Slice((*float32)(p), n))
	case metal.Float64:
		copy(out, unsafe.Slice((*float64)(p), n))
	case metal.Float16, metal.BFloat16:
		for i, b := range unsafe.Slice((*uint16)(p), n) {
			if dt == metal.Float16 {
				out[i] = float64(half.F16ToF32(b))
			} else {
				out[i] = float64(half.BF16ToF32(b))
			}
		}
	default:
		fail("Floats", "dtype %s is not a real number", dt)
	}
	return out
}

func widen[T uint8 | uint16 | uint32 | uint64 | int8 | int16 | int32 | int64 | float32](dst []float64, src []T) {
	for i, v := range src {
		dst[i] = float64(v)
	}
}

// contiguous copies its input to row-major order.
type contiguous struct{}

// Contiguous is a in row-major memory of its own. Mirrors mx.contiguous.
func Contiguous(a *Array) *Array {
	present("Contiguous", a)
	return apply1(contiguous{}, a.shape, a.dtype, a)
}

func (contiguous) String() string                              { return "Contiguous" }
func (contiguous) Lower(l *Lowering, in, out []kernels.Tensor) { kernels.Copy(l, in[0], out[0]) }
func (contiguous) VJP(c *Cotangents) []*Array                  { return []*Array{c.Cot[0]} }
