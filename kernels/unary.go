package kernels

import (
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// UnaryOp is an elementwise function of one operand, by its name.
type UnaryOp string

// The functions, in the order of the op codes in unary.h.
const (
	Abs           UnaryOp = "Abs"
	Negative      UnaryOp = "Negative"
	Sign          UnaryOp = "Sign"
	Square        UnaryOp = "Square"
	Sqrt          UnaryOp = "Sqrt"
	Rsqrt         UnaryOp = "Rsqrt"
	Reciprocal    UnaryOp = "Reciprocal"
	Exp           UnaryOp = "Exp"
	Expm1         UnaryOp = "Expm1"
	Log           UnaryOp = "Log"
	Log2          UnaryOp = "Log2"
	Log10         UnaryOp = "Log10"
	Log1p         UnaryOp = "Log1p"
	Sigmoid       UnaryOp = "Sigmoid"
	Erf           UnaryOp = "Erf"
	ErfInv        UnaryOp = "ErfInv"
	Sin           UnaryOp = "Sin"
	Cos           UnaryOp = "Cos"
	Tan           UnaryOp = "Tan"
	ArcSin        UnaryOp = "ArcSin"
	ArcCos        UnaryOp = "ArcCos"
	ArcTan        UnaryOp = "ArcTan"
	Sinh          UnaryOp = "Sinh"
	Cosh          UnaryOp = "Cosh"
	Tanh          UnaryOp = "Tanh"
	ArcSinh       UnaryOp = "ArcSinh"
	ArcCosh       UnaryOp = "ArcCosh"
	ArcTanh       UnaryOp = "ArcTanh"
	Floor         UnaryOp = "Floor"
	Ceil          UnaryOp = "Ceil"
	Round         UnaryOp = "Round"
	LogicalNot    UnaryOp = "LogicalNot"
	BitwiseInvert UnaryOp = "BitwiseInvert"
	IsNaN         UnaryOp = "IsNaN"
	IsInf         UnaryOp = "IsInf"
	IsFinite      UnaryOp = "IsFinite"
	IsPosInf      UnaryOp = "IsPosInf"
	IsNegInf      UnaryOp = "IsNegInf"
	// ExpPolynomial is Exp with the bits of MLX's CPU backend.
	ExpPolynomial UnaryOp = "ExpPolynomial"
)

var unaryOps = []UnaryOp{Abs, Negative, Sign, Square, Sqrt, Rsqrt, Reciprocal, Exp, Expm1, Log, Log2, Log10, Log1p, Sigmoid, Erf, ErfInv,
	Sin, Cos, Tan, ArcSin, ArcCos, ArcTan, Sinh, Cosh, Tanh, ArcSinh, ArcCosh, ArcTanh, Floor, Ceil, Round, LogicalNot, BitwiseInvert,
	IsNaN, IsInf, IsFinite, IsPosInf, IsNegInf, ExpPolynomial}

// UnaryOps lists the functions, in the order of their codes.
func UnaryOps() []UnaryOp { return slices.Clone(unaryOps) }

// unaryArgs mirrors UnaryArgs of unary.h.
type unaryArgs struct {
	strides  [maxDims]int64
	offset   int64
	size     uint64
	shape    [maxDims]uint32
	ndim, op uint32
}

// Unary applies op to x, of any strides, into out, contiguous and of the same
// dtype; predicates (IsNaN, …) of floats write bool. Of complex numbers, Abs and
// the parts write float32.
func Unary(e Emitter, op UnaryOp, x, out Tensor) {
	if out.Size() == 0 {
		return
	}
	if x.DType == metal.Complex64 {
		unaryComplex(e, op, x, out)
		return
	}
	code := slices.Index(unaryOps, op)
	if code < 0 {
		unsupported(string(op), x.DType)
	}
	kernel := name("unary", x.DType)
	if op == IsNaN || op == IsInf || op == IsFinite || op == IsPosInf || op == IsNegInf {
		kernel = name("unary_predicate", x.DType)
	}
	emitUnary(e, kernel, code, x, out)
}

func emitUnary(e Emitter, kernel string, code int, x, out Tensor) {
	n := out.Size()
	shape, steps := collapse(out.Shape, x.Strides)
	args := unaryArgs{offset: int64(x.Offset), size: uint64(n), ndim: uint32(len(shape)), op: uint32(code)}
	for i, d := range shape {
		args.shape[i], args.strides[i] = u32(d), int64(steps[0][i])
	}
	grid, group := gridFor(n)
	e.Emit(metal.Dispatch{Kernel: kernel, In: []metal.View{x.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: grid, Group: group, FLOPs: int64(n), InPlace: []uint32{inPlaceMask(out, x)}})
}
