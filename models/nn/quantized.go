package nn

import (
	"context"
	"errors"
	"math"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn/inits"
)

// packing is the parameters of a weight [out,in] quantised by q, without data.
// Init draws the weight by rule and rounds it.
func packing(op string, out, in int, q graph.Quantization, dt metal.DType, rule inits.Initializer) (*Param, *Packed) {
	q, err := q.Resolved()
	graph.Check(err == nil, op, "%v", err)
	graph.Check(in%q.GroupSize == 0, op, "rows of %d elements, want a multiple of the group size %d", in, q.GroupSize)
	if q.Mode != graph.QuantAffine {
		dt = metal.BFloat16
	}
	words, p := NewPacked(out, in, q, dt)
	var drawn [3]*graph.Array
	for i, part := range []*Param{words, p.Scales, p.Biases} {
		if part == nil {
			continue
		}
		part.Init = func(ctx context.Context, _ []int, keys *graph.KeySequence) (*graph.Array, error) {
			if i == 0 {
				w, err := rule(ctx, []int{out, in}, keys)
				if err != nil {
					return nil, err
				}
				drawn[0], drawn[1], drawn[2] = graph.Quantize(w, q)
			}
			a := drawn[i]
			drawn[i] = nil
			return a, nil
		}
	}
	return words, p
}

// packed is w quantised by q, without data if w has none.
func packed(op string, w *Param, q graph.Quantization) (*Param, *Packed) {
	checkMatrix(op, w)
	dt := metal.Float32
	if w.Array != nil {
		dt = w.Array.DType()
	}
	words, p := packing(op, w.Shape[0], w.Shape[1], q, dt, w.Init)
	if w.Array != nil {
		var biases *graph.Array
		words.Array, p.Scales.Array, biases = graph.Quantize(w.Array, p.As)
		if p.Biases != nil {
			p.Biases.Array = biases
		}
	}
	return words, p
}

// checkMatrix refuses a weight that is absent or not a matrix.
func checkMatrix(op string, w *Param) {
	graph.Check(w != nil && len(w.Shape) == 2, op, "the layer has no weight of two axes")
}

// NewQuantizedLinear is a Linear without data whose weight is quantised; in is a
// multiple of the group size. Its parameters are frozen. Mirrors
// nn.QuantizedLinear.
func NewQuantizedLinear(in, out int, bias bool, q graph.Quantization) *Linear {
	l := &Linear{Bias: optionalParam(bias, nil, out)}
	l.Weight, l.Packed = packing("nn.QuantizedLinear", out, in, q, metal.Float32, spread(in))
	Freeze(l)
	return l
}

// Quantize rounds the weight, which must be one of floats, and freezes it; the
// bias stays as it is. MLX calls it from_linear.
func (l *Linear) Quantize(q graph.Quantization) {
	graph.Check(l.Packed == nil, "nn.QuantizedLinear", "the weight is quantised already")
	l.Weight, l.Packed = packed("nn.QuantizedLinear", l.Weight, q)
}

// NewQuantizedEmbedding is an Embedding without data whose table is quantised;
// dim is a multiple of the group size. Its parameters are frozen. Rows are of the
// dtype of affine scales, or else bfloat16. Mirrors nn.QuantizedEmbedding.
func NewQuantizedEmbedding(vocab, dim int, q graph.Quantization) *Embedding {
	e := &Embedding{}
	rule := inits.Normal(0, math.Sqrt(1/float64(dim)), metal.Float32)
	e.Weight, e.Packed = packing("nn.QuantizedEmbedding", vocab, dim, q, metal.Float32, rule)
	return e
}

// Quantize rounds the table, which must be one of floats, and freezes it. MLX calls
// it from_embedding.
func (e *Embedding) Quantize(q graph.Quantization) {
	graph.Check(e.Packed == nil, "nn.QuantizedEmbedding", "the table is quantised already")
	e.Weight, e.Packed = packed("nn.QuantizedEmbedding", e.Weight, q)
}

// QQLinear is Linear without bias whose weight and input are both rounded to a
// small format, nvfp4 (the default) or mxfp8. While training, the state when
// made, the weight is kept in floats, rounded in each product, and gets
// gradients; SetTraining(false) packs it, SetTraining(true) unpacks it to
// bfloat16. Mirrors nn.QQLinear.
type QQLinear struct {
	Weight *Param             // [out,in]; while evaluating, uint32 [out, in·bits/32]
	Scales *Param             // nil while training
	As     graph.Quantization `name:"-"` // resolved
}

