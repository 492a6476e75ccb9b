package nn

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// LoRA is a low-rank update of a linear layer: y += Scale·(x@A)@B, with A
// [in,R] and B [R,out] (Hu et al., arXiv 2106.09685, in mlx-lm's layout).
type LoRA struct {
	A     *Param `name:"lora_a"`
	B     *Param `name:"lora_b"`
	Scale float64
	// Dropout is the probability with which an element of x is dropped before A;
	// Mask makes the mask for an input of that shape while training, and is nil
	// otherwise.
	Dropout float64
	Mask    func(shape []int) *graph.Array
	// Promote computes the update in the dtype of A and B, as mlx-lm does by
	// promotion, instead of x's dtype inside the layer's own product.
	Promote bool
}

// Linear is y = x@Weightᵀ + Bias, with an optional low-rank update.
type Linear struct {
	Weight *Param `name:"weight"` // [out,in]
	Bias   *Param `name:"bias"`   // [out] or nil
	LoRA   *LoRA  // not part of the checkpoint; saved as an adapter
}

// NewLinear is a layer without data.
func NewLinear(in, out int, bias bool) *Linear {
	l := &Linear{Weight: NewParam(out, in)}
	if bias {
		l.Bias = NewParam(out)
	}
	return l
}

// Forward applies the layer to x [T,in].
func (l *Linear) Forward(x *graph.Array) *graph.Array {
	y := l.product(x)
	if l.Bias != nil {
		y = graph.Add(y, l.Bias.Array)
	}
	return y
}

func (l *Linear) product(x *graph.Array) *graph.Array {
	w := l.Weight.Array
	if l.LoRA == nil {
		return graph.Linear(x, w, nil)
	}
	r := l.LoRA
	dropped := x
	if r.Mask != nil && r.Dropout > 0 {
		dropped = graph.Multiply(x, graph.AsType(r.Mask(x.Shape()), x.DType()))
	}
	if r.Promote {
		z := graph.Matmul(graph.Matmul(dropped, r.A.Array), r.B.Array)
		return graph.Add(graph.Linear(x, w, nil), graph.AsType(graph.Multiply(z, r.Scale), x.DType()))
	}
	a, b := graph.AsType(r.A.Array, x.DType()), graph.AsType(r.B.Array, x.DType())
	return graph.LoRALinear(x, w, a, b, dropped, r.Scale)
}

// Embedding maps token ids to rows of Weight [V,d].
type Embedding struct {
	Weight *Param `name:"weight"`
}

// NewEmbedding is a table without data.
func NewEmbedding(vocab, dim int) *Embedding { return &Embedding{NewParam(vocab, dim)} }

// Forward looks ids up: int32 [...] -> [..., d].
func (e *Embedding) Forward(ids *graph.Array) *graph.Array {
	return graph.Take(e.Weight.Array, ids, 0)
}

// RMSNorm scales rows to unit root mean square, then by Weight [n].
type RMSNorm struct {
	Weight *Param `name:"weight"`
	Eps    float64
}

// NewRMSNorm is a norm without data.
func NewRMSNorm(n int, eps float64) *RMSNorm { return &RMSNorm{NewParam(n), eps} }

// Forward normalises the last axis of x.
func (n *RMSNorm) Forward(x *graph.Array, in Input) *graph.Array {
	if in.Unfused {
		return graph.RMSNormUnfused(x, n.Weight.Array, n.Eps)
	}
	return graph.RMSNorm(x, n.Weight.Array, n.Eps)
}

// KVCache keeps the keys and values of the tokens so far, one pair of arrays
// [B,Hkv,T,D] per layer.
type KVCache struct {
	K, V []*graph.Array
	Len  int // tokens stored
}

// NewKVCache is an empty cache for that many layers.
func NewKVCache(layers int) *KVCache {
	return &KVCache{K: make([]*graph.Array, layers), V: make([]*graph.Array, layers)}
}

// Append adds the keys and values of new tokens to a layer and returns all.
func (c *KVCache) Append(layer int, k, v *graph.Array) (*graph.Array, *graph.Array) {
	if c.K[layer] != nil {
		k = graph.Concatenate([]*graph.Array{c.K[layer], k}, 2)
		v = graph.Concatenate([]*graph.Array{c.V[layer], v}, 2)
	} else {
		k, v = graph.Contiguous(k), graph.Contiguous(v)
	}
	c.K[layer], c.V[layer] = k, v
	return k, v
}

// Arrays lists everything the cache holds, to be evaluated with the logits.
func (c *KVCache) Arrays() []*graph.Array {
	var all []*graph.Array
	for i := range c.K {
		if c.K[i] != nil {
			all = append(all, c.K[i], c.V[i])
		}
	}
	return all
}

// Input is what a model sees: token ids int32 [B,T], and for packed rows the
// position and segment of every token, int32 [B,T] (nil otherwise).
type Input struct {
	Tokens, Positions, Segments *graph.Array
	Cache                       *KVCache
	// Unfused makes norms, rotations and attention of single ops, which round like
	// mlx-lm's: for following it number for number.
	Unfused bool
}

// DropoutMask draws a mask of 0 and 1/(1-p) with the given key.
func DropoutMask(shape []int, p float64, key *graph.Array) *graph.Array {
	keep := graph.Bernoulli(1-p, shape, key)
	return graph.Multiply(graph.AsType(keep, metal.Float32), 1/(1-p))
}
