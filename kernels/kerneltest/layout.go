package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Layout is how the elements of a strided operand lie in memory.
type Layout string

// The layouts that views of arrays have.
const (
	Contiguous Layout = "contiguous"
	Transposed Layout = "transposed" // the axes in reverse order
	Sliced     Layout = "sliced"     // every second element of a larger array, along every axis
	Reversed   Layout = "reversed"   // negative strides
	Broadcast  Layout = "broadcast"  // the first axis repeats
	Repeated   Layout = "repeated"   // the last axis repeats
	OneElement Layout = "one"        // one element stands for all
)

// layouts are those an input may have.
var layouts = []Layout{Contiguous, Transposed, Sliced, Reversed, Broadcast, Repeated, OneElement}

// place returns the strides of a tensor of that shape, the element that its
// first one is, and the extents of the memory it lies in.
func (l Layout) place(shape []int) (strides []int, first int, memory []int) {
	n := len(shape)
	memory = append([]int{}, shape...)
	strides = kernels.RowMajor(shape)
	switch l {
	case Transposed:
		reversed := make([]int, n)
		for i, d := range shape {
			reversed[n-1-i] = d
		}
		for i, s := range kernels.RowMajor(reversed) {
			strides[n-1-i] = s
		}
	case Sliced:
		for i := range memory {
			memory[i] = 2*shape[i] + 1
		}
		strides = kernels.RowMajor(memory)
		for i := range strides {
			first += strides[i]
			strides[i] *= 2
		}
	case Reversed:
		for i := range strides {
			first += (shape[i] - 1) * strides[i]
			strides[i] = -strides[i]
		}
	case Broadcast, Repeated, OneElement:
		for i := range memory {
			if l == OneElement || (l == Broadcast && i == 0) || (l == Repeated && i == n-1) {
				memory[i] = min(memory[i], 1)
			}
		}
		strides = kernels.RowMajor(memory)
		for i := range strides {
			if memory[i] < shape[i] {
				strides[i] = 0
			}
		}
	}
	return strides, first, memory
}

// strided is an operand of layout l whose view covers its elements and no more.
func (s *Setup) strided(l Layout, dt metal.DType, shape []int, written bool) *Operand {
	strides, first, memory := l.place(shape)
	b := s.memory(int64(extent(memory)*dt.Size()), dt.Size(), written)
	o := &Operand{place: b}
	o.Tensor = kernels.Tensor{View: b.view, DType: dt, Shape: shape, Strides: strides, Offset: first}
	if o.Size() == 0 {
		o.Offset = 0
		return o
	}
	low, high := first, first
	for i, d := range shape {
		if strides[i] < 0 {
			low += (d - 1) * strides[i]
		} else {
			high += (d - 1) * strides[i]
		}
	}
	o.View = b.view.Slice(int64(low*dt.Size()), int64((high-low+1)*dt.Size()))
	o.Offset = first - low
	return o
}

// InLayout is an input of a layout, filled as the case says.
func (s *Setup) InLayout(l Layout, dt metal.DType, shape ...int) *Operand {
	o := s.strided(l, dt, shape, false)
	data, word := o.place.view.Bytes(), s.words(s.Fill, dt, shape)
	for i := range len(data) / dt.Size() {
		ref.SetWord(dt, data, i, word(i))
	}
	if data == nil {
		return o
	}
	o.Values, o.Words = make([]float64, o.Size()), make([]uint64, o.Size())
	for i := range o.Values {
		w := ref.Word(dt, o.View.Bytes(), o.at(i))
		o.Words[i], o.Values[i] = w, ref.Decode(dt, w)
	}
	return o
}

// OutLayout is an output of a layout. What lies between its elements must not
// change.
func (s *Setup) OutLayout(l Layout, dt metal.DType, shape ...int) *Operand {
	o := s.strided(l, dt, shape, true)
	mask := make([]bool, o.place.view.Len)
	start := int(o.View.Off - o.place.view.Off)
	for i := range o.Size() {
		for k := range dt.Size() {
			mask[start+o.at(i)*dt.Size()+k] = true
		}
	}
	o.place.mask = mask
	return o
}

// at is the element of the view that holds element i in row-major order.
func (o *Operand) at(i int) int {
	at := o.Offset
	for d := len(o.Shape) - 1; d >= 0; d-- {
		at += i % o.Shape[d] * o.Strides[d]
		i /= o.Shape[d]
	}
	return at
}

// Bytes are the operand's present elements in row-major order.
func (o *Operand) Bytes() []byte {
	data := o.View.Bytes()
	if o.Contiguous() {
		return data[:o.Size()*o.DType.Size()]
	}
	packed := make([]byte, o.Size()*o.DType.Size())
	for i := range o.Size() {
		ref.SetWord(o.DType, packed, i, ref.Word(o.DType, data, o.at(i)))
	}
	return packed
}
