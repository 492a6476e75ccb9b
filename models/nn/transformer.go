package nn

import "github.com/ftmetal/ftmetal/graph"

// TransformerOptions describe a stack of transformer layers.
type TransformerOptions struct {
	Layers      int // of the encoder, and of the decoder
	Dims, Heads int
	MLPDims     int // 0: 4·Dims
	Dropout     float64
	Activation  Layer // nil: ReLU
	NormLast    bool  // norms after the residual sums instead of before the layers
	Checkpoint  bool  // layers keep no intermediate values for the backward pass
}

// FeedForward is the second half of a transformer layer, whose parameters are the
// layer's own.
type FeedForward struct {
	Linear1, Linear2 *Linear
	activation       Layer
	normLast         bool
}

func newFeedForward(opt TransformerOptions) FeedForward {
	hidden, activation := opt.MLPDims, opt.Activation
	if hidden == 0 {
		hidden = 4 * opt.Dims
	}
	if activation == nil {
		activation = ReLU{}
	}
	return FeedForward{NewLinear(opt.Dims, hidden, true), NewLinear(hidden, opt.Dims, true), activation, opt.NormLast}
}

func (f *FeedForward) forward(x *graph.Array, drop *Dropout) *graph.Array {
	return f.Linear2.Forward(drop.Forward(f.activation.Forward(f.Linear1.Forward(x))))
}

// residual is x plus fn of it, with the norm before fn or after the sum.
func (f *FeedForward) residual(x *graph.Array, norm *LayerNorm, fn func(*graph.Array) *graph.Array) *graph.Array {
	if f.normLast {
		return norm.Forward(graph.Add(x, fn(x)))
	}
	return graph.Add(x, fn(norm.Forward(x)))
}

// layerEps is the eps of the norms in transformers.
const layerEps = 1e-5

// TransformerEncoderLayer is attention of a sequence to itself and a perceptron
// for every token. Mirrors nn.TransformerEncoderLayer.
type TransformerEncoderLayer struct {
	Attention *MultiHeadAttention
	LN1, LN2  *LayerNorm
	FeedForward
	Dropout1, Dropout2 *Dropout
}

// NewTransformerEncoderLayer is a layer without data.
func NewTransformerEncoderLayer(opt TransformerOptions) *TransformerEncoderLayer {
	norm := func() *LayerNorm { return NewLayerNorm(opt.Dims, layerEps) }
	return &TransformerEncoderLayer{NewMultiHeadAttention(AttentionOptions{Dims: opt.Dims, Heads: opt.Heads}), norm(), norm(),
		newFeedForward(opt), NewDropout(opt.Dropout), NewDropout(opt.Dropout)}
}

// Forward maps x [B,T,Dims] to the same shape; mask as in MultiHeadAttention.
func (l *TransformerEncoderLayer) Forward(x, mask *graph.Array) *graph.Array {
	x = l.residual(x, l.LN1, func(y *graph.Array) *graph.Array { return l.Dropout1.Forward(l.Attention.Forward(y, y, y, mask)) })
	return l.residual(x, l.LN2, func(y *graph.Array) *graph.Array { return l.forward(y, l.Dropout2) })
}

// TransformerEncoder is a stack of layers and a norm. Mirrors
// nn.TransformerEncoder.
type TransformerEncoder struct {
	Layers     []*TransformerEncoderLayer
	LN         *LayerNorm
	checkpoint bool
}

// NewTransformerEncoder is an encoder without data.
func NewTransformerEncoder(opt TransformerOptions) *TransformerEncoder {
	e := &TransformerEncoder{LN: NewLayerNorm(opt.Dims, layerEps), checkpoint: opt.Checkpoint}
	for range opt.Layers {
		e.Layers = append(e.Layers, NewTransformerEncoderLayer(opt))
	}
	return e
}

// Forward maps x [B,T,Dims] to the same shape; mask as in MultiHeadAttention.
func (e *TransformerEncoder) Forward(x, mask *graph.Array) *graph.Array {
	for _, l := range e.Layers {
		run := func(in []*graph.Array) []*graph.Array { return []*graph.Array{l.Forward(in[0], mask)} }
		if e.checkpoint {
			run = Checkpoint(l, run)
		}
		x = run([]*graph.Array{x})[0]
	}
	return e.LN.Forward(x)
}

