package kerneltest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// guardBytes is the least that lies on both sides of every tensor; guardValue
// fills it, and outputs and scratch memory at first: a NaN in every float type.
const (
	guardBytes = 128
	guardValue = 0xff
)

// Setup is a case being made: its operands, its launch and its references.
type Setup struct {
	DType metal.DType
	Dims  []int
	Fill  Fill
	Rand  *rand.Rand // of the case, for choices of its own

	name   string
	alloc  func(n int64) metal.Buffer
	blocks []*block
	wants  []want
	launch func(e kernels.Emitter)
	list   []metal.Dispatch
}

// Operand is a tensor of a case with its first contents.
type Operand struct {
	kernels.Tensor
	Values []float64 // in row-major order of Shape
	Words  []uint64  // the same elements as raw words

	place *block
}

// block is the memory of one tensor between guards.
type block struct {
	view    metal.View
	written bool   // an output or scratch
	mask    []bool // bytes of the view that may change; nil: all
}

type want struct {
	of  *Operand
	ref func() ref.Result
}

// memory makes a block of n bytes for elements of the given size. Blocks begin
// at odd multiples of the element now and then, as windows of arrays do.
func (s *Setup) memory(n int64, size int, written bool) *block {
	off := guardBytes + int64(size)*int64(s.Rand.IntN(4))
	buf := s.alloc(off + n + guardBytes)
	for i, all := 0, buf.Bytes(); i < len(all); i++ {
		all[i] = guardValue
	}
	b := &block{view: metal.View{Buf: buf, Off: off, Len: n}, written: written}
	s.blocks = append(s.blocks, b)
	return b
}

func extent(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

func (s *Setup) operand(dt metal.DType, shape []int, written bool) *Operand {
	b := s.memory(int64(extent(shape)*dt.Size()), dt.Size(), written)
	return &Operand{Tensor: kernels.Contig(b.view, dt, shape...), place: b}
}

// InWords is an input with the given raw words.
func (s *Setup) InWords(dt metal.DType, word func(i int) uint64, shape ...int) *Operand {
	o := s.operand(dt, shape, false)
	o.set(word)
	return o
}

func (o *Operand) set(word func(i int) uint64) {
	data := o.View.Bytes()
	o.Values, o.Words = make([]float64, o.Size()), make([]uint64, o.Size())
	for i := range o.Values {
		w := word(i)
		o.Words[i], o.Values[i] = w, ref.Decode(o.DType, w)
		if data != nil {
			ref.SetWord(o.DType, data, i, w)
		}
	}
}

// InOf is an input with the given values, rounded to dt.
func (s *Setup) InOf(dt metal.DType, value func(i int) float64, shape ...int) *Operand {
	return s.InWords(dt, func(i int) uint64 { return ref.Encode(dt, value(i)) }, shape...)
}

// InFill is an input filled in a way of the case's own.
func (s *Setup) InFill(f Fill, dt metal.DType, shape ...int) *Operand {
	return s.InWords(dt, s.words(f, dt, shape), shape...)
}

// In is an input filled as the case says.
func (s *Setup) In(dt metal.DType, shape ...int) *Operand { return s.InFill(s.Fill, dt, shape...) }

func (s *Setup) words(f Fill, dt metal.DType, shape []int) func(i int) uint64 {
	if f == Bits && dt.IsInteger() {
		return func(int) uint64 { return s.Rand.Uint64() >> (64 - 8*dt.Size()) }
	}
	if f == Special && dt.IsInteger() {
		return func(int) uint64 { return ends[s.Rand.IntN(len(ends))] >> (64 - 8*dt.Size()) }
	}
	n, last := 1, 0.0
	if len(shape) > 0 {
		n = shape[len(shape)-1]
	}
	return func(i int) uint64 {
		last = f.value(s.Rand, dt, i, n, last)
		return ref.Encode(dt, last)
	}
}

// Out is an output; its memory holds garbage.
func (s *Setup) Out(dt metal.DType, shape ...int) *Operand { return s.operand(dt, shape, true) }

// InOut is an output that the launch may read, filled as the case says.
func (s *Setup) InOut(dt metal.DType, shape ...int) *Operand {
	o := s.operand(dt, shape, true)
	o.set(s.words(s.Fill, dt, shape))
	return o
}

// Launch says how the case is run.
func (s *Setup) Launch(f func(e kernels.Emitter)) { s.launch = f }

// Want says what o has to hold afterwards.
func (s *Setup) Want(o *Operand, f func() ref.Result) { s.wants = append(s.wants, want{o, f}) }

// Emit takes a dispatch of the launch: Setup is the Emitter.
func (s *Setup) Emit(d metal.Dispatch) { s.list = append(s.list, d) }

// Scratch lends memory to the launch.
func (s *Setup) Scratch(n int64) metal.View { return s.memory(n, 16, true).view }

// make builds the case in memory of alloc.
func (in Instance) make(alloc func(n int64) metal.Buffer) *Setup {
	s := &Setup{DType: in.dtype, Dims: in.dims, Fill: in.fill, Rand: source(in.Name()), name: in.Name(), alloc: alloc}
	in.row.Make(s)
	if s.launch == nil || len(s.wants) == 0 {
		panic(fmt.Sprintf("kerneltest: %s has no launch or no reference", in.Name()))
	}
	s.launch(s)
	return s
}
