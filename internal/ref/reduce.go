package ref

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// groups lists, for every element of the result of folding axes, which elements
// of x it is made of, in order.
func groups(shape, axes []int) [][]int {
	outer, total := 1, 1
	steps := make([]int, len(shape)) // of the result's index along each axis
	for i := len(shape) - 1; i >= 0; i-- {
		total *= shape[i]
		if !slices.Contains(axes, i) {
			steps[i] = outer
			outer *= shape[i]
		}
	}
	found := make([][]int, outer)
	for k := range total {
		rest, at := k, 0
		for i := len(shape) - 1; i >= 0; i-- {
			at += rest % shape[i] * steps[i]
			rest /= shape[i]
		}
		found[at] = append(found[at], k)
	}
	return found
}

// Reduce folds axes of x, words of dtype dt. Integers wrap.
func Reduce(op string, dt metal.DType, x []uint64, shape, axes []int) Result {
	parts := groups(shape, axes)
	if dt.IsFloat() {
		return reduceFloat(op, dt, x, parts)
	}
	return reduceInteger(op, dt, x, parts)
}

func reduceInteger(op string, dt metal.DType, x []uint64, parts [][]int) Result {
	out := Result{Words: make([]uint64, len(parts))}
	binary := map[string]string{"Sum": "Add", "Prod": "Multiply", "Max": "Maximum", "Min": "Minimum"}[op]
	for i, part := range parts {
		v := startWord(op, dt)
		for _, k := range part {
			switch {
			case op == "All":
				v &= boolWord(x[k] != 0)
			case op == "Any":
				v |= boolWord(x[k] != 0)
			case dt == metal.Bool:
				v = binaryBool(binary, []uint64{v}, []uint64{x[k]}).Words[0]
			default:
				v = integer(binary, dt, v, x[k]) & wordMask(dt)
			}
		}
		out.Words[i] = v
	}
	return out
}

// startWord is the result of folding nothing.
func startWord(op string, dt metal.DType) uint64 {
	least := uint64(0)
	if dt.IsSigned() {
		least = 1 << (8*dt.Size() - 1)
	}
	switch op {
	case "Prod", "All":
		return 1
	case "Max":
		return least
	case "Min":
		if dt == metal.Bool {
			return 1
		}
		return ^least & wordMask(dt)
	}
	return 0
}

func reduceFloat(op string, dt metal.DType, x []uint64, parts [][]int) Result {
	out := Result{Class: Reduction, Value: make([]float64, len(parts)), Mag: make([]float64, len(parts))}
	if op != "Sum" && op != "Prod" {
		out.Class = Exact
	}
	for i, part := range parts {
		v := map[string]float64{"Sum": 0, "Prod": 1, "Max": math.Inf(-1), "Min": math.Inf(1), "All": 1, "Any": 0}[op]
		mag := 0.0
		for _, k := range part {
			e := Decode(dt, x[k])
			switch op {
			case "Sum":
				v, mag = v+e, mag+math.Abs(e)
			case "Prod":
				v *= e
			case "Max":
				v = float("Maximum", v, e)
			case "Min":
				v = float("Minimum", v, e)
			case "All":
				v *= float64(boolWord(e != 0))
			case "Any":
				v = max(v, float64(boolWord(e != 0)))
			}
		}
		if op == "Prod" {
			// Every factor brings a relative rounding; they add up as a random walk.
			mag = math.Abs(v) * math.Sqrt(float64(max(len(part), 1)))
		}
		out.Value[i], out.Mag[i] = v, mag
	}
	return out
}

// ArgReduce is the place of the first largest or smallest element along axis,
// NaN being passed over; 0 where there is nothing else.
func ArgReduce(op string, dt metal.DType, x []uint64, shape []int, axis int) Result {
	if len(x) == 0 {
		return Result{Words: []uint64{}}
	}
	parts := groups(shape, []int{axis})
	out := Result{Words: make([]uint64, len(parts))}
	wanted := 1
	if op == "ArgMin" {
		wanted = -1
	}
	for i, part := range parts {
		best := -1
		for place, k := range part {
			if dt.IsFloat() && math.IsNaN(Decode(dt, x[k])) {
				continue
			}
			if best < 0 || compareWords(dt, x[k], x[part[best]]) == wanted {
				best = place
			}
		}
		out.Words[i] = uint64(max(best, 0))
	}
	return out
}

// SumNarrow adds rows of n elements of dtype dt, rounding to dt every time.
func SumNarrow(dt metal.DType, x []float64, n int) Result {
	out := Result{Class: Exact, Value: []float64{}}
	for at := 0; at < len(x); at += n {
		sum := 0.0
		for _, v := range x[at : at+n] {
			sum = Round(dt, float64(float32(sum+v)))
		}
		out.Value = append(out.Value, sum)
	}
	return out
}
