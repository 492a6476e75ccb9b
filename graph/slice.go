package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
)

func axesString(axes []int) string { return fmt.Sprintf("%v", axes) }

// slice is a strided window of every axis.
type slice struct{ start, step []int }

// Slice is the window [start, stop) with the given step on each axis; a nil
// step is 1 everywhere. Bounds are exact: they must lie inside the array.
// Mirrors mx.slice with static starts.
func Slice(a *Array, start, stop, step []int) *Array {
	present("Slice", a)
	n := len(a.shape)
	if step == nil {
		step = slices.Repeat([]int{1}, n)
	}
	check(len(start) == n && len(stop) == n && len(step) == n, "Slice", "bounds %v:%v:%v do not fit shape %v", start, stop, step, a.shape)
	shape := make([]int, n)
	for i := range shape {
		check(step[i] != 0, "Slice", "step of axis %d is 0", i)
		up, down := step[i] > 0 && stop[i] > start[i], step[i] < 0 && stop[i] < start[i]
		if !up && !down {
			continue // empty
		}
		inside := start[i] >= 0 && start[i] < a.shape[i]
		last := start[i]
		if inside && up {
			shape[i] = (stop[i]-1-start[i])/step[i] + 1
			last += (shape[i] - 1) * step[i]
		} else if inside {
			stop := max(stop[i], -a.shape[i]-1) // no overflow below
			shape[i] = (start[i]-1-stop)/-max(step[i], -math.MaxInt) + 1
			last += (shape[i] - 1) * step[i]
		}
		check(inside && last >= 0 && last < a.shape[i], "Slice", "%d:%d:%d is outside axis %d of %v", start[i], stop[i], step[i], i, a.shape)
	}
	if slices.Equal(shape, a.shape) && slices.Max(append(slices.Clone(step), 1)) == 1 && slices.Min(append(slices.Clone(step), 1)) == 1 {
		return a
	}
	return apply1(slice{slices.Clone(start), slices.Clone(step)}, shape, a.dtype, a)
}

// SliceAxis is the window [start, stop) of one axis.
func SliceAxis(a *Array, axis, start, stop int) *Array {
	present("SliceAxis", a)
	axis = normAxis("SliceAxis", axis, len(a.shape))
	lo, hi := make([]int, len(a.shape)), slices.Clone(a.shape)
	lo[axis], hi[axis] = start, stop
	return Slice(a, lo, hi, nil)
}

func (op slice) String() string { return fmt.Sprintf("Slice%v%v", op.start, op.step) }

func (op slice) View(in kernels.Tensor, shape []int) (kernels.Tensor, bool) {
	start, strides := 0, make([]int, len(shape))
	for i := range shape {
		start += op.start[i] * in.Strides[i]
		strides[i] = op.step[i] * in.Strides[i]
	}
	return subview(in, start, shape, strides), true
}

func (slice) Lower(l *Lowering, in, out []kernels.Tensor) { kernels.Copy(l, in[0], out[0]) }

func (op slice) VJP(c *Cotangents) []*Array {
	return []*Array{apply1(sliceGrad{op}, c.In[0].shape, c.Cot[0].dtype, c.Cot[0])}
}

// sliceGrad places its input in a window of zeros: the transpose of slice.
type sliceGrad struct{ slice }

func (op sliceGrad) String() string { return "SliceGrad" + fmt.Sprintf("%v%v", op.start, op.step) }

// View hides the embedded slice's: the result is not a view.
func (op sliceGrad) View(in kernels.Tensor, shape []int) (kernels.Tensor, bool) {
	return kernels.Tensor{}, false
}

func (op sliceGrad) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.Fill(l, out[0], 0)
	window, _ := op.slice.View(out[0], in[0].Shape)
	kernels.Copy(l, in[0], window)
}

func (op sliceGrad) VJP(c *Cotangents) []*Array {
	return []*Array{apply1(op.slice, c.In[0].shape, c.Cot[0].dtype, c.Cot[0])}
}

// concatenate joins arrays along an axis.
type concatenate struct{ axis int }

// Concatenate joins arrays along axis; they agree in every other extent.
// Mirrors mx.concatenate and mx.concat.
func Concatenate(arrays []*Array, axis int) *Array {
	present("Concatenate", arrays...)
	check(len(arrays) > 0, "Concatenate", "no arrays")
	axis = normAxis("Concatenate", axis, len(arrays[0].shape))
	shape := slices.Clone(arrays[0].shape)
	dt := arrays[0].dtype
	shape[axis] = 0
	for _, a := range arrays {
		check(len(a.shape) == len(shape), "Concatenate", "shapes %v and %v", arrays[0].shape, a.shape)
		for i := range shape {
			check(i == axis || a.shape[i] == shape[i], "Concatenate", "shapes %v and %v differ outside axis %d", arrays[0].shape, a.shape, axis)
		}
		shape[axis] += a.shape[axis]
		dt = Promote(dt, a.dtype)
	}
	in := make([]*Array, len(arrays))
	for i, a := range arrays {
		in[i] = AsType(a, dt)
	}
	if len(in) == 1 {
		return in[0]
	}
	return apply1(concatenate{axis}, shape, dt, in...)
}

func (op concatenate) String() string { return fmt.Sprintf("Concatenate[%d]", op.axis) }

// window is where input i lies in out.
func (op concatenate) window(out kernels.Tensor, at int, shape []int) kernels.Tensor {
	return subview(out, at*out.Strides[op.axis], shape, out.Strides)
}

// Lower copies each input to its place, except those that were computed there
// in the first place (Lowering.place).
func (op concatenate) Lower(l *Lowering, in, out []kernels.Tensor) {
	at := 0
	for _, x := range in {
		w := op.window(out[0], at, x.Shape)
		if x.View != w.View {
			kernels.Copy(l, x, w)
		}
		at += x.Shape[op.axis]
	}
}

func (op concatenate) VJP(c *Cotangents) []*Array {
	grads, at := make([]*Array, len(c.In)), 0
	for i, x := range c.In {
		end := at + x.shape[op.axis]
		if c.Want[i] {
			grads[i] = SliceAxis(c.Cot[0], op.axis, at, end)
		}
		at = end
	}
	return grads
}
