package kernels

import (
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// BinaryOp is an elementwise function of two operands, by its name.
type BinaryOp string

// The functions, in the order of the op codes in binary.h.
const (
	Add          BinaryOp = "Add"
	Subtract     BinaryOp = "Subtract"
	Multiply     BinaryOp = "Multiply"
	Divide       BinaryOp = "Divide"
	FloorDivide  BinaryOp = "FloorDivide"
	Remainder    BinaryOp = "Remainder"
	Power        BinaryOp = "Power"
	Maximum      BinaryOp = "Maximum"
	Minimum      BinaryOp = "Minimum"
	LogAddExp    BinaryOp = "LogAddExp"
	ArcTan2      BinaryOp = "ArcTan2"
	Equal        BinaryOp = "Equal"
	NotEqual     BinaryOp = "NotEqual"
	Less         BinaryOp = "Less"
	LessEqual    BinaryOp = "LessEqual"
	Greater      BinaryOp = "Greater"
	GreaterEqual BinaryOp = "GreaterEqual"
	LogicalAnd   BinaryOp = "LogicalAnd"
	LogicalOr    BinaryOp = "LogicalOr"
	BitwiseAnd   BinaryOp = "BitwiseAnd"
	BitwiseOr    BinaryOp = "BitwiseOr"
	BitwiseXor   BinaryOp = "BitwiseXor"
	LeftShift    BinaryOp = "LeftShift"
	RightShift   BinaryOp = "RightShift"
)

var binaryOps = []BinaryOp{Add, Subtract, Multiply, Divide, FloorDivide, Remainder, Power, Maximum, Minimum, LogAddExp, ArcTan2, Equal, NotEqual,
	Less, LessEqual, Greater, GreaterEqual, LogicalAnd, LogicalOr, BitwiseAnd, BitwiseOr, BitwiseXor, LeftShift, RightShift}

// comparisons are the functions that write bool.
var comparisons = []BinaryOp{Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual}

// BinaryOps lists the functions, in the order of their codes.
func BinaryOps() []BinaryOp { return slices.Clone(binaryOps) }

// binaryArgs mirrors BinaryArgs of binary.h.
type binaryArgs struct {
	aStrides, bStrides, cStrides [maxDims]int64
	aOffset, bOffset, cOffset    int64
	size                         uint64
	shape                        [maxDims]uint32
	ndim, op                     uint32
}

func newBinaryArgs(out Tensor, ins ...Tensor) binaryArgs {
	strides := make([][]int, 3)
	for i := range strides {
		strides[i] = ins[min(i, len(ins)-1)].Strides
	}
	shape, steps := collapse(out.Shape, strides...)
	args := binaryArgs{size: uint64(out.Size()), ndim: uint32(len(shape))}
	for i, d := range shape {
		args.shape[i] = u32(d)
		args.aStrides[i], args.bStrides[i], args.cStrides[i] = int64(steps[0][i]), int64(steps[1][i]), int64(steps[2][i])
	}
	args.aOffset, args.bOffset, args.cOffset = int64(ins[0].Offset), int64(ins[1].Offset), int64(ins[len(ins)-1].Offset)
	return args
}

// Binary applies op to a and b, of one dtype and out's shape with any strides,
// into out, contiguous: of the same dtype, or bool for comparisons.
func Binary(e Emitter, op BinaryOp, a, b, out Tensor) {
	n := out.Size()
	if n == 0 {
		return
	}
	code := slices.Index(binaryOps, op)
	if code < 0 || a.DType != b.DType {
		unsupported(string(op), a.DType)
	}
	kernel := name("binary", a.DType)
	switch {
	case a.DType == metal.Complex64:
		kernel = binaryComplex(op)
	case a.DType != metal.Bool && slices.Contains(comparisons, op):
		kernel = name("binary_compare", a.DType)
	}
	args := newBinaryArgs(out, a, b)
	args.op = uint32(code)
	grid, group := gridFor(n)
	e.Emit(metal.Dispatch{Kernel: kernel, In: []metal.View{a.View, b.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: grid, Group: group, FLOPs: int64(n), InPlace: []uint32{inPlaceMask(out, a, b)}})
}
