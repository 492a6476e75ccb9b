package graph

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Array is an n-dimensional array: a node of a lazy graph, or data. Arrays are
// immutable and safe to share between goroutines once evaluated.
type Array struct {
	shape []int
	dtype metal.DType
	weak  bool    // a Go scalar: adopts the dtype of what it meets
	exact float64 // the value of a Go float, where its dtype rounds it
	node  *node
	index int // which output of node
	data  *data
}

// node is one application of an op. Its id is its place in creation order,
// which is the order of execution.
type node struct {
	id  int64
	op  Op
	in  []*Array
	out []*Array

	site string // the caller's line, with FTMETAL_DEBUG
}

// data is where an evaluated array lives: host bytes that are uploaded when
// first used, or a place in device memory.
type data struct {
	host    []byte // constants; nil once stored
	storage *storage
	strides []int
	offset  int   // elements from base to element 0; not 0 with negative strides
	base    int64 // bytes into the storage
	length  int64 // bytes covered from base
}

// storage owns a block of a pool; it is given back when no array refers to it.
type storage struct {
	buf     metal.Buffer
	pool    *metal.Pool // nil: memory that the caller keeps alive
	cleanup runtime.Cleanup
	pending pending // what streams do with it
}

// lives reports whether the memory is still there, and is rt's if it is anybody's.
func (s *storage) lives(rt *Runtime) bool {
	return s.pool == nil || s.pool == rt.Pool && !s.closed()
}

// closed reports whether the memory went with its pool.
func (s *storage) closed() bool { return s.pool != nil && s.pool.Closed() }

// newStorage makes buf live as long as the returned storage.
func newStorage(pool *metal.Pool, buf metal.Buffer) *storage {
	s := &storage{buf: buf, pool: pool}
	s.cleanup = runtime.AddCleanup(s, func(b metal.Buffer) { pool.Free(b) }, buf)
	return s
}

// free gives the block back at once: nothing refers to it.
func (s *storage) free() {
	s.cleanup.Stop()
	s.pool.Free(s.buf)
}

var nextID atomic.Int64

// keepSites has every node remember the caller's line, for what is found wrong
// when the graph runs.
var keepSites = debug.Level() >= 1

// apply creates a node with one output per (shape, dtype) pair.
func apply(op Op, in []*Array, outs ...*Array) []*Array {
	if slices.Contains(in, nil) {
		present(op.String(), in...)
	}
	for _, o := range outs {
		if fault := shapeFault(o.shape, o.dtype); fault != "" {
			fail(op.String(), "%s", fault)
		}
	}
	n := &node{id: nextID.Add(1), op: op, in: in, out: outs}
	if keepSites {
		_, n.site = callSite()
	}
	for i, o := range outs {
		o.node, o.index = n, i
	}
	return outs
}

// apply1 creates a node with one output.
func apply1(op Op, shape []int, dt metal.DType, in ...*Array) *Array {
	return apply(op, in, &Array{shape: shape, dtype: dt})[0]
}

// there refuses to describe an array that is nil.
func (a *Array) there(method string) *Array {
	check(a != nil, method, "the array is nil")
	return a
}

// Shape is the extent of each axis. The slice must not be changed. Mirrors
// array.shape.
func (a *Array) Shape() []int { return a.there("Shape").shape }

// DType is the element type. Mirrors array.dtype.
func (a *Array) DType() metal.DType { return a.there("DType").dtype }

// NDim is the number of axes. Mirrors array.ndim.
func (a *Array) NDim() int { return len(a.there("NDim").shape) }

// Dim is the extent of axis i; a negative i counts from the end.
func (a *Array) Dim(i int) int { return a.there("Dim").shape[normAxis("Dim", i, len(a.shape))] }

// Size is the number of elements. Mirrors array.size.
func (a *Array) Size() int { return sizeOf(a.there("Size").shape) }

// NBytes is the size of the elements in bytes. Mirrors array.nbytes.
func (a *Array) NBytes() int64 { return int64(a.Size()) * int64(a.dtype.Size()) }

// String describes the array without computing it: "float32[2 3]".
func (a *Array) String() string {
	if a == nil {
		return "nil"
	}
	return fmt.Sprintf("%s%v", a.dtype, a.shape)
}

// Evaluated reports whether the array holds data.
func (a *Array) Evaluated() bool { return a.there("Evaluated").data != nil }

// sizeOf is the number of elements: the largest int where it would overflow, and
// -1 where an extent is negative.
func sizeOf(shape []int) int {
	n := 1
	for _, d := range shape {
		switch {
		case d < 0:
			return -1
		case d == 0:
			n = 0
		case n > math.MaxInt/d:
			n = math.MaxInt
		default:
			n *= d
		}
	}
	return n
}

// maxBytes is more than any machine's memory, and little enough that places in
// an array can be added and multiplied.
const maxBytes = 1 << 47

// shapeFault says what is wrong with a shape and a dtype, "" for nothing.
func shapeFault(shape []int, dt metal.DType) string {
	if dt > metal.Complex64 {
		return fmt.Sprintf("%s is not a dtype", dt)
	}
	n, most := int64(dt.Size()), int64(1)
	for _, d := range shape {
		if d < 0 {
			return fmt.Sprintf("shape %v has a negative extent", shape)
		}
		if most *= int64(max(d, 1)); d > maxBytes || most > maxBytes/n {
			return fmt.Sprintf("%s%v is too large", dt, shape)
		}
	}
	return ""
}

func checkShape(op string, shape []int, dt metal.DType) {
	if fault := shapeFault(shape, dt); fault != "" {
		fail(op, "%s", fault)
	}
}

func normAxis(op string, axis, ndim int) int {
	check(axis >= -ndim && axis < ndim, op, "axis %d is out of range for %d axes", axis, ndim)
	if axis < 0 {
		return axis + ndim
	}
	return axis
}

// tensor describes evaluated data that lies in buf.
func (a *Array) tensor() kernels.Tensor {
	d := a.data
	return kernels.Tensor{
		View:    metal.View{Buf: d.storage.buf, Off: d.base, Len: d.length},
		DType:   a.dtype,
		Shape:   a.shape,
		Strides: d.strides,
		Offset:  d.offset,
	}
}
