package kerneltest

import (
	"slices"

	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// complexOperand is a complex tensor over an operand of pairs of floats, which
// the table knows how to fill and to compare.
type complexOperand struct {
	kernels.Tensor
	pairs *Operand
}

// c64 views an operand of shape [..., 2] as complex numbers.
func c64(o *Operand) complexOperand {
	n := len(o.Shape) - 1
	return complexOperand{kernels.Contig(o.View, metal.Complex64, o.Shape[:n]...), o}
}

// numbers are the operand's elements.
func (c complexOperand) numbers() []complex128 {
	v := make([]complex128, len(c.pairs.Values)/2)
	for i := range v {
		v[i] = complex(c.pairs.Values[2*i], c.pairs.Values[2*i+1])
	}
	return v
}

// pairs is an operand of pairs of floats, aligned as complex numbers are.
func (s *Setup) pairs(shape []int, written bool) *Operand {
	shape = append(slices.Clone(shape), 2)
	b := s.memory(int64(4*extent(shape)), 8, written)
	return &Operand{Tensor: kernels.Contig(b.view, metal.Float32, shape...), place: b}
}

// inComplex is filled as the case says, uniformly over four times the range.
func (s *Setup) inComplex(shape ...int) complexOperand {
	word := s.words(s.Fill, metal.Float32, shape)
	if s.Fill == Uniform {
		word = func(int) uint64 { return ref.Encode(metal.Float32, 4*s.Rand.Float64()-2) }
	}
	return s.complexOf(word, shape, false)
}

func (s *Setup) complexOf(word func(i int) uint64, shape []int, written bool) complexOperand {
	o := s.pairs(shape, written)
	o.set(word)
	return c64(o)
}

func (s *Setup) outComplex(shape ...int) complexOperand { return c64(s.pairs(shape, true)) }

var complexTypes = []metal.DType{metal.Complex64}

// complexCase is a row for one complex operand more or less.
func complexCase(op string, dims [][]int, fills []Fill, mk func(s *Setup)) Case {
	return Case{Op: "complex/" + op, DTypes: complexTypes, Dims: dims, Fills: fills, Make: mk}
}

func complexCases() []Case {
	var cases []Case
	for _, op := range kernels.ComplexUnaryOps() {
		cases = append(cases, complexCase(string(op), [][]int{{257}}, nil, func(s *Setup) {
			x, out := s.inComplex(s.Dims...), s.outComplex(s.Dims...)
			s.Launch(func(e kernels.Emitter) { kernels.Unary(e, op, x.Tensor, out.Tensor) })
			s.Want(out.pairs, func() ref.Result { return ref.ComplexUnary(string(op), x.numbers()) })
		}))
	}
	for _, op := range []kernels.UnaryOp{kernels.Abs, kernels.Real, kernels.Imag} {
		cases = append(cases, complexCase(string(op), flat, nil, func(s *Setup) {
			x, out := s.inComplex(s.Dims...), s.Out(metal.Float32, s.Dims...)
			s.Launch(func(e kernels.Emitter) { kernels.Unary(e, op, x.Tensor, out.Tensor) })
			s.Want(out, func() ref.Result { return ref.ComplexPart(string(op), x.numbers()) })
		}))
	}
	for _, op := range []kernels.UnaryOp{kernels.IsNaN, kernels.IsInf, kernels.IsFinite} {
		cases = append(cases, complexCase(string(op), [][]int{{257}}, []Fill{Special}, func(s *Setup) {
			x, out := s.inComplex(s.Dims...), s.Out(metal.Bool, s.Dims...)
			s.Launch(func(e kernels.Emitter) { kernels.Unary(e, op, x.Tensor, out.Tensor) })
			s.Want(out, func() ref.Result { return ref.ComplexPredicate(string(op), x.numbers()) })
		}))
	}
	for _, op := range kernels.ComplexBinaryOps() {
		cases = append(cases, complexCase(string(op), [][]int{{257}}, nil, func(s *Setup) {
			a, b, out := s.inComplex(s.Dims...), s.inComplex(s.Dims...), s.outComplex(s.Dims...)
			s.Launch(func(e kernels.Emitter) { kernels.Binary(e, op, a.Tensor, b.Tensor, out.Tensor) })
			s.Want(out.pairs, func() ref.Result { return ref.ComplexBinary(string(op), a.numbers(), b.numbers()) })
		}))
	}
	for _, op := range binaryCompare {
		cases = append(cases, complexCase(string(op), [][]int{{257}}, nil, func(s *Setup) {
			digits := func(int) uint64 { return ref.Encode(metal.Float32, float64(s.Rand.IntN(3))) }
			a, b := s.complexOf(digits, s.Dims, false), s.complexOf(digits, s.Dims, false)
			out := s.Out(metal.Bool, s.Dims...)
			s.Launch(func(e kernels.Emitter) { kernels.Binary(e, op, a.Tensor, b.Tensor, out.Tensor) })
			s.Want(out, func() ref.Result { return ref.ComplexBinary(string(op), a.numbers(), b.numbers()) })
		}))
	}
	for _, op := range []kernels.ReduceOp{kernels.Sum, kernels.Prod, kernels.Max, kernels.Min} {
		cases = append(cases, complexCase(string(op), [][]int{{1, 1, 1}, {3, 7, 5}, {1, 31, 2}, {2, 1, 3}}, nil, func(s *Setup) {
			x, out := s.inComplex(s.Dims...), s.outComplex(s.Dims[0], 1, s.Dims[2])
			s.Launch(func(e kernels.Emitter) { kernels.Reduce(e, op, x.Tensor, out.Tensor, []int{1}) })
			s.Want(out.pairs, func() ref.Result { return ref.ComplexReduce(string(op), x.numbers(), s.Dims[0], s.Dims[1], s.Dims[2]) })
		}))
	}
	long := complexCase("long", [][]int{{2, 2500, 3}}, nil, func(s *Setup) {
		x, out := s.inComplex(s.Dims...), s.outComplex(s.Dims[0], 1, s.Dims[2])
		s.Launch(func(e kernels.Emitter) { kernels.Reduce(e, kernels.Sum, x.Tensor, out.Tensor, []int{1}) })
		s.Want(out.pairs, func() ref.Result { return ref.ComplexReduce("Sum", x.numbers(), s.Dims[0], s.Dims[1], s.Dims[2]) })
	})
	return append(append(cases, long), complexMoves()...)
}

// parts is a reference: the given numbers, exactly.
func parts(v []complex128) func() ref.Result {
	return func() ref.Result {
		r := ref.Result{Value: []float64{}}
		for _, z := range v {
			r.Value = append(r.Value, real(z), imag(z))
		}
		return r
	}
}

// complexMoves are the kernels that copy numbers, convert them or look them up.
func complexMoves() []Case {
	cases := []Case{complexCase("join", flat, nil, func(s *Setup) {
		re, im, out := s.In(metal.Float32, s.Dims...), s.In(metal.Float32, s.Dims...), s.outComplex(s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.Complex(e, re.Tensor, im.Tensor, out.Tensor) })
		v := make([]complex128, len(re.Values))
		for i := range v {
			v[i] = complex(re.Values[i], im.Values[i])
		}
		s.Want(out.pairs, parts(v))
	}), complexCase("copy", [][]int{{3, 5}}, []Fill{Special}, func(s *Setup) {
		x, out := s.inComplex(s.Dims...), s.outComplex(s.Dims[1], s.Dims[0])
		turned := x.Tensor
		turned.Shape, turned.Strides = []int{s.Dims[1], s.Dims[0]}, []int{1, s.Dims[1]}
		s.Launch(func(e kernels.Emitter) { kernels.Copy(e, turned, out.Tensor) })
		v, from := make([]complex128, out.Size()), x.numbers()
		for i := range from {
			v[i%s.Dims[1]*s.Dims[0]+i/s.Dims[1]] = from[i]
		}
		s.Want(out.pairs, parts(v))
	}), complexCase("where", flat, []Fill{Special}, func(s *Setup) {
		c, a, b, out := s.In(metal.Bool, s.Dims...), s.inComplex(s.Dims...), s.inComplex(s.Dims...), s.outComplex(s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.Where(e, c.Tensor, a.Tensor, b.Tensor, out.Tensor) })
		v := b.numbers()
		for i, z := range a.numbers() {
			if c.Words[i] != 0 {
				v[i] = z
			}
		}
		s.Want(out.pairs, parts(v))
	}), complexCase("fill", flat, nil, func(s *Setup) {
		out := s.outComplex(s.Dims...)
		s.Launch(func(e kernels.Emitter) { kernels.Arange(e, out.Tensor, 2, 3) })
		v := make([]complex128, out.Size())
		for i := range v {
			v[i] = complex(2+3*float64(i), 0)
		}
		s.Want(out.pairs, parts(v))
	})}
	for _, dt := range all {
		cases = append(cases, Case{Op: "complex/from", DTypes: []metal.DType{dt}, Dims: [][]int{{33}}, Make: func(s *Setup) {
			x, out, back := s.In(s.DType, s.Dims...), s.outComplex(s.Dims...), s.Out(s.DType, s.Dims...)
			s.Launch(func(e kernels.Emitter) {
				kernels.Copy(e, x.Tensor, out.Tensor)
				kernels.Copy(e, out.Tensor, back.Tensor)
			})
			v := make([]complex128, len(x.Values))
			for i, r := range x.Values {
				v[i] = complex(r, 0)
			}
			s.Want(out.pairs, parts(v))
			s.Want(back, func() ref.Result { return ref.Result{Words: x.Words} })
		}})
	}
	for _, ids := range []metal.DType{metal.Int32, metal.Uint32} {
		cases = append(cases, complexLookups(ids)...)
	}
	return cases
}

