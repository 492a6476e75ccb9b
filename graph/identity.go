package graph

import "github.com/ftmetal/ftmetal/kernels"

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
