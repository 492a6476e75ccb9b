package graph_test

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// wide is an array of the float64 reference: row-major values.
type wide struct {
	shape []int
	v     []float64
}

func newWide(shape []int) wide { return wide{slices.Clone(shape), make([]float64, product(shape))} }

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// places is the coordinates of element i of shape.
func places(shape []int, i int) []int {
	at := make([]int, len(shape))
	for k := len(shape) - 1; k >= 0; k-- {
		at[k], i = i%shape[k], i/shape[k]
	}
	return at
}

// flat is the number of the element at coordinates.
func flat(shape, at []int) int {
	i := 0
	for k, d := range shape {
		i = i*d + at[k]
	}
	return i
}

// gathered is the array of the given shape whose element at coordinates at is
// x's element at from(at).
func gathered(x wide, shape []int, from func(at []int) []int) wide {
	out := newWide(shape)
	for i := range out.v {
		out.v[i] = x.v[flat(x.shape, from(places(shape, i)))]
	}
	return out
}

func mapped(x wide, f func(float64) float64) wide {
	out := newWide(x.shape)
	for i, v := range x.v {
		out.v[i] = f(v)
	}
	return out
}

// broadcast is x in a larger shape.
func broadcast(x wide, shape []int) wide {
	lead := len(shape) - len(x.shape)
	return gathered(x, shape, func(at []int) []int {
		from := slices.Clone(at[lead:])
		for k, d := range x.shape {
			if d == 1 {
				from[k] = 0
			}
		}
		return from
	})
}

func zipped(a, b wide, f func(x, y float64) float64) wide {
	shape := graph.BroadcastShapes(a.shape, b.shape)
	a, b = broadcast(a, shape), broadcast(b, shape)
	out := newWide(shape)
	for i := range out.v {
		out.v[i] = f(a.v[i], b.v[i])
	}
	return out
}

// rows applies f to every line along axis, which it may lengthen or shorten.
func rows(x wide, axis int, f func(row []float64) []float64) wide {
	var out wide
	n := x.shape[axis]
	others := slices.Clone(x.shape)
	others[axis] = 1
	if product(others) == 0 {
		return newWide(slices.Replace(slices.Clone(x.shape), axis, axis+1, len(f(make([]float64, n)))))
	}
	for i := range product(others) {
		at := places(others, i)
		row := make([]float64, n)
		for k := range row {
			at[axis] = k
			row[k] = x.v[flat(x.shape, at)]
		}
		result := f(row)
		if i == 0 {
			out = newWide(slices.Replace(slices.Clone(x.shape), axis, axis+1, len(result)))
		}
		for k, v := range result {
			at[axis] = k
			out.v[flat(out.shape, at)] = v
		}
	}
	return out
}

func matmul64(a, b wide) wide {
	na, nb := len(a.shape), len(b.shape)
	m, k, n := a.shape[na-2], a.shape[na-1], b.shape[nb-1]
	batch := graph.BroadcastShapes(a.shape[:na-2], b.shape[:nb-2])
	a, b = broadcast(a, append(slices.Clone(batch), m, k)), broadcast(b, append(slices.Clone(batch), k, n))
	out := newWide(append(slices.Clone(batch), m, n))
	for i := range out.v {
		s, r, c := i/(m*n), i/n%m, i%n
		for j := range k {
			out.v[i] += a.v[(s*m+r)*k+j] * b.v[(s*k+j)*n+c]
		}
	}
	return out
}

// noise rounds at random: what a computation in the dtype may be off by. A nil
// noise rounds nothing. Differences between runs with different noise say how
// far rounding can move a result, whatever the magnitudes inside and the depth.
type noise struct{ rng *rand.Rand }

// of is x with every element moved by up to a rounding of dt, times factor.
func (n *noise) of(x wide, dt metal.DType, factor float64) wide {
	if n == nil || !dt.IsFloat() {
		return x
	}
	eps := map[metal.DType]float64{metal.Float32: 0x1p-24, metal.Float16: 0x1p-11, metal.BFloat16: 0x1p-8, metal.Float64: 0x1p-53}[dt]
	least := map[metal.DType]float64{metal.Float16: 0x1p-24}[dt] // between its smallest values
	return mapped(x, func(v float64) float64 {
		return v*(1+factor*eps*(2*n.rng.Float64()-1)) + least*(2*n.rng.Float64()-1)
	})
}

// sumOf is a sum whose terms are rounded one by one.
func sumOf(row []float64) []float64 {
	s := 0.0
	for _, v := range row {
		s += v
	}
	return []float64{s}
}

func logSumExpOf(row []float64) []float64 {
	top, s := slices.Max(row), 0.0
	for _, v := range row {
		s += math.Exp(v - top)
	}
	return []float64{top + math.Log(s)}
}

// hartleyOf is the sum of the real and the imaginary part of a Fourier transform.
func hartleyOf(row []float64) []float64 {
	out := make([]float64, len(row))
	for k := range out {
		for j, v := range row {
			s, c := math.Sincos(2 * math.Pi * float64(j*k) / float64(len(row)))
			out[k] += v * (c - s) / math.Sqrt(float64(len(row)))
		}
	}
	return out
}

// hadamardOf is the first elements of the Walsh-Hadamard transform of a row with
// zeros behind it.
func hadamardOf(row []float64) []float64 {
	out := make([]float64, len(row))
	for k := range out {
		for j, v := range row {
			if bits.OnesCount(uint(j&k))%2 == 1 {
				v = -v
			}
			out[k] += v
		}
	}
	return out
}

func softmaxOf(row []float64) []float64 {
	l := logSumExpOf(row)[0]
	out := make([]float64, len(row))
	for i, v := range row {
		out[i] = math.Exp(v - l)
	}
	return out
}

func normed(row []float64, mean bool) []float64 {
	n, m, s := float64(len(row)), 0.0, 0.0
	if mean {
		m = sumOf(row)[0] / n
	}
	for _, v := range row {
		s += (v - m) * (v - m)
	}
	out := make([]float64, len(row))
	for i, v := range row {
		out[i] = (v - m) / math.Sqrt(s/n+normEps)
	}
	return out
}

// normEps keeps norms well conditioned.
const normEps = 0.1

func running(row []float64, f func(sum, v float64) float64) []float64 {
	out := slices.Clone(row)
	for i := 1; i < len(out); i++ {
		out[i] = f(out[i-1], out[i])
	}
	return out
}
