package nn

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/graph"
)

// UpsampleMode says how Upsample finds values between elements.
type UpsampleMode int

// The modes.
const (
	UpsampleNearest UpsampleMode = iota
	UpsampleLinear
	UpsampleCubic
)

// Upsample resizes the spatial axes. Mirrors nn.Upsample.
type Upsample struct {
	Scale        []float64 // one factor per spatial axis, or one for all
	Mode         UpsampleMode
	AlignCorners bool // the outermost elements stay where they are
	AntiAlias    bool // smaller outputs average over what they skip
}

// Forward resizes x [N,…,C].
func (u *Upsample) Forward(x *graph.Array) *graph.Array {
	const op = "nn.Upsample"
	n := x.NDim() - 2
	graph.Check(n > 0, op, "input is %v, want [N, spatial axes, C]", x)
	graph.Check(!u.AntiAlias || u.Mode != UpsampleNearest && !u.AlignCorners, op, "AntiAlias needs linear or cubic interpolation without AlignCorners")
	scales := u.Scale
	if len(scales) == 1 {
		scales = slices.Repeat(scales, n)
	}
	graph.Check(len(scales) == n, op, "%d scales for %d spatial axes", len(scales), n)
	for i, s := range scales {
		size := x.Dim(i + 1)
		graph.Check(s > 0 && size > 0 && s*float64(size) < math.MaxInt32, op, "scale %g of %d elements, want a positive result", s, size)
		if u.Mode == UpsampleNearest {
			x = nearest(x, i+1, s, scales)
		} else {
			x = u.taps(size, s).apply(x, i+1)
		}
	}
	return x
}

// nearest repeats elements where all scales are whole, and picks them otherwise.
func nearest(x *graph.Array, axis int, scale float64, scales []float64) *graph.Array {
	if !slices.ContainsFunc(scales, func(s float64) bool { return s != math.Trunc(s) }) {
		return graph.Repeat(x, int(scale), axis)
	}
	n := x.Dim(axis)
	m := int(scale * float64(n))
	ratio := float32(float64(n) / float64(m))
	at := make([]int32, m)
	for i := range at {
		v := float32(i) * ratio
		if m > n {
			v = float32(math.RoundToEven(float64((float32(i)+0.5)*ratio - 0.5)))
		}
		at[i] = int32(min(v, float32(n-1)))
	}
	return graph.Take(x, graph.FromSlice(at), axis)
}

// taps are the elements that outputs are weighted sums of: at[k][i] and
// weight[k][i] for output i.
type taps struct {
	at     [][]int32
	weight [][]float32
}

// apply resizes one axis.
func (t taps) apply(x *graph.Array, axis int) *graph.Array {
	shape := slices.Repeat([]int{1}, x.NDim())
	shape[axis] = len(t.at[0])
	var sum *graph.Array
	for k := range t.at {
		term := graph.Multiply(graph.FromSlice(t.weight[k], shape...), graph.Take(x, graph.FromSlice(t.at[k]), axis))
		if sum == nil {
			sum = term
		} else {
			sum = graph.Add(sum, term)
		}
	}
	return sum
}

// places are the outputs' positions among n elements, with MLX's roundings.
func (u *Upsample) places(n int, scale float64) []float32 {
	m := int(scale * float64(n))
	graph.Check(m > 0, "nn.Upsample", "scale %g of %d elements, want a positive result", scale, n)
	at := make([]float32, m)
	for i := range at {
		if u.AlignCorners {
			at[i] = float32(i) * float32(float64(n-1)/float64(max(m-1, 1)))
			continue
		}
		step := 1 / scale
		at[i] = float32(i)*float32(step) - float32((float64(m-1)*step-float64(n)+1)/2)
	}
	return at
}

func (u *Upsample) taps(n int, scale float64) taps {
	at := u.places(n, scale)
	switch {
	case u.AntiAlias && u.Mode == UpsampleCubic:
		return smoothed(at, n, scale, 2, func(d float32) float32 { return cubicWeight(d, -0.5) })
	case u.AntiAlias:
		return smoothed(at, n, scale, 1, func(d float32) float32 { return max(1-d, 0) })
	case u.Mode == UpsampleCubic:
		return gather(at, n, -1, 2, func(v, tap float32) float32 { return cubicWeight(abs32(v-tap), -0.75) })
	}
	for i, v := range at {
		at[i] = min(max(v, 0), float32(n-1))
	}
	return gather(at, n, 0, 1, func(v, tap float32) float32 { return 1 - abs32(v-tap) })
}

// gather makes taps at floor(v)+first … floor(v)+last; those outside take the
// element on the edge, those without weight the one at floor(v), so that an
// infinite neighbour does not make them NaN.
func gather(at []float32, n, first, last int, weight func(v, tap float32) float32) taps {
	var t taps
	for k := first; k <= last; k++ {
		index, w := make([]int32, len(at)), make([]float32, len(at))
		for i, v := range at {
			tap := floor32(v) + float32(k)
			if w[i] = weight(v, tap); w[i] == 0 {
				tap = floor32(v)
			}
			index[i] = int32(min(max(tap, 0), float32(n-1)))
		}
		t.at, t.weight = append(t.at, index), append(t.weight, w)
	}
	return t
}

// smoothed widens the kernel where outputs are fewer than inputs, and weighs
// those inside alone.
func smoothed(at []float32, n int, scale, radius float64, kernel func(float32) float32) taps {
	widen := max(1/scale, 1)
	reach := int(math.Ceil(radius*widen)) + 1
	t := gather(at, n, 1-reach, reach-1, func(v, tap float32) float32 {
		if tap < 0 || tap >= float32(n) {
			return 0
		}
		return kernel(abs32(v-tap) / float32(widen))
	})
	for i := range at {
		sum := float32(0)
		for k := range t.weight {
			sum += t.weight[k][i]
		}
		if sum > 0 {
			for k := range t.weight {
				t.weight[k][i] /= sum
			}
		}
	}
	return t
}

// cubicWeight is the weight of an element at distance d in bicubic interpolation
// with the parameter a (Keys, 1981).
func cubicWeight(d, a float32) float32 {
	switch {
	case d <= 1:
		return ((a+2)*d-(a+3))*d*d + 1
	case d <= 2:
		return (((d-5)*d+8)*d - 4) * a
	}
	return 0
}

func abs32(v float32) float32   { return float32(math.Abs(float64(v))) }
func floor32(v float32) float32 { return float32(math.Floor(float64(v))) }
