package ref

import (
	"math"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// IsUnary reports whether op is a function of one operand.
func IsUnary(op string) bool {
	return unaryExact[op] != nil || unaryArithmetic[op] != nil || unaryTranscendental[op] != nil
}

// Contents is an output that has to equal the elements of b, bit for bit.
func Contents(dt metal.DType, b []byte) Result {
	n := len(b) / dt.Size()
	out := Result{Class: Exact, Value: make([]float64, n)}
	for i := range n {
		out.Value[i] = Decode(dt, Word(dt, b, i))
	}
	return out
}

// Chain runs steps of arithmetic (sums, products, quotients, roots, casts) over
// the elements of ins. Rounding the float64 result to float32 gives what float32
// arithmetic gives, so the outcome is exact.
func Chain(steps []kernels.ChainStep, ins [][]float64) Result {
	n := len(ins[0])
	registers := append([][]float64{}, ins...)
	for _, s := range steps {
		r := make([]float64, n)
		for i := range r {
			v := registers[s.A][i]
			switch {
			case s.Op == "Sqrt":
				v = math.Sqrt(v)
			case s.Op == "Square":
				v *= v
			case s.Op != kernels.ChainCast:
				v = float(s.Op, v, registers[s.B][i])
			}
			r[i] = Round(s.Round, float64(float32(v)))
		}
		registers = append(registers, r)
	}
	return Result{Class: Exact, Value: registers[len(registers)-1]}
}
