package kerneltest

import (
	"slices"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Groups of binary functions by the dtypes that they are for.
var (
	binaryFloat   = []kernels.BinaryOp{kernels.Divide, kernels.LogAddExp, kernels.ArcTan2}
	binaryLogic   = []kernels.BinaryOp{kernels.LogicalAnd, kernels.LogicalOr}
	binaryBits    = []kernels.BinaryOp{kernels.BitwiseAnd, kernels.BitwiseOr, kernels.BitwiseXor, kernels.LeftShift, kernels.RightShift}
	binaryCompare = []kernels.BinaryOp{kernels.Equal, kernels.NotEqual, kernels.Less, kernels.LessEqual, kernels.Greater, kernels.GreaterEqual}
	everything    = [][]int{{257}}
)

// second makes the second operand: shift counts, small exponents, or anything
// the fill gives with some elements equal to the first operand's.
func second(s *Setup, op kernels.BinaryOp, a *Operand) *Operand {
	dt, random := s.DType, s.words(s.Fill, s.DType, s.Dims)
	switch {
	case op == kernels.LeftShift || op == kernels.RightShift:
		return s.InOf(dt, func(int) float64 { return float64(s.Rand.IntN(8 * dt.Size())) }, s.Dims...)
	case op == kernels.Power && dt.IsInteger() && s.Fill != Special:
		return s.InOf(dt, func(int) float64 { return float64(s.Rand.IntN(70)) }, s.Dims...)
	}
	return s.InWords(dt, func(i int) uint64 {
		if w := random(i); s.Rand.IntN(5) != 0 {
			return w
		}
		return a.Words[i]
	}, s.Dims...)
}

func binaryCase(op kernels.BinaryOp, dtypes []metal.DType, dims [][]int, fills []Fill) Case {
	return Case{
		Op: "binary/" + string(op), DTypes: dtypes, Dims: dims, Fills: fills,
		Make: func(s *Setup) {
			a := s.In(s.DType, s.Dims...)
			b, dt := second(s, op, a), s.DType
			if slices.Contains(binaryCompare, op) {
				dt = metal.Bool
			}
			out := s.Out(dt, s.Dims...)
			s.Launch(func(e kernels.Emitter) { kernels.Binary(e, op, a.Tensor, b.Tensor, out.Tensor) })
			s.Want(out, func() ref.Result { return ref.Binary(string(op), s.DType, a.Words, b.Words) })
		},
	}
}

func binaryCases() []Case {
	var cases []Case
	for _, op := range kernels.BinaryOps() {
		onlyFloat, onlyBits, onlyBool := slices.Contains(binaryFloat, op), slices.Contains(binaryBits, op), slices.Contains(binaryLogic, op)
		if !onlyBits && !onlyBool {
			cases = append(cases, binaryCase(op, floats, everything, []Fill{Uniform, Positive, Large, Special}))
		}
		if !onlyFloat && !onlyBool {
			cases = append(cases, binaryCase(op, integers, [][]int{{1031}}, []Fill{Uniform, Bits, Special}))
		}
		if !onlyFloat && op != kernels.LeftShift && op != kernels.RightShift {
			cases = append(cases, binaryCase(op, []metal.DType{metal.Bool}, everything, nil))
		}
	}
	for _, l := range layouts {
		cases = append(cases, Case{
			Op: "binary/" + string(l), DTypes: []metal.DType{metal.Float32, metal.BFloat16, metal.Uint16}, Dims: [][]int{{2, 3, 5}, {31, 2}, {0, 3}},
			Make: func(s *Setup) {
				a, b, out := s.InLayout(l, s.DType, s.Dims...), s.In(s.DType, s.Dims...), s.Out(s.DType, s.Dims...)
				c, out2 := s.InLayout(Transposed, s.DType, s.Dims...), s.Out(metal.Bool, s.Dims...)
				s.Launch(func(e kernels.Emitter) {
					kernels.Binary(e, kernels.Multiply, a.Tensor, b.Tensor, out.Tensor)
					kernels.Binary(e, kernels.Less, c.Tensor, a.Tensor, out2.Tensor)
				})
				s.Want(out, func() ref.Result { return ref.Binary("Multiply", s.DType, a.Words, b.Words) })
				s.Want(out2, func() ref.Result { return ref.Binary("Less", s.DType, c.Words, a.Words) })
			},
		})
	}
	sizes := binaryCase(kernels.Add, floats, flat, nil)
	sizes.Op, sizes.Bench = "binary/sizes", [][]int{{1 << 22}}
	return append(cases, sizes)
}

var _ = add(binaryCases()...)

func whereCases() []Case {
	sizes := Case{
		Op: "ternary", DTypes: all, Dims: flat,
		Make: func(s *Setup) {
			c, a, b, out := s.In(metal.Bool, s.Dims...), s.In(s.DType, s.Dims...), s.In(s.DType, s.Dims...), s.Out(s.DType, s.Dims...)
			s.Launch(func(e kernels.Emitter) { kernels.Where(e, c.Tensor, a.Tensor, b.Tensor, out.Tensor) })
			s.Want(out, func() ref.Result { return ref.Where(c.Words, a.Words, b.Words) })
		},
	}
	cases := []Case{sizes}
	for i, l := range layouts {
		cases = append(cases, Case{
			Op: "ternary/" + string(l), DTypes: []metal.DType{metal.Float32, metal.Float16, metal.Int64}, Dims: [][]int{{2, 3, 5}, {3, 1, 4}, {0, 3}},
			Make: func(s *Setup) {
				c, a := s.InLayout(l, metal.Bool, s.Dims...), s.InLayout(layouts[(i+1)%len(layouts)], s.DType, s.Dims...)
				b, out := s.InLayout(layouts[(i+3)%len(layouts)], s.DType, s.Dims...), s.Out(s.DType, s.Dims...)
				s.Launch(func(e kernels.Emitter) { kernels.Where(e, c.Tensor, a.Tensor, b.Tensor, out.Tensor) })
				s.Want(out, func() ref.Result { return ref.Where(c.Words, a.Words, b.Words) })
			},
		})
	}
	return cases
}

var _ = add(whereCases()...)
