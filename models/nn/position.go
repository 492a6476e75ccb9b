package nn

import (
	"math"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// RoPE rotates pairs of features by their position. Mirrors nn.RoPE.
type RoPE struct {
	Dims        int // how many features rotate
	Traditional bool
	Base, Scale float64
}

// NewRoPE is a layer with MLX's base, 10000, and scale, 1.
func NewRoPE(dims int) *RoPE { return &RoPE{Dims: dims, Base: 10000, Scale: 1} }

// Forward rotates x [B,…,T,D], whose first token is at position offset. See
// graph.RoPE.
func (r *RoPE) Forward(x *graph.Array, offset int) *graph.Array {
	return graph.RoPE(x, graph.RoPEOptions{Dims: r.Dims, Traditional: r.Traditional, Base: r.Base, Scale: r.Scale, Offset: offset})
}

// SinusoidalPositionalEncoding maps positions to sines and cosines of
// frequencies that grow geometrically. Mirrors nn.SinusoidalPositionalEncoding.
type SinusoidalPositionalEncoding struct {
	Dims             int // of the encoding, even
	MinFreq, MaxFreq float64
	Scale            float64
	CosFirst         bool // cosines before sines
	FullTurns        bool // frequencies in turns instead of radians
}

// NewSinusoidalPositionalEncoding is a layer with MLX's frequencies, 1e-4 to 1,
// and scale, √(2/dims).
func NewSinusoidalPositionalEncoding(dims int) *SinusoidalPositionalEncoding {
	graph.Check(dims > 0 && dims%2 == 0, "nn.SinusoidalPositionalEncoding", "%d dims, want a positive even number", dims)
	return &SinusoidalPositionalEncoding{Dims: dims, MinFreq: 1e-4, MaxFreq: 1, Scale: math.Sqrt(2 / float64(dims))}
}

// Forward encodes positions x [...] as [..., Dims].
func (p *SinusoidalPositionalEncoding) Forward(x *graph.Array) *graph.Array {
	half := p.Dims / 2
	place := graph.Ones([]int{1}, metal.Float32)
	if half > 1 {
		place = graph.Subtract(1, graph.Divide(graph.Arange(0, float64(half), 1, metal.Int32), half-1))
	}
	lo, hi := math.Log(p.MinFreq), math.Log(p.MaxFreq)
	freqs := graph.Exp(graph.Add(graph.Multiply(place, hi-lo), lo))
	if p.FullTurns {
		freqs = graph.Multiply(freqs, 2*math.Pi)
	}
	angle := graph.Multiply(graph.ExpandDims(x, -1), freqs)
	parts := []*graph.Array{graph.Sin(angle), graph.Cos(angle)}
	if p.CosFirst {
		parts[0], parts[1] = parts[1], parts[0]
	}
	y := graph.Concatenate(parts, -1)
	if p.Scale == 1 {
		return y
	}
	return graph.Multiply(y, p.Scale)
}

// ALiBi lowers attention scores by the distance of query and key (Press et al.,
// arXiv 2108.12409). Mirrors nn.ALiBi.
type ALiBi struct{}

// Forward adds to scores [B,H,Tq,Tk], whose first query is at position offset,
// the distances times a slope per head, and mask, if it is not nil.
func (ALiBi) Forward(scores *graph.Array, offset int, mask *graph.Array) *graph.Array {
	graph.Check(scores.NDim() == 4, "nn.ALiBi", "scores are %v, want [B H Tq Tk]", scores)
	dt := scores.DType()
	q := graph.Arange(float64(offset), float64(offset+scores.Dim(2)), 1, metal.Int32)
	k := graph.Arange(0, float64(scores.Dim(3)), 1, metal.Int32)
	distance := graph.Negative(graph.Abs(graph.Subtract(graph.ExpandDims(q, 1), k)))
	slopes := alibiSlopes(scores.Dim(1))
	slope := graph.AsType(graph.FromSlice(slopes, len(slopes), 1, 1), dt)
	bias := graph.AsType(graph.Multiply(graph.ExpandDims(distance, 0, 1), slope), dt)
	if mask != nil {
		bias = graph.Add(bias, mask)
	}
	return graph.Add(scores, bias)
}

// alibiSlopes are powers of one number for a power of two heads; others take
// the rest from every second slope of twice as many heads.
func alibiSlopes(heads int) []float32 {
	power := 1
	for 2*power <= heads {
		power *= 2
	}
	of := func(n int) []float32 {
		slopes := make([]float32, n)
		start := math.Pow(2, -math.Pow(2, 3-math.Log2(float64(n))))
		for i := range slopes {
			slopes[i] = float32(math.Pow(start, float64(i+1)))
		}
		return slopes
	}
	slopes := of(power)
	if power == heads {
		return slopes
	}
	for i, s := range of(2 * power) {
		if i%2 == 0 && len(slopes) < heads {
			slopes = append(slopes, s)
		}
	}
	return slopes
}
