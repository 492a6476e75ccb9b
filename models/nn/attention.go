package nn

import (
	"math"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// MultiHeadAttention is attention with projections before and after. Mirrors
// nn.MultiHeadAttention.
type MultiHeadAttention struct {
	QueryProj, KeyProj, ValueProj, OutProj *Linear
	Heads                                  int
}

// AttentionOptions are the sizes of MultiHeadAttention. Zero stands for the
// default.
type AttentionOptions struct {
	Dims, Heads     int  // features, a multiple of Heads
	QueryInputDims  int  // Dims
	KeyInputDims    int  // Dims
	ValueInputDims  int  // KeyInputDims
	ValueDims       int  // Dims
	ValueOutputDims int  // Dims
	Bias            bool // of the projections
}

// NewMultiHeadAttention is a layer without data.
func NewMultiHeadAttention(opt AttentionOptions) *MultiHeadAttention {
	const op = "nn.MultiHeadAttention"
	graph.Check(opt.Heads > 0 && opt.Dims > 0 && opt.Dims%opt.Heads == 0, op, "%d features for %d heads, want a multiple", opt.Dims, opt.Heads)
	or := func(n, fallback int) int {
		if n == 0 {
			return fallback
		}
		return n
	}
	key, value := or(opt.KeyInputDims, opt.Dims), or(opt.ValueDims, opt.Dims)
	graph.Check(value%opt.Heads == 0, op, "%d features of values for %d heads, want a multiple", value, opt.Heads)
	return &MultiHeadAttention{
		QueryProj: NewLinear(or(opt.QueryInputDims, opt.Dims), opt.Dims, opt.Bias),
		KeyProj:   NewLinear(key, opt.Dims, opt.Bias),
		ValueProj: NewLinear(or(opt.ValueInputDims, key), value, opt.Bias),
		OutProj:   NewLinear(value, or(opt.ValueOutputDims, opt.Dims), opt.Bias),
		Heads:     opt.Heads,
	}
}

// Forward attends from queries [B,Tq,·] to keys and values [B,Tk,·]. mask is
// added to the scores if it is of floating point, or says what is seen if it is
// bool: it broadcasts to [B,H,Tq,Tk]; nil is none.
func (m *MultiHeadAttention) Forward(queries, keys, values, mask *graph.Array) *graph.Array {
	split := func(l *Linear, x *graph.Array) *graph.Array { // -> [B,H,T,D]
		graph.Check(x.NDim() == 3, "nn.MultiHeadAttention", "input is %v, want [B T D]", x)
		return graph.Transpose(graph.Unflatten(l.Forward(x), -1, m.Heads, -1), 0, 2, 1, 3)
	}
	q, k, v := split(m.QueryProj, queries), split(m.KeyProj, keys), split(m.ValueProj, values)
	y := graph.ScaledDotProductAttention(q, k, v, graph.SDPAOptions{Scale: math.Sqrt(1 / float64(q.Dim(-1))), Mask: mask})
	return m.OutProj.Forward(graph.Flatten(graph.Transpose(y, 0, 2, 1, 3), -2, -1))
}

// CausalMask is a mask [n,n] for Forward that hides later tokens. MLX has it as
// nn.MultiHeadAttention.create_additive_causal_mask.
func CausalMask(n int, dt metal.DType) *graph.Array {
	at := graph.Arange(0, float64(n), 1, metal.Int32)
	hidden := graph.Less(graph.ExpandDims(at, 1), graph.ExpandDims(at, 0))
	return graph.Multiply(graph.AsType(hidden, dt), graph.Lowest(dt))
}