// complexLookups read and add rows [V, D] at n indices.
func complexLookups(ids metal.DType) []Case {
	dims := [][]int{{5, 7, 3}, {33, 4, 1}}
	return []Case{complexCase("gather/"+ids.Suffix(), dims, []Fill{Special}, func(s *Setup) {
		n, v, d := s.Dims[0], s.Dims[1], s.Dims[2]
		table, at := s.inComplex(v, d), indices(s, ids, v, n)
		rows, lines := s.outComplex(n, d), s.outComplex(n, 1)
		column := table.Tensor
		column.Shape, column.Strides = []int{v * d, 1}, []int{1, 1}
		s.Launch(func(e kernels.Emitter) {
			kernels.Gather(e, table.Tensor, at.Tensor, rows.Tensor)
			along := at.Tensor
			along.Shape, along.Strides = []int{n, 1}, []int{1, 1}
			kernels.GatherAxis(e, column, along, lines.Tensor, 0)
		})
		var want, single []complex128
		for _, id := range at.Words {
			k, m := row(ids, id, v), row(ids, id, v*d)
			want, single = append(want, table.numbers()[k*d:(k+1)*d]...), append(single, table.numbers()[m])
		}
		s.Want(rows.pairs, parts(want))
		s.Want(lines.pairs, parts(single))
	}), complexCase("scatter/"+ids.Suffix(), dims, nil, func(s *Setup) {
		n, v, d := s.Dims[0], s.Dims[1], s.Dims[2]
		x, at, out := s.inComplex(n, d), indices(s, ids, v, n), s.outComplex(v, d)
		again := s.complexOf(s.words(s.Fill, metal.Float32, []int{v, d}), []int{v, d}, true)
		s.Launch(func(e kernels.Emitter) {
			kernels.ScatterAdd(e, at.Tensor, x.Tensor, out.Tensor)
			wide := kernels.Scratch(e, ids, n, d)
			spread := at.Tensor
			spread.Shape, spread.Strides = []int{n, d}, []int{1, 0}
			kernels.Copy(e, spread, wide)
			kernels.ScatterAxis(e, true, wide, x.Tensor, again.Tensor, 0)
		})
		sums := func(from []complex128) func() ref.Result {
			return func() ref.Result {
				r := ref.Result{Class: ref.Reduction, Value: make([]float64, 2*v*d), Mag: make([]float64, 2*v*d)}
				for i, z := range from {
					r.Value[2*i], r.Value[2*i+1] = real(z), imag(z)
				}
				for i := range r.Mag {
					r.Mag[i] = 4 * float64(n)
				}
				for k, id := range at.Words {
					for c := range d {
						to, z := row(ids, id, v)*d+c, x.numbers()[k*d+c]
						r.Value[2*to] += real(z)
						r.Value[2*to+1] += imag(z)
					}
				}
				return r
			}
		}
		s.Want(out.pairs, sums(nil))
		s.Want(again.pairs, sums(again.numbers()))
	})}
}

// row is where an index points in an axis of n.
func row(ids metal.DType, word uint64, n int) int {
	i := int(ref.Decode(ids, word))
	if i < 0 {
		i += n
	}
	return min(max(i, 0), n-1)
}

var _ = add(complexCases()...)
