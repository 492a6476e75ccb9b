package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// step of the arithmetic chains: registers are inputs, then earlier steps.
func step(op string, a, b uint8, round metal.DType) kernels.ChainStep {
	return kernels.ChainStep{Op: op, A: a, B: b, Round: round}
}

// silu is a·sigmoid(a)·b as a model's MLP has it.
func silu(dt metal.DType) []kernels.ChainStep {
	return []kernels.ChainStep{step("Sigmoid", 0, 0, dt), step("Multiply", 0, 2, dt), step("Multiply", 3, 1, dt)}
}

// unfused launches every step of a chain over contiguous inputs of dtype dt as
// a kernel of its own, and returns the last one's output.
func unfused(s *Setup, e kernels.Emitter, steps []kernels.ChainStep, ins []*Operand) kernels.Tensor {
	var registers []kernels.Tensor
	for _, in := range ins {
		registers = append(registers, in.Tensor)
	}
	for _, st := range steps {
		out := kernels.Contig(e.Scratch(int64(4*ins[0].Size())), s.DType, ins[0].Shape...)
		a, b := registers[st.A], registers[st.B]
		if unary := kernels.UnaryOp(st.Op); ref.IsUnary(st.Op) {
			kernels.Unary(e, unary, a, out)
		} else {
			kernels.Binary(e, kernels.BinaryOp(st.Op), a, b, out)
		}
		registers = append(registers, out)
	}
	return registers[len(registers)-1]
}

// asUnfused is a case whose chain has to have the bits of its unfused steps.
func asUnfused(op string, inputs int, fills []Fill, program func(dt metal.DType) []kernels.ChainStep) Case {
	return Case{
		Op: "chain/" + op, DTypes: floats, Dims: [][]int{{257}}, Fills: fills,
		Make: func(s *Setup) {
			var ins []*Operand
			var tensors []kernels.Tensor
			for range inputs {
				ins = append(ins, s.In(s.DType, s.Dims...))
				tensors = append(tensors, ins[len(ins)-1].Tensor)
			}
			fused, steps := s.Out(s.DType, s.Dims...), program(s.DType)
			var apart kernels.Tensor
			s.Launch(func(e kernels.Emitter) {
				kernels.Chain(e, steps, tensors, fused.Tensor)
				apart = unfused(s, e, steps, ins)
			})
			s.Want(fused, func() ref.Result { return ref.Contents(s.DType, apart.View.Bytes()) })
		},
	}
}

func chainCases() []Case {
	var cases []Case
	for _, op := range kernels.UnaryOps() {
		if kernels.Chainable(string(op)) {
			cases = append(cases, asUnfused(string(op), 1, []Fill{Uniform, Large, Special}, func(dt metal.DType) []kernels.ChainStep {
				return []kernels.ChainStep{step(string(op), 0, 0, dt)}
			}))
		}
	}
	for _, op := range kernels.BinaryOps() {
		if kernels.Chainable(string(op)) {
			cases = append(cases, asUnfused(string(op), 2, []Fill{Uniform, Large, Special}, func(dt metal.DType) []kernels.ChainStep {
				return []kernels.ChainStep{step(string(op), 0, 1, dt)}
			}))
		}
	}
	cases = append(cases, asUnfused("silu", 2, nil, silu))
	// Arithmetic rounds the same way in float64: the bits can be foretold.
	arithmetic := Case{
		Op: "chain/arithmetic", DTypes: floats, Dims: append([][]int{{2, 3, 5}, {257, 3}}, flat...),
		Make: func(s *Setup) {
			row := s.Dims[len(s.Dims)-1]
			full, other := s.In(s.DType, s.Dims...), s.In(metal.Float32, s.Dims...)
			one, last := s.InLayout(OneElement, metal.Float16, s.Dims...), s.In(metal.BFloat16, row)
			last.Shape, last.Strides = s.Dims, append(make([]int, len(s.Dims)-1), 1)
			var repeated []float64
			for len(repeated) < extent(s.Dims) {
				repeated = append(repeated, last.Values...)
			}
			out := s.Out(s.DType, s.Dims...)
			steps := []kernels.ChainStep{step("Add", 0, 1, metal.Float32), step("Multiply", 4, 2, s.DType), step("Subtract", 5, 3, metal.BFloat16),
				step(kernels.ChainCast, 6, 6, metal.Float16), step("Square", 7, 7, metal.Float32), step("Divide", 8, 1, metal.Float32),
				step("Maximum", 9, 0, s.DType), step("Sqrt", 8, 8, metal.BFloat16), step("Subtract", 10, 11, s.DType)}
			s.Launch(func(e kernels.Emitter) {
				kernels.Chain(e, steps, []kernels.Tensor{full.Tensor, other.Tensor, one.Tensor, last.Tensor}, out.Tensor)
			})
			s.Want(out, func() ref.Result {
				return ref.Chain(steps, [][]float64{full.Values, other.Values, one.Values, repeated})
			})
		},
	}
	arithmetic.Bench = [][]int{{1 << 20}}
	return append(cases, arithmetic, longestChain)
}

// longestChain has as many steps and inputs as the kernel takes.
var longestChain = Case{
	Op: "chain/longest", DTypes: floats, Dims: [][]int{{33}, {300}},
	Make: func(s *Setup) {
		var ins [][]float64
		var tensors []kernels.Tensor
		for i := range kernels.ChainInputs {
			in := s.In(floats[i%len(floats)], s.Dims...)
			ins, tensors = append(ins, in.Values), append(tensors, in.Tensor)
		}
		var steps []kernels.ChainStep
		for i := range kernels.ChainSteps {
			steps = append(steps, step([]string{"Add", "Multiply", "Subtract", "Minimum"}[i%4], uint8(i%8), uint8(7+i), floats[i%len(floats)]))
		}
		out := s.Out(s.DType, s.Dims...)
		steps[len(steps)-1].Round = s.DType
		s.Launch(func(e kernels.Emitter) { kernels.Chain(e, steps, tensors, out.Tensor) })
		s.Want(out, func() ref.Result { return ref.Chain(steps, ins) })
	},
}

var _ = add(chainCases()...)