// NewQQLinear is a layer without data; in is a multiple of the group size.
func NewQQLinear(in, out int, q graph.Quantization) *QQLinear {
	return QQLinearOf(NewLinear(in, out, false), q)
}

// QQLinearOf is a layer with the weight of l, which must be one of floats, with no
// bias and no LoRA. MLX calls it from_linear.
func QQLinearOf(l *Linear, q graph.Quantization) *QQLinear {
	const op = "nn.QQLinear"
	if q.Mode == "" {
		q.Mode = graph.QuantNVFP4
	}
	graph.Check(q.Mode == graph.QuantNVFP4 || q.Mode == graph.QuantMXFP8, op, "mode is %q, want nvfp4 or mxfp8", q.Mode)
	graph.Check(l.Packed == nil, op, "the weight is quantised already")
	graph.Check(l.Bias == nil && l.LoRA == nil, op, "the layer has a bias or a LoRA, which this kind of layer cannot have")
	checkMatrix(op, l.Weight)
	out, in := l.Dims()
	_, p := packing(op, out, in, q, metal.BFloat16, nil) // for its checks
	return &QQLinear{Weight: l.Weight, As: p.As}
}

// SetTraining packs or unpacks the weight.
func (l *QQLinear) SetTraining(training bool) {
	switch {
	case training && l.Scales != nil:
		m := matrix{l.Weight, &Packed{Scales: l.Scales, As: l.As}}
		out, in := m.dims()
		w := newParam(spread(in), out, in)
		if l.Weight.Array != nil {
			w.Array = m.dense(metal.BFloat16)
		}
		l.Weight, l.Scales = w, nil
	case !training && l.Scales == nil:
		words, p := packed("nn.QQLinear", l.Weight, l.As)
		l.Weight, l.Scales = words, p.Scales
	}
}

// Forward applies the layer to x [...,in].
func (l *QQLinear) Forward(x *graph.Array) *graph.Array {
	return graph.QQMM(x, l.Weight.array(), l.Scales.array(), nil, nil, l.As)
}

// Quantizable is a layer that can quantise its weight: Linear, Embedding and a
// program's own.
type Quantizable interface {
	Quantize(q graph.Quantization)
}

// QuantizeOptions say what Quantize makes of a module. The zero value is MLX's
// default: every layer that can be, in mode affine with 4 bits and groups of 64.
type QuantizeOptions struct {
	graph.Quantization
	// Input puts a QQLinear in the place of each Linear, for nvfp4 and mxfp8.
	Input bool
	// Choose says whether a layer is quantised, and how, given the options for all;
	// nil: all layers are.
	Choose func(name string, layer Quantizable, opt QuantizeOptions) (QuantizeOptions, bool)
}

// Quantize quantises the layers of module that can be and are not yet. The new
// arrays are not evaluated; do that (tree.Eval) before using them more than once.
// A *graph.Error names a layer that cannot be quantised: its rows are no multiple
// of the group size, or, with Input, it is no Linear without bias or its place,
// such as a field of type *Linear, cannot hold a QQLinear. Mirrors nn.quantize.
func Quantize(module any, opt QuantizeOptions) {
	_, err := opt.Resolved()
	graph.Check(err == nil, "nn.Quantize", "%v", err)
	ReplaceModules(module, func(part tree.Part) any {
		layer, ok := part.Value.(Quantizable)
		if !ok || isQuantized(layer) {
			return nil
		}
		how, chosen := opt, true
		if opt.Choose != nil {
			how, chosen = opt.Choose(part.Name, layer, opt)
		}
		if !chosen {
			return nil
		}
		var other any
		err := graph.Catch(func() { other = quantized(layer, how) })
		if fault := new(graph.Error); errors.As(err, &fault) {
			graph.Check(false, "nn.Quantize", "layer %q: %s: %s", part.Name, fault.Op, fault.Msg)
		}
		return other
	})
}

func isQuantized(layer Quantizable) bool {
	switch l := layer.(type) {
	case *Linear:
		return l.Packed != nil
	case *Embedding:
		return l.Packed != nil
	}
	return false
}

// quantized quantises a layer, and returns what takes its place, or nil.
func quantized(layer Quantizable, how QuantizeOptions) any {
	if !how.Input {
		layer.Quantize(how.Quantization)
		return nil
	}
	l, ok := layer.(*Linear)
	graph.Check(ok, "nn.QQLinear", "the input of a %T cannot be quantised", layer)
	return QQLinearOf(l, how.Quantization)
}
