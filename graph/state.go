package graph

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/ftmetal/ftmetal/metal"
)

// NewState is an array of zeros in device memory of its own, whose contents the
// host may change between calls of compiled functions (WriteState), and which
// compiled functions may take over (CompileOptions.Donate).
func NewState(rt *Runtime, what string, dt metal.DType, shape ...int) (*Array, error) {
	checkShape("NewState", shape, dt)
	all, err := newStates(rt, what, dt, 1, shape)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// NewStates is n arrays as NewState makes them, in one block: together they may
// fill the large pages that each alone would not.
func NewStates(rt *Runtime, what string, dt metal.DType, n int, shape ...int) ([]*Array, error) {
	checkShape("NewStates", shape, dt)
	check(n > 0, "NewStates", "%d arrays, want at least 1", n)
	return newStates(rt, what, dt, n, shape)
}

func newStates(rt *Runtime, what string, dt metal.DType, n int, shape []int) ([]*Array, error) {
	const line = 64 // bytes of the processor's cache that no two arrays share
	size := int64(sizeOf(shape)) * int64(dt.Size())
	apart := (size + line - 1) / line * line
	buf, err := rt.alloc(max(int64(n)*apart, 1), what)
	if err != nil {
		return nil, err
	}
	clear(buf.Bytes())
	st := newStorage(rt.Pool, buf)
	all := make([]*Array, n)
	for i := range all {
		all[i] = FromBuffer(metal.View{Buf: buf, Off: int64(i) * apart, Len: size}, dt, shape...)
		all[i].data.storage = st
	}
	return all, nil
}

// Placeholder has a shape and a dtype and no value: it stands for an argument
// when a compiled function is planned and not run.
func Placeholder(dt metal.DType, shape ...int) *Array {
	checkShape("Placeholder", shape, dt)
	return &Array{shape: append([]int{}, shape...), dtype: dt}
}

// WriteState overwrites the elements of a state array.
func WriteState[T Element](a *Array, values []T) error {
	present("WriteState", a)
	if dtypeOf[T]() != a.dtype || len(values) != a.Size() {
		return fmt.Errorf("graph: WriteState: %d elements of %T for %v", len(values), *new(T), a)
	}
	if len(values) == 0 {
		return nil
	}
	return WriteStateRaw(a, unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(values)*a.dtype.Size()))
}

// WriteStateRaw overwrites the bytes of a state array.
func WriteStateRaw(a *Array, raw []byte) error {
	present("WriteStateRaw", a)
	if err := stored("WriteState", a, true); err != nil {
		return err
	}
	if int64(len(raw)) != a.NBytes() {
		return fmt.Errorf("graph: WriteState: %d bytes for %v", len(raw), a)
	}
	if dst := a.tensor().View.Bytes(); dst != nil {
		copy(dst, raw)
	}
	return nil
}

// ReadState is a copy of the elements of a float32 state array.
func ReadState(a *Array) ([]float32, error) {
	present("ReadState", a)
	if err := stored("ReadState", a, false); err != nil {
		return nil, err
	}
	out := make([]float32, a.Size())
	if a.dtype != metal.Float32 {
		return nil, fmt.Errorf("graph: ReadState: array is %v, want float32", a)
	}
	if src := a.tensor().View.Bytes(); src != nil && len(out) > 0 {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&out[0])), len(src)), src)
	}
	return out, nil
}

// stored is an error unless a has memory of a device that is still there. It
// waits for streams that write it, and if write is set for those that read it.
func stored(op string, a *Array, write bool) error {
	switch {
	case a.data == nil:
		return fmt.Errorf("graph: %s: %v is not evaluated", op, a)
	case a.data.storage == nil:
		return fmt.Errorf("graph: %s: %v has no device memory of its own", op, a)
	case a.data.storage.closed():
		return gone(op, a.String())
	}
	return a.data.storage.pending.await(context.Background(), write)
}

// HostBytes is the memory of an evaluated row-major array, without a copy.
func HostBytes(a *Array) ([]byte, error) {
	present("HostBytes", a)
	if a.data != nil && a.data.host != nil {
		return a.data.host, nil
	}
	if err := stored("HostBytes", a, false); err != nil {
		return nil, err
	}
	if !a.tensor().Contiguous() {
		return nil, fmt.Errorf("graph: HostBytes: %v is a strided view", a)
	}
	return a.tensor().View.Bytes(), nil
}
