package graphtest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// class is how an op may round: factors of float32's epsilon, for the arithmetic
// inside, and of the dtype's own, for roundings on the way. A case has no number
// of its own.
type class struct{ inner, rounds float64 }

// The classes. Operations that copy, select or compare are exact.
var (
	exact          = class{0, 0}
	elementwise    = class{2, 1}
	transcendental = class{8, 1}
	reduction      = class{16, 1}
	product        = class{32, 1}
	composed       = class{32, 4} // several roundings to the dtype
)

// gradient is the class of an op's gradient: it may add many terms.
func (k class) gradient() class {
	return class{max(k.inner, reduction.inner), max(k.rounds, reduction.rounds)}
}

// tolerance is what a value may be off:
//
//	rounds·eps(dtype)·|want| + inner·eps(float32)·(|want| + magnitude) + (1+rounds)·noise + 4·condition + sums,
//
// and the smallest normal float32, where magnitude is that of the tensor and, for sums, of what was summed, and
// noise is how far MLX itself is from its float32 result on this case (16-bit
// inputs only). condition is how far the engine's result moves when float32
// inputs move by one rounding; it is measured where a sum or product would
// fail without it. sums is for ops that MLX sums in 16 bits.
type tolerance struct {
	class     class
	noise     float64
	scale     float64 // of the operands
	condition float64
	sums      []float64 // by element; nil: zeros
}

const (
	eps32          = 1.0 / (1 << 23)
	smallestNormal = 1.1754943508222875e-38 // smaller results may be flushed to zero
)

func epsilon(dt metal.DType) float64 {
	switch dt {
	case metal.Float16:
		return 1.0 / (1 << 10)
	case metal.BFloat16:
		return 1.0 / (1 << 7)
	}
	return eps32
}

func (tol tolerance) allowed(i int, want float64, dt metal.DType, peak float64) float64 {
	if tol.class == exact {
		return 0
	}
	scale := math.Abs(want)
	if tol.class.inner >= reduction.inner {
		scale += max(peak, tol.scale)
	}
	sums := 0.0
	if tol.sums != nil {
		sums = tol.sums[i]
	}
	return tol.class.rounds*epsilon(dt)*math.Abs(want) + tol.class.inner*eps32*scale + (1+tol.class.rounds)*tol.noise + 4*tol.condition + sums + smallestNormal
}

// inexact reports whether dt's values are rounded.
func inexact(dt metal.DType) bool { return dt.IsFloat() || dt == metal.Complex64 }

// decode is a tensor's values; complex ones are two each.
func decode(t Tensor) []float64 {
	if t.DType == metal.Complex64 {
		t = Tensor{metal.Float32, []int{len(t.Raw) / 4}, t.Raw}
	}
	v, err := graph.Floats(context.Background(), t.Array())
	if err != nil {
		panic(err)
	}
	return v
}

// size is the absolute value that element i is a part of.
func size(v []float64, i int, dt metal.DType) float64 {
	if dt == metal.Complex64 {
		return math.Hypot(v[i&^1], v[i|1])
	}
	return v[i]
}

// largest is the largest finite absolute value.
func largest(values []float64) float64 {
	m := 0.0
	for _, v := range values {
		if a := math.Abs(v); a > m && !math.IsInf(a, 0) {
			m = a
		}
	}
	return m
}

// compare reports what differs between got, evaluated, and want.
func compare(ctx context.Context, what string, got *graph.Array, want Tensor, tol tolerance) error {
	if got.DType() != want.DType || !slices.Equal(got.Shape(), want.Shape) {
		return fmt.Errorf("%s is %v, want %s%v", what, got, want.DType, want.Shape)
	}
	raw, err := graph.Bytes(ctx, got)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if bytes.Equal(raw, want.Raw) {
		return nil
	}
	g, w := decode(Tensor{want.DType, want.Shape, raw}), decode(want)
	if !inexact(want.DType) {
		tol.class, tol.noise = exact, 0
	}
	peak := largest(w)
	wrong, worst, ratio := 0, 0, -1.0
	for i := range w {
		allowed := tol.allowed(i, size(w, i, want.DType), want.DType, peak)
		off := math.Abs(g[i] - w[i])
		ok := off <= allowed || g[i] == w[i] || (math.IsNaN(g[i]) && math.IsNaN(w[i]))
		if !ok {
			wrong++
			r := off / max(allowed, 1e-300)
			if r > ratio || math.IsNaN(r) {
				worst, ratio = i, r
			}
		}
	}
	if wrong == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d of %d values differ; at %d got %v, want %v, allowed difference %.3g (worst is %.3g times that)",
		what, wrong, len(w), worst, g[worst], w[worst], tol.allowed(worst, size(w, worst, want.DType), want.DType, peak), ratio)
}
