package ref

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// place is the row that an index names: from the end if it is negative, clamped
// to the axis.
func place(id float64, n int) int {
	if id < 0 {
		id += float64(n)
	}
	return int(min(max(id, 0), float64(n-1)))
}

// Gather is the rows of table [n, width] that ids name.
func Gather(table []uint64, ids []float64, n, width int) Result {
	out := Result{Words: []uint64{}}
	for _, id := range ids {
		at := place(id, n) * width
		out.Words = append(out.Words, table[at:at+width]...)
	}
	return out
}

// CheckIndices is, for each thread of several that take turns, the place of its
// first index outside [low, high), from 1, and that index, or zeros.
func CheckIndices(ids []float64, threads int, low, high float64) Result {
	out := Result{Words: make([]uint64, 2*threads)}
	for i, id := range ids {
		if pair := out.Words[i%threads*2:][:2]; pair[0] == 0 && (id < low || id >= high) {
			pair[0], pair[1] = uint64(i+1), uint64(int64(id))
		}
	}
	return out
}

// sums collects sums of elements of dtype dt, with magnitudes.
type sums struct {
	dt    metal.DType
	words []uint64
	value []float64
	mag   []float64
}

func newSums(dt metal.DType, n int) *sums {
	return &sums{dt, make([]uint64, n), make([]float64, n), make([]float64, n)}
}

func (s *sums) add(i int, w uint64) {
	s.words[i] = (s.words[i] + w) & wordMask(s.dt)
	if s.dt == metal.Bool {
		s.words[i] = min(s.words[i], 1) // a sum of truths is "or"
	}
	s.value[i] += Decode(s.dt, w)
	s.mag[i] += math.Abs(Decode(s.dt, w))
}

func (s *sums) result(c Class) Result {
	if s.dt.IsFloat() {
		return Result{Class: c, Value: s.value, Mag: s.mag}
	}
	return Result{Words: s.words}
}

// ScatterAdd is, for each row of a table [n, width], the sum of the rows of x
// whose index names it.
func ScatterAdd(dt metal.DType, ids []float64, x []uint64, n, width int) Result {
	s := newSums(dt, n*width)
	for r, id := range ids {
		for c := range width {
			s.add(place(id, n)*width+c, x[r*width+c])
		}
	}
	return s.result(Reduction)
}

// GatherAxis reads x [outer, axis, inner] at count indices along the axis.
func GatherAxis(x []uint64, ids []float64, shape []int, count int) Result {
	out := Result{Words: make([]uint64, len(ids))}
	for j, id := range ids {
		out.Words[j] = x[along(shape, count, j, id)]
	}
	return out
}

// along is the element of [outer, axis, inner] that index j of [outer, count,
// inner] names.
func along(shape []int, count, j int, id float64) int {
	axis, inner := shape[1], shape[2]
	o, i := j/(count*inner), j%inner
	return (o*axis+place(id, axis))*inner + i
}

// ScatterFold replaces elements of old along the axis by the binary op of them
// and x, in the order of the indices; a product rounds each time.
func ScatterFold(dt metal.DType, op string, old []uint64, ids []float64, x []uint64, shape []int, count int) Result {
	words := append([]uint64{}, old...)
	for j, id := range ids {
		at := along(shape, count, j, id)
		switch order := compareWords(dt, words[at], x[j]); {
		case op == "Multiply" && dt.IsFloat():
			words[at] = Encode(dt, float64(float32(Decode(dt, words[at])*Decode(dt, x[j]))))
		case op == "Multiply":
			words[at] = Binary(op, dt, words[at:at+1], x[j:j+1]).Words[0]
		case op == "Maximum" && order != 1, op == "Minimum" && order != -1:
			words[at] = x[j]
		}
	}
	return Result{Words: words}
}

// ScatterAxis writes x, or adds it, to old along the axis, later indices last.
// Every addition to a 16-bit float rounds.
func ScatterAxis(dt metal.DType, add bool, old []uint64, ids []float64, x []uint64, shape []int, count int) Result {
	s := newSums(dt, len(old))
	for i, w := range old {
		s.add(i, w)
	}
	words := append([]uint64{}, old...)
	for j, id := range ids {
		at := along(shape, count, j, id)
		s.add(at, x[j])
		words[at] = x[j]
	}
	if !add {
		return Result{Words: words}
	}
	out := s.result(Elementwise)
	for i := range out.Mag {
		out.Mag[i] *= Intermediate(dt)
	}
	return out
}
