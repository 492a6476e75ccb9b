package llama

import (
	"fmt"
	"math"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/models/nn"
)

// Attention is grouped-query attention with rotary positions.
type Attention struct {
	QProj *nn.Linear `name:"q_proj"`
	KProj *nn.Linear `name:"k_proj"`
	VProj *nn.Linear `name:"v_proj"`
	OProj *nn.Linear `name:"o_proj"`
	cfg   *Config
}

// MLP is down(silu(gate(x))·up(x)).
type MLP struct {
	GateProj *nn.Linear `name:"gate_proj"`
	UpProj   *nn.Linear `name:"up_proj"`
	DownProj *nn.Linear `name:"down_proj"`
}

// Block is one transformer layer.
type Block struct {
	SelfAttn               *Attention  `name:"self_attn"`
	MLP                    *MLP        `name:"mlp"`
	InputLayernorm         *nn.RMSNorm `name:"input_layernorm"`
	PostAttentionLayernorm *nn.RMSNorm `name:"post_attention_layernorm"`
}

// Backbone is the model without its vocabulary projection.
type Backbone struct {
	EmbedTokens *nn.Embedding `name:"embed_tokens"`
	Layers      []*Block      `name:"layers"`
	Norm        *nn.RMSNorm   `name:"norm"`
}

// Model is a causal language model.
type Model struct {
	Model  *Backbone  `name:"model"`
	LMHead *nn.Linear `name:"lm_head"` // nil when tied to the embedding
	Cfg    *Config    `name:"-"`

	freqs *graph.Array // rotary divisors, nil for the plain ones
	// Recompute[i] makes block i drop its intermediate values in the forward pass and
	// computes them again in the backward pass.
	Recompute []bool
	// Trainable lists, per block, the parameters that a recomputed block must
	// pass as arguments; set by the trainer.
	Trainable func(block int) []*nn.Param
}

// New builds the layers of a configuration, without data.
func New(cfg *Config) *Model {
	m := &Model{Cfg: cfg, freqs: cfg.ropeFreqs()}
	d, hd := cfg.HiddenSize, cfg.headDim()
	q, kv := cfg.NumAttentionHeads*hd, cfg.kvHeads()*hd
	bb := &Backbone{EmbedTokens: nn.NewEmbedding(cfg.VocabSize, d), Norm: nn.NewRMSNorm(d, cfg.RMSNormEps)}
	for range cfg.NumHiddenLayers {
		bb.Layers = append(bb.Layers, &Block{
			SelfAttn: &Attention{
				QProj: nn.NewLinear(d, q, cfg.qkvBias()), KProj: nn.NewLinear(d, kv, cfg.qkvBias()), VProj: nn.NewLinear(d, kv, cfg.qkvBias()),
				OProj: nn.NewLinear(q, d, cfg.AttentionBias), cfg: cfg,
			},
			MLP: &MLP{
				GateProj: nn.NewLinear(d, cfg.IntermediateSize, cfg.MLPBias), UpProj: nn.NewLinear(d, cfg.IntermediateSize, cfg.MLPBias),
				DownProj: nn.NewLinear(cfg.IntermediateSize, d, cfg.MLPBias),
			},
			InputLayernorm:         nn.NewRMSNorm(d, cfg.RMSNormEps),
			PostAttentionLayernorm: nn.NewRMSNorm(d, cfg.RMSNormEps),
		})
	}
	m.Model = bb
	if !cfg.TieWordEmbeddings {
		m.LMHead = nn.NewLinear(d, cfg.VocabSize, false)
	}
	return m
}

// Forward is attention over x [B·T,d]; layer numbers the cache.
func (a *Attention) Forward(x *graph.Array, in nn.Input, layer int, freqs *graph.Array) *graph.Array {
	b, t := in.Tokens.Dim(0), in.Tokens.Dim(1)
	h, hk, hd := a.cfg.NumAttentionHeads, a.cfg.kvHeads(), a.cfg.headDim()
	split := func(y *graph.Array, heads int) *graph.Array { // -> [B,heads,T,D]
		return graph.Transpose(graph.Reshape(y, b, t, heads, hd), 0, 2, 1, 3)
	}
	rope := graph.RoPEOptions{Dims: hd, Base: a.cfg.RopeTheta, Scale: a.cfg.ropeScale(), Freqs: freqs, Positions: in.Positions}
	if in.Cache != nil {
		rope.Offset = in.Cache.Len
	}
	rotate := graph.RoPE
	if in.Unfused {
		rotate = graph.RoPEUnfused
	}
	q := rotate(split(a.QProj.Forward(x), h), rope)
	k := rotate(split(a.KProj.Forward(x), hk), rope)
	v := split(a.VProj.Forward(x), hk)
	opt := graph.SDPAOptions{Scale: 1 / math.Sqrt(float64(hd)), Causal: t > 1, Segments: in.Segments, Unfused: in.Unfused}
	if in.Cache != nil {
		k, v = in.Cache.Append(layer, k, v)
		opt.KeySegments = in.Cache.Visible
	}
	o := graph.ScaledDotProductAttention(q, k, v, opt)
	return a.OProj.Forward(graph.Reshape(graph.Transpose(o, 0, 2, 1, 3), b*t, h*hd))
}

