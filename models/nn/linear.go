package nn

import (
	"math"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn/inits"
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

// Linear is y = x@Weightᵀ + Bias, with an optional low-rank update. The weight may
// be quantised. Mirrors nn.Linear.
type Linear struct {
	Weight *Param  // [out,in]; words where Packed is set
	Packed *Packed `name:""` // nil: the weight is one of floats
	Bias   *Param  // [out] or nil
	LoRA   *LoRA   `name:"-"` // not part of the checkpoint; saved as an adapter
}

// NewLinear is a layer without data.
func NewLinear(in, out int, bias bool) *Linear {
	return &Linear{Weight: newParam(spread(in), out, in), Bias: optionalParam(bias, spread(in), out)}
}

// optionalParam is a parameter, or nil unless there is set.
func optionalParam(there bool, init inits.Initializer, shape ...int) *Param {
	if !there {
		return nil
	}
	return newParam(init, shape...)
}

// Forward applies the layer to x [...,in]; with a LoRA, to x [T,in].
func (l *Linear) Forward(x *graph.Array) *graph.Array {
	if l.LoRA == nil {
		return withBias(l.matrix().times(x), l.Bias)
	}
	return withBias(l.adapted(x), l.Bias)
}

func (l *Linear) matrix() matrix { return matrix{l.Weight, l.Packed} }

// Dims is the shape of the weight.
func (l *Linear) Dims() (out, in int) { return l.matrix().dims() }

// DenseRows is rows [first,end) of the weight [out,in] in dtype dt, unpacked if it
// is quantised.
func (l *Linear) DenseRows(dt metal.DType, first, end int) *graph.Array {
	return l.matrix().denseRows(dt, first, end)
}

// CrossEntropy is the loss of each row of the layer's output, without a bias,
// against targets: x [T,in], targets int32 [T], -1 for rows that do not count; it
// returns float32 [T]. The output is never stored whole.
func (l *Linear) CrossEntropy(x, targets *graph.Array) *graph.Array {
	return l.matrix().crossEntropy(x, targets)
}

// withBias adds a bias that may be absent.
func withBias(y *graph.Array, bias *Param) *graph.Array {
	if bias == nil {
		return y
	}
	return graph.Add(y, bias.array())
}

// adapted is the product with the low-rank update.
func (l *Linear) adapted(x *graph.Array) *graph.Array {
	w, r := l.matrix(), l.LoRA
	dropped := x
	if r.Mask != nil && r.Dropout > 0 {
		dropped = graph.Multiply(x, graph.AsType(r.Mask(x.Shape()), x.DType()))
	}
	if r.Promote {
		z := graph.Matmul(graph.Matmul(dropped, r.A.array()), r.B.array())
		return graph.Add(w.times(x), graph.AsType(graph.Multiply(z, r.Scale), x.DType()))
	}
	a, b := graph.AsType(r.A.array(), x.DType()), graph.AsType(r.B.array(), x.DType())
	return w.lowRank(x, a, b, dropped, r.Scale)
}

// Bilinear is y = x1·W·x2 + Bias for every output. Mirrors nn.Bilinear.
type Bilinear struct {
	Weight *Param // [out,in2,in1]
	Bias   *Param // [out] or nil
}

// NewBilinear is a layer without data.
func NewBilinear(in1, in2, out int, bias bool) *Bilinear {
	return &Bilinear{Weight: newParam(spread(in1), out, in2, in1), Bias: optionalParam(bias, spread(in1), out)}
}

// Forward combines x1 [...,in1] and x2 [...,in2] to [...,out].
func (l *Bilinear) Forward(x1, x2 *graph.Array) *graph.Array {
	w := l.Weight.array()
	out, in2, in1 := w.Dim(0), w.Dim(1), w.Dim(2)
	graph.Check(x1.Dim(-1) == in1 && x2.Dim(-1) == in2, "nn.Bilinear", "inputs are %v and %v, the layer takes [... %d] and [... %d]", x1, x2, in1, in2)
	shape := append(append([]int{}, x1.Shape()[:x1.NDim()-1]...), out)
	y := graph.Linear(graph.Reshape(x1, -1, in1), graph.Reshape(w, out*in2, in1), nil)
	y = graph.SwapAxes(graph.Reshape(y, -1, out, in2), -2, -1)
	y = graph.Matmul(graph.Reshape(x2, -1, 1, in2), y)
	return withBias(graph.Reshape(y, shape...), l.Bias)
}

// Identity returns its input. Mirrors nn.Identity.
type Identity struct{}

// Forward is x.
func (Identity) Forward(x *graph.Array) *graph.Array { return x }

// Embedding maps token ids to rows of Weight [V,d], which may be quantised.
// Mirrors nn.Embedding.
type Embedding struct {
	Weight *Param
	Packed *Packed `name:""` // nil: the weight is one of floats
}

// NewEmbedding is a table without data.
func NewEmbedding(vocab, dim int) *Embedding {
	return &Embedding{Weight: newParam(inits.Normal(0, math.Sqrt(1/float64(dim)), metal.Float32), vocab, dim)}
}

// Forward looks ids up: integers [...] -> [..., d].
func (e *Embedding) Forward(ids *graph.Array) *graph.Array {
	return e.matrix().rows(ids)
}

func (e *Embedding) matrix() matrix { return matrix{e.Weight, e.Packed} }

// Dims is the shape of the table.
func (e *Embedding) Dims() (vocab, dim int) { return e.matrix().dims() }

// DenseRows is rows [first,end) of the table [V,d] in dtype dt, unpacked if it is
// quantised.
func (e *Embedding) DenseRows(dt metal.DType, first, end int) *graph.Array {
	return e.matrix().denseRows(dt, first, end)
}

// CrossEntropy is the loss of each row of AsLinear: see Linear.CrossEntropy.
func (e *Embedding) CrossEntropy(x, targets *graph.Array) *graph.Array {
	return e.matrix().crossEntropy(x, targets)
}

// AsLinear is the table as a projection to the vocabulary, x@Weightᵀ: MLX calls it
// as_linear.
func (e *Embedding) AsLinear(x *graph.Array) *graph.Array {
	return e.matrix().times(x)
}

// Sequential applies layers one after the other. Mirrors nn.Sequential.
type Sequential struct {
	Layers []Layer
}

// NewSequential is the layers in that order.
func NewSequential(layers ...Layer) *Sequential { return &Sequential{layers} }

// Forward is the last layer of … of the first layer of x.
func (s *Sequential) Forward(x *graph.Array) *graph.Array {
	for _, l := range s.Layers {
		x = l.Forward(x)
	}
	return x
}

// Func makes a layer without parameters of a function.
type Func func(x *graph.Array) *graph.Array

// Forward calls the function.
func (f Func) Forward(x *graph.Array) *graph.Array { return f(x) }
