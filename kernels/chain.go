package kernels

import (
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// Limits of the chain kernel.
const (
	ChainSteps  = 24
	ChainInputs = 8
)

// ChainCast is the step that only rounds.
const ChainCast = "Cast"

const (
	chainBinary = 64
	chainCast   = 127
)

// ChainStep is one step of a chain: Op is the name of a UnaryOp or BinaryOp of
// floats, or ChainCast; A and B are registers (inputs first, then the results of
// earlier steps); the result is rounded to Round.
type ChainStep struct {
	Op    string
	A, B  uint8
	Round metal.DType
}

// chainArgs mirrors ChainArgs of chain.h.
type chainArgs struct {
	size                   uint64
	inputs, steps          uint32
	inType, inMode, inSize [ChainInputs]uint32
	code, a, b, round      [ChainSteps]uint8
}

// chainCode is the code of an op, -1 if the chain kernel does not have it.
func chainCode(op string) int {
	if op == ChainCast {
		return chainCast
	}
	if i := slices.Index(unaryOps, UnaryOp(op)); i >= 0 && i <= slices.Index(unaryOps, Round) {
		return i
	}
	if i := slices.Index(binaryOps, BinaryOp(op)); i >= 0 && i <= slices.Index(binaryOps, ArcTan2) {
		return chainBinary + i
	}
	return -1
}

// Chainable reports whether a chain may have op as a step.
func Chainable(op string) bool { return chainCode(op) >= 0 }

// ChainOperand reports whether a chain with outputs of that shape can step
// through t: row-major, one repeated element, or one repeated last axis.
func ChainOperand(t Tensor, shape []int) bool {
	_, ok := chainMode(t, shape)
	return ok
}

// chainMode tells how t is stepped through: CHAIN_FULL, _SCALAR or _ROW.
func chainMode(t Tensor, shape []int) (mode uint32, ok bool) {
	if t.Offset != 0 {
		return 0, false
	}
	if t.Contiguous() && t.Size() == extent(shape) {
		return 0, true
	}
	want, row := 1, false
	for i := len(t.Shape) - 1; i >= 0; i-- {
		switch {
		case t.Shape[i] == 1:
		case t.Strides[i] == 0:
			row = true // the axes outside repeat
		case row || t.Strides[i] != want:
			return 0, false
		default:
			want *= t.Shape[i]
		}
	}
	if want == 1 {
		return 1, true
	}
	return 2, true
}

// Chain runs a program over the elements of ins into out, contiguous.
func Chain(e Emitter, steps []ChainStep, ins []Tensor, out Tensor) {
	n := out.Size()
	if n == 0 {
		return
	}
	if len(steps) > ChainSteps || len(ins) > ChainInputs || len(steps) == 0 || len(ins) == 0 {
		refuse("Chain: too many steps or inputs")
	}
	args := chainArgs{size: uint64(n), inputs: uint32(len(ins)), steps: uint32(len(steps))}
	d := metal.Dispatch{Kernel: name("chain", out.DType), Out: []metal.View{out.View}, FLOPs: int64(n) * int64(len(steps))}
	var mask uint32
	for i := range ChainInputs {
		t := ins[min(i, len(ins)-1)] // the bindings that are left repeat the last input
		mode, ok := chainMode(t, out.Shape)
		if !ok {
			refuse("Chain: operand with unsuitable strides")
		}
		args.inType[i], args.inMode[i], args.inSize[i] = chainType(t.DType), mode, 1
		if mode == 2 {
			args.inSize[i] = u32(int(t.View.Len) / t.DType.Size())
		}
		d.In = append(d.In, t.View)
		if mode == 0 && t.DType.Size() == out.DType.Size() {
			mask |= 1 << i
		}
	}
	for i, s := range steps {
		args.code[i], args.a[i], args.b[i], args.round[i] = uint8(chainCode(s.Op)), s.A, s.B, uint8(chainType(s.Round))
	}
	d.Args, d.InPlace = bytesOf(&args), []uint32{mask}
	d.Grid, d.Group = gridFor(n)
	e.Emit(d)
}

func chainType(dt metal.DType) uint32 {
	switch dt {
	case metal.Float32:
		return 0
	case metal.Float16:
		return 1
	case metal.BFloat16:
		return 2
	}
	unsupported("Chain", dt)
	return 0
}
