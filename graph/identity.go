package graph

import (
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
)

// identity is embedded by ops whose output is their input, unchanged and in the
// same memory.
type identity struct{}

func (identity) View(in kernels.Tensor, shape []int) (kernels.Tensor, bool) { return in, true }

// Lower is reached only where the output must lie somewhere else.
func (identity) Lower(l *Lowering, in, out []kernels.Tensor) { kernels.Copy(l, in[0], out[0]) }

// Lower of a checkpoint passes the outputs of its function through.
func (op checkpointed) Lower(l *Lowering, in, out []kernels.Tensor) {
	for i, o := range out {
		if o.View != in[op.inputs+i].View {
			kernels.Copy(l, in[op.inputs+i], o)
		}
	}
}

// alias lists, per output, the input whose memory the output is. Ops with
// several outputs that only pass inputs on implement it.
type alias interface{ Aliases(outputs int) []int }

func (op checkpointed) Aliases(outputs int) []int {
	a := make([]int, outputs)
	for i := range a {
		a[i] = op.inputs + i
	}
	return a
}

// dependent is the first inputs, which wait for the others.
type dependent struct{ inputs int }

// Depends is the given arrays, which cannot be computed without dependencies
// being computed too. Gradients pass through to the arrays alone. Mirrors
// mx.depends.
func Depends(arrays, dependencies []*Array) []*Array {
	present("Depends", arrays...)
	present("Depends", dependencies...)
	outs := make([]*Array, len(arrays))
	for i, a := range arrays {
		outs[i] = typeOf(a).array()
	}
	if len(outs) == 0 {
		return outs
	}
	return apply(dependent{len(arrays)}, slices.Concat(arrays, dependencies), outs...)
}

func (dependent) String() string { return "Depends" }

func (op dependent) Aliases(outputs int) []int {
	a := make([]int, outputs)
	for i := range a {
		a[i] = i
	}
	return a
}

func (op dependent) Lower(l *Lowering, in, out []kernels.Tensor) {
	for i, o := range out {
		if o.View != in[i].View {
			kernels.Copy(l, in[i], o)
		}
	}
}

func (op dependent) VJP(c *Cotangents) []*Array {
	return append(slices.Clone(c.Cot), make([]*Array, len(c.In)-op.inputs)...)
}

func (op dependent) VMap(b *Batch) []*Array {
	in := slices.Clone(b.In)
	for i := range op.inputs {
		in[i] = b.full(i)
	}
	return apply(op, in, b.like([]int{b.N})...)
}