// TransformerDecoderLayer is attention to itself, to the encoder's output and a
// perceptron. Mirrors nn.TransformerDecoderLayer.
type TransformerDecoderLayer struct {
	SelfAttention, CrossAttention *MultiHeadAttention
	LN1, LN2, LN3                 *LayerNorm
	FeedForward
	Dropout1, Dropout2, Dropout3 *Dropout
}

// NewTransformerDecoderLayer is a layer without data.
func NewTransformerDecoderLayer(opt TransformerOptions) *TransformerDecoderLayer {
	norm := func() *LayerNorm { return NewLayerNorm(opt.Dims, layerEps) }
	attend := func() *MultiHeadAttention {
		return NewMultiHeadAttention(AttentionOptions{Dims: opt.Dims, Heads: opt.Heads})
	}
	return &TransformerDecoderLayer{attend(), attend(), norm(), norm(), norm(), newFeedForward(opt),
		NewDropout(opt.Dropout), NewDropout(opt.Dropout), NewDropout(opt.Dropout)}
}

// Forward maps x [B,T,Dims] to the same shape, attending to itself under mask
// and to memory [B,M,Dims] under memoryMask; masks as in MultiHeadAttention.
func (l *TransformerDecoderLayer) Forward(x, memory, mask, memoryMask *graph.Array) *graph.Array {
	x = l.residual(x, l.LN1, func(y *graph.Array) *graph.Array { return l.Dropout1.Forward(l.SelfAttention.Forward(y, y, y, mask)) })
	x = l.residual(x, l.LN2, func(y *graph.Array) *graph.Array {
		return l.Dropout2.Forward(l.CrossAttention.Forward(y, memory, memory, memoryMask))
	})
	return l.residual(x, l.LN3, func(y *graph.Array) *graph.Array { return l.forward(y, l.Dropout3) })
}

// TransformerDecoder is a stack of layers and a norm. Mirrors
// nn.TransformerDecoder.
type TransformerDecoder struct {
	Layers     []*TransformerDecoderLayer
	LN         *LayerNorm
	checkpoint bool
}

// NewTransformerDecoder is a decoder without data.
func NewTransformerDecoder(opt TransformerOptions) *TransformerDecoder {
	d := &TransformerDecoder{LN: NewLayerNorm(opt.Dims, layerEps), checkpoint: opt.Checkpoint}
	for range opt.Layers {
		d.Layers = append(d.Layers, NewTransformerDecoderLayer(opt))
	}
	return d
}

// Forward maps x [B,T,Dims] to the same shape; see TransformerDecoderLayer.
func (d *TransformerDecoder) Forward(x, memory, mask, memoryMask *graph.Array) *graph.Array {
	for _, l := range d.Layers {
		run := func(in []*graph.Array) []*graph.Array {
			return []*graph.Array{l.Forward(in[0], in[1], mask, memoryMask)}
		}
		if d.checkpoint {
			run = Checkpoint(l, run)
		}
		x = run([]*graph.Array{x, memory})[0]
	}
	return d.LN.Forward(x)
}

// Transformer is an encoder and a decoder. Mirrors nn.Transformer.
type Transformer struct {
	Encoder interface {
		Forward(x, mask *graph.Array) *graph.Array
	}
	Decoder interface {
		Forward(x, memory, mask, memoryMask *graph.Array) *graph.Array
	}
}

// NewTransformer is a model without data; encoder and decoder have opt.Layers
// layers each and can be replaced.
func NewTransformer(opt TransformerOptions) *Transformer {
	return &Transformer{NewTransformerEncoder(opt), NewTransformerDecoder(opt)}
}

// Forward encodes source and decodes target; masks as in MultiHeadAttention.
func (t *Transformer) Forward(source, target, sourceMask, targetMask, memoryMask *graph.Array) *graph.Array {
	return t.Decoder.Forward(target, t.Encoder.Forward(source, sourceMask), targetMask, memoryMask)
}
