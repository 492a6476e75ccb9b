package ref

import "math"

// exponentials returns the maximum of a row, the sum of eˣ⁻ᵐᵃˣ, and the
// magnitude of that sum: rounding x-max costs a relative error of its size.
func exponentials(row []float64) (top, sum, mag float64) {
	top = math.Inf(-1)
	for _, v := range row {
		if v > top {
			top = v
		}
	}
	for _, v := range row {
		e := math.Exp(v - top)
		sum += e
		mag += e * (1 + distance(v, top))
	}
	return top, sum, mag
}

// distance is top-v where e to that power is not simply 0.
func distance(v, top float64) float64 {
	if d := top - v; d < 1e4 {
		return d
	}
	return 0
}

// Softmax normalises eˣ over rows of n elements.
func Softmax(x []float64, n int) Result {
	out := Result{Class: Reduction, Value: make([]float64, len(x)), Mag: make([]float64, len(x))}
	for at := 0; at < len(x); at += n {
		row := x[at : at+n]
		top, sum, mag := exponentials(row)
		for i, v := range row {
			p := math.Exp(v-top) / sum
			out.Value[at+i] = p
			out.Mag[at+i] = p * (distance(v, top) + mag/sum)
		}
	}
	return out
}

// SoftmaxVJP is y·(g - Σ y·g) over rows of n elements.
func SoftmaxVJP(y, g []float64, n int) Result {
	out := Result{Class: Reduction, Value: make([]float64, len(y)), Mag: make([]float64, len(y))}
	for at := 0; at < len(y); at += n {
		dot, mag := 0.0, 0.0
		for i := at; i < at+n; i++ {
			dot, mag = dot+y[i]*g[i], mag+math.Abs(y[i]*g[i])
		}
		for i := at; i < at+n; i++ {
			out.Value[i], out.Mag[i] = y[i]*(g[i]-dot), math.Abs(y[i])*(math.Abs(g[i])+mag)
		}
	}
	return out
}

// LogSumExp is ln Σ eˣ over rows of n elements: -∞ for a row of that, +∞ if there
// is one. The relative error of the sum is an absolute one of its logarithm.
func LogSumExp(x []float64, n int) Result {
	out := Result{Class: Reduction}
	for at := 0; at < len(x); at += n {
		top, sum, mag := exponentials(x[at : at+n])
		v := top
		nan := false
		for _, e := range x[at : at+n] {
			nan = nan || math.IsNaN(e)
		}
		switch {
		case nan:
			v = math.NaN()
		case !math.IsInf(top, 0):
			v += math.Log(sum)
		}
		out.Value = append(out.Value, v)
		out.Mag = append(out.Mag, math.Abs(top)+math.Log(sum)+mag/sum)
	}
	return out
}
