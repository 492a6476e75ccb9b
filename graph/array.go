package graph

import (
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Array is an n-dimensional array: a node of a lazy graph, or data. Arrays are
// immutable and safe to share between goroutines once evaluated.
type Array struct {
	shape []int
	dtype metal.DType
	weak  bool // a Go scalar: adopts the dtype of what it meets
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
	buf metal.Buffer
}

// newStorage makes buf live as long as the returned storage.
func newStorage(pool *metal.Pool, buf metal.Buffer) *storage {
	s := &storage{buf}
	runtime.AddCleanup(s, func(b metal.Buffer) { pool.Free(b) }, buf)
	return s
}

var nextID atomic.Int64

// apply creates a node with one output per (shape, dtype) pair.
func apply(op Op, in []*Array, outs ...*Array) []*Array {
	n := &node{id: nextID.Add(1), op: op, in: in, out: outs}
	for i, o := range outs {
		o.node, o.index = n, i
	}
	return outs
}

// apply1 creates a node with one output.
func apply1(op Op, shape []int, dt metal.DType, in ...*Array) *Array {
	return apply(op, in, &Array{shape: shape, dtype: dt})[0]
}

// Shape is the extent of each axis. The slice must not be changed.
func (a *Array) Shape() []int { return a.shape }

// DType is the element type.
func (a *Array) DType() metal.DType { return a.dtype }

// NDim is the number of axes.
func (a *Array) NDim() int { return len(a.shape) }

// Dim is the extent of axis i; a negative i counts from the end.
func (a *Array) Dim(i int) int { return a.shape[normAxis("Dim", i, len(a.shape))] }

// Size is the number of elements.
func (a *Array) Size() int { return sizeOf(a.shape) }

// NBytes is the size of the elements in bytes.
func (a *Array) NBytes() int64 { return int64(a.Size()) * int64(a.dtype.Size()) }

// String describes the array without computing it: "float32[2 3]".
func (a *Array) String() string { return fmt.Sprintf("%s%v", a.dtype, a.shape) }

// Evaluated reports whether the array holds data.
func (a *Array) Evaluated() bool { return a.data != nil }

func sizeOf(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
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
