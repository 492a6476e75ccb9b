package nn

import "github.com/ftmetal/ftmetal/graph"

// KVCache keeps the keys and values of the tokens so far, one pair of arrays
// [B,Hkv,T,D] per layer. It grows with every token, or, with At, has room for
// more tokens than it holds: then new ones are written at the place that At
// says, and Visible says which are there.
type KVCache struct {
	K, V []*graph.Array
	Len  int // tokens stored

	At      *graph.Array // int32 [B,Hkv,1,D]: the place of the new token, repeated; nil: the cache grows
	Visible *graph.Array // int32 [B,T]: 1 for tokens that are there, the new one included
}

// NewKVCache is an empty cache for that many layers.
func NewKVCache(layers int) *KVCache {
	return &KVCache{K: make([]*graph.Array, layers), V: make([]*graph.Array, layers)}
}

// Append adds the keys and values of new tokens to a layer and returns all.
func (c *KVCache) Append(layer int, k, v *graph.Array) (*graph.Array, *graph.Array) {
	switch {
	case c.At != nil:
		k = graph.PutAlongAxis(c.K[layer], c.At, k, 2)
		v = graph.PutAlongAxis(c.V[layer], c.At, v, 2)
	case c.K[layer] != nil:
		k = graph.Concatenate([]*graph.Array{c.K[layer], k}, 2)
		v = graph.Concatenate([]*graph.Array{c.V[layer], v}, 2)
	default:
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
	// States [B·T,d] are what the first Skip layers make of Tokens, whose shape alone
	// counts then: the model goes on from there. nil: from the embedding on.
	States *graph.Array
	Skip   int
	// Unfused makes norms, rotations and attention of single ops, which round like
	// mlx-lm's: for following it number for number.
	Unfused bool
}
