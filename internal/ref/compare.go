package ref

import (
	"fmt"
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// Class is the kind of arithmetic behind an output. Its value is how many
// float32 roundings of the magnitude the result may be off, besides the one
// rounding to the output's dtype.
type Class int

// The classes, in order of the error they may accumulate.
const (
	Exact          Class = 0  // copies, indexing, comparisons, integers: the very bits
	Elementwise    Class = 2  // a few float operations
	Transcendental Class = 4  // exp, log, sin, …
	Reduction      Class = 16 // sums of float32
	Matmul         Class = 32 // long sums of products
)

// Result is what an output has to be.
type Result struct {
	Class Class
	Value []float64
	Mag   []float64 // sum of the absolute terms behind each element; nil: |Value|
	Words []uint64  // instead of Value, for integers of any width: raw words, exact
}

// Intermediate is the weight of a term of the magnitude that the op rounds to
// dt on its way, relative to one that stays in float32.
func Intermediate(dt metal.DType) float64 { return unit(dt) / unit(metal.Float32) }

// Report tells how close an output came.
type Report struct {
	LogNMSE float64 // log10 of the normalized mean square error; -Inf if exact
	Worst   float64 // largest error as a part of what was allowed
	Error   float64 // of the element with the largest part
	Allowed float64 // there; 0 if all elements are exact
}

// Compare checks the elements of got, of dtype dt, against want:
//
//	|got - want| ≤ eps(dt)·|want| + class·eps(float32)·mag
//
// where eps is the unit roundoff, plus half the smallest number that dt has.
// NaN must meet NaN, and infinity the same infinity unless the bound reaches
// over the edge of the range. Class Exact wants equal bits.
func Compare(dt metal.DType, got []byte, want Result) (Report, error) {
	n := len(got) / dt.Size()
	if want.Words != nil || want.Class == Exact || !dt.IsFloat() {
		return Report{LogNMSE: math.Inf(-1)}, compareExact(dt, got, want, n)
	}
	if len(want.Value) != n || (want.Mag != nil && len(want.Mag) != n) {
		return Report{}, fmt.Errorf("the reference has %d values and %d magnitudes for %d elements", len(want.Value), len(want.Mag), n)
	}
	var report Report
	var square, norm float64
	for i, w := range want.Value {
		mag := math.Abs(w)
		if want.Mag != nil {
			mag = want.Mag[i]
		}
		g := Decode(dt, Word(dt, got, i))
		used, bound := excess(dt, want.Class, g, w, mag)
		if !(used <= report.Worst) {
			report.Worst, report.Error, report.Allowed = used, used*bound, bound
			if math.IsNaN(bound) { // NaN is wanted
				report.Error, report.Allowed = math.Inf(1), 0
			}
		}
		if !(used <= 1) {
			return report, fmt.Errorf("element %d of %d: got %v, want %v (magnitude %v): %.3g times the allowed error", i, n, g, w, mag, used)
		}
		if !math.IsNaN(w) && !math.IsInf(w, 0) && !math.IsInf(g, 0) {
			square += (g - w) * (g - w)
			norm += w * w
		}
	}
	report.LogNMSE = math.Log10(square / max(norm, math.SmallestNonzeroFloat64))
	return report, nil
}

// excess is the error of g as a part of what is allowed, and that.
func excess(dt metal.DType, c Class, g, w, mag float64) (used, bound float64) {
	bound = unit(dt)*math.Abs(w) + halfDenormal(dt) + float64(c)*(unit(metal.Float32)*mag+halfDenormal(metal.Float32))
	switch {
	case math.IsNaN(w) && math.IsNaN(g), g == w:
		return 0, bound
	case math.IsNaN(w), math.IsNaN(g), math.IsInf(w, 0):
		return math.Inf(1), bound
	case math.IsInf(g, 0):
		switch {
		case math.Signbit(g) != math.Signbit(w) || math.Abs(w)+bound < overflow(dt):
			return math.Inf(1), bound
		case math.Abs(w) >= overflow(dt):
			return 0, bound
		}
		return 1, bound
	}
	return math.Abs(g-w) / bound, bound
}

func compareExact(dt metal.DType, got []byte, want Result, n int) error {
	if max(len(want.Words), len(want.Value)) != n {
		return fmt.Errorf("the reference has %d values for %d elements", max(len(want.Words), len(want.Value)), n)
	}
	for i := range n {
		var w uint64
		if want.Words != nil {
			w = want.Words[i]
		} else {
			w = Encode(dt, want.Value[i])
		}
		g := Word(dt, got, i)
		if g == w || (dt.IsFloat() && math.IsNaN(Decode(dt, g)) && math.IsNaN(Decode(dt, w))) {
			continue
		}
		return fmt.Errorf("element %d of %d: got %v (%#x), want %v (%#x), exactly", i, n, Decode(dt, g), g, Decode(dt, w), w)
	}
	return nil
}
