package ref

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// scanFolds are the reductions that the scans run.
var scanFolds = map[string]string{"CumSum": "Sum", "CumProd": "Prod", "CumMax": "Max", "CumMin": "Min"}

// lines lists the elements of each line along axis, in the order of a scan.
func lines(shape []int, axis int, reverse bool) [][]int {
	parts := groups(shape, []int{axis})
	if reverse {
		for _, part := range parts {
			slices.Reverse(part)
		}
	}
	return parts
}

// Scan folds, for each element of x, words of dtype dt, what a scan along axis
// has passed. Every element is a reduction of its own.
func Scan(op string, dt metal.DType, x []uint64, shape []int, axis int, reverse, exclusive bool) Result {
	var parts [][]int
	places := []int{}
	for _, line := range lines(shape, axis, reverse) {
		for k, at := range line {
			n := k + 1
			if exclusive {
				n = k
			}
			parts, places = append(parts, line[:n]), append(places, at)
		}
	}
	var folded Result
	switch {
	case op == "LogCumSumExp":
		folded = logSumExps(dt, x, parts)
	case dt.IsFloat():
		folded = reduceFloat(scanFolds[op], dt, x, parts)
	default:
		folded = reduceInteger(scanFolds[op], dt, x, parts)
	}
	out := Result{Class: folded.Class}
	if folded.Words != nil {
		out.Words = make([]uint64, len(x))
	} else {
		out.Value, out.Mag = make([]float64, len(x)), make([]float64, len(x))
	}
	for i, at := range places {
		if folded.Words != nil {
			out.Words[at] = folded.Words[i]
		} else {
			out.Value[at], out.Mag[at] = folded.Value[i], folded.Mag[i]
		}
	}
	return out
}

// logSumExps is ln Σ eˣ of each part. A relative error of the sum is an absolute
// one of its logarithm, hence the 1 in the magnitude.
func logSumExps(dt metal.DType, x []uint64, parts [][]int) Result {
	out := Result{Class: Reduction, Value: make([]float64, len(parts)), Mag: make([]float64, len(parts))}
	for i, part := range parts {
		top := math.Inf(-1)
		for _, k := range part {
			top = float("Maximum", top, Decode(dt, x[k]))
		}
		sum := 0.0
		for _, k := range part {
			sum += math.Exp(Decode(dt, x[k]) - top)
		}
		out.Value[i] = top
		if !math.IsInf(top, 0) {
			out.Value[i] += math.Log(sum)
		}
		out.Mag[i] = 1 + math.Abs(top)
	}
	return out
}

// LinearScan is y[k] = c[k] + a[k]·y[k-1] along axis, in float32; with a[k-1] if
// before is set.
func LinearScan(a, c []float64, shape []int, axis int, reverse, before bool) Result {
	out := Result{Class: Reduction, Value: make([]float64, len(c)), Mag: make([]float64, len(c))}
	for _, line := range lines(shape, axis, reverse) {
		v, mag := 0.0, 0.0
		for k, at := range line {
			w := a[at]
			if k > 0 && before {
				w = a[line[k-1]]
			}
			if k == 0 {
				w = 0
			}
			v, mag = c[at]+w*v, math.Abs(c[at])+math.Abs(w)*mag
			out.Value[at], out.Mag[at] = v, mag
		}
	}
	return out
}