// Forward is the gated feed-forward layer over x [T,d].
func (m *MLP) Forward(x *graph.Array, in nn.Input) *graph.Array {
	silu := graph.Silu
	if in.Unfused {
		silu = graph.SiluUnfused
	}
	return m.DownProj.Forward(graph.Multiply(silu(m.GateProj.Forward(x)), m.UpProj.Forward(x)))
}

// normalized is the norm of x, of single ops where the input asks for that.
func normalized(n *nn.RMSNorm, x *graph.Array, in nn.Input) *graph.Array {
	if in.Unfused {
		return graph.RMSNormUnfused(x, n.Weight.Array, n.Eps)
	}
	return n.Forward(x)
}

// Forward is one layer over x [B·T,d].
func (b *Block) Forward(x *graph.Array, in nn.Input, layer int, freqs *graph.Array) *graph.Array {
	x = graph.Add(x, b.SelfAttn.Forward(normalized(b.InputLayernorm, x, in), in, layer, freqs))
	return graph.Add(x, b.MLP.Forward(normalized(b.PostAttentionLayernorm, x, in), in))
}

// Hidden is the normalised output of the last layer for every token, [B·T,d].
func (m *Model) Hidden(in nn.Input) *graph.Array {
	x := in.States
	if x == nil {
		x = m.embed(in)
	}
	x = m.layers(x, in, in.Skip, len(m.Model.Layers))
	if in.Cache != nil {
		in.Cache.Len += in.Tokens.Dim(1)
	}
	return normalized(m.Model.Norm, x, in)
}

// Prefix is the output of the first n layers for every token, [B·T,d], as
// nn.Input.States takes it.
func (m *Model) Prefix(in nn.Input, n int) *graph.Array { return m.layers(m.embed(in), in, 0, n) }

// embed is the embedding of every token.
func (m *Model) embed(in nn.Input) *graph.Array {
	return m.Model.EmbedTokens.Forward(graph.Reshape(in.Tokens, in.Tokens.Size()))
}

// layers runs x through the layers from first on up to end.
func (m *Model) layers(x *graph.Array, in nn.Input, first, end int) *graph.Array {
	for i := first; i < end; i++ {
		block := m.Model.Layers[i]
		if i < len(m.Recompute) && m.Recompute[i] {
			x = m.recomputed(block, x, in, i)
			continue
		}
		x = block.Forward(x, in, i, m.freqs)
	}
	return x
}

// recomputed runs a block as a checkpoint with its trainable parameters as
// arguments.
func (m *Model) recomputed(block *Block, x *graph.Array, in nn.Input, layer int) *graph.Array {
	params := m.Trainable(layer)
	args := []*graph.Array{x}
	for _, p := range params {
		args = append(args, p.Array)
	}
	return graph.Checkpoint(func(a []*graph.Array) []*graph.Array {
		saved := make([]*graph.Array, len(params))
		for i, p := range params {
			saved[i], p.Array = p.Array, a[i+1]
		}
		defer func() {
			for i, p := range params {
				p.Array = saved[i]
			}
		}()
		return []*graph.Array{block.Forward(a[0], in, layer, m.freqs)}
	})(args)[0]
}

// projection is the layer that makes logits.
func (m *Model) projection() interface {
	Dims() (out, in int)
	CrossEntropy(x, targets *graph.Array) *graph.Array
} {
	if m.LMHead != nil {
		return m.LMHead
	}
	return m.Model.EmbedTokens
}

// HeadSize is the number of elements of the vocabulary projection.
func (m *Model) HeadSize() int {
	v, d := m.projection().Dims()
	return v * d
}

// Tied reports whether the embedding is the vocabulary projection too.
func (m *Model) Tied() bool { return m.LMHead == nil }

// Logits is the score of every vocabulary entry for rows of Hidden, [T,V].
func (m *Model) Logits(hidden *graph.Array) *graph.Array {
	if m.LMHead != nil {
		return m.LMHead.Forward(hidden)
	}
	return m.Model.EmbedTokens.AsLinear(hidden)
}

// CrossEntropy is the loss of each row of Hidden against targets, float32 [T].
func (m *Model) CrossEntropy(hidden, targets *graph.Array) *graph.Array {
	return m.projection().CrossEntropy(hidden, targets)
}

// Blocks is the number of transformer layers.
func (m *Model) Blocks() int { return len(m.Model.Layers) }

// Block is one transformer layer, for walking its parameters.
func (m *Model) Block(i int) any { return m.Model.Layers[i] }

// NewCache is an empty KV cache for the model.
func (m *Model) NewCache() *nn.KVCache { return nn.NewKVCache(len(m.Model.Layers)) }

// BlockName is the prefix of a block's weights.
func (m *Model) BlockName(i int) string { return fmt.Sprintf("model.layers.%d", i) }

// Recomputed sets which blocks compute their intermediate values again in the
// backward pass, and what is trainable in each.
func (m *Model) Recomputed(flags []bool, trainable func(block int) []*nn.Param) {
	m.Recompute, m.Trainable = flags, trainable
}
