package nn

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// Packed is what a quantised weight [out,in] has besides its words, which are the
// layer's Weight then: uint32 [out,in·bits/32].
type Packed struct {
	Scales *Param             // [out,in/group]
	Biases *Param             // like Scales; nil but in affine mode
	As     graph.Quantization `name:"-"` // resolved: no defaults left open
	DType  metal.DType        `name:"-"` // of the rows that an embedding makes, but in affine mode: they are like the scales there
}

// NewPacked is the parameters of a weight [out,in], without data: Weight's words
// and the rest. in is a multiple of the group size.
func NewPacked(out, in int, as graph.Quantization, dt metal.DType) (words *Param, p *Packed) {
	scales := func() *Param { return &Param{Shape: []int{out, in / as.GroupSize}, Frozen: true} }
	p = &Packed{Scales: scales(), As: as, DType: dt}
	if as.Mode == graph.QuantAffine {
		p.Biases = scales()
	}
	return &Param{Shape: []int{out, in * as.Bits / 32}, Frozen: true}, p
}

// matrix is a weight [out,in] that may be packed.
type matrix struct {
	weight *Param
	packed *Packed
}

// dims is the shape of the matrix.
func (m matrix) dims() (out, in int) {
	out, in = m.weight.Shape[0], m.weight.Shape[1]
	if m.packed != nil {
		in = in * 32 / m.packed.As.Bits
	}
	return out, in
}

// times is x@mᵀ.
func (m matrix) times(x *graph.Array) *graph.Array {
	if p := m.packed; p != nil {
		return graph.QuantizedMatmul(x, m.weight.array(), p.Scales.array(), p.Biases.array(), true, p.As)
	}
	return graph.Linear(x, m.weight.array(), nil)
}

// rows is the rows at ids: packed ones are picked before they are unpacked.
func (m matrix) rows(ids *graph.Array) *graph.Array {
	take := func(p *Param) *graph.Array {
		if p == nil {
			return nil
		}
		return graph.Take(p.array(), ids, 0)
	}
	p := m.packed
	if p == nil {
		return take(m.weight)
	}
	words, scales, biases := take(m.weight), take(p.Scales), take(p.Biases)
	dt := p.DType
	if biases != nil {
		dt = scales.DType()
	}
	if ids.NDim() == 0 { // unpacking wants two axes
		one := func(a *graph.Array) *graph.Array {
			if a == nil {
				return nil
			}
			return graph.ExpandDims(a, 0)
		}
		return graph.Squeeze(graph.Dequantize(one(words), one(scales), one(biases), p.As, dt), 0)
	}
	return graph.Dequantize(words, scales, biases, p.As, dt)
}

// dense is the matrix in dtype dt, unpacked there if it is packed.
func (m matrix) dense(dt metal.DType) *graph.Array {
	return m.denseRows(dt, 0, m.weight.Shape[0])
}

// denseRows is rows [first, end) of dense; nothing else is unpacked.
func (m matrix) denseRows(dt metal.DType, first, end int) *graph.Array {
	some := func(p *Param) *graph.Array {
		if p == nil {
			return nil
		}
		return graph.SliceAxis(p.array(), 0, first, end)
	}
	p := m.packed
	if p == nil {
		return graph.AsType(some(m.weight), dt)
	}
	scales, biases := some(p.Scales), some(p.Biases)
	if biases != nil {
		scales, biases = graph.AsType(scales, dt), graph.AsType(biases, dt)
	}
	return graph.Dequantize(some(m.weight), scales, biases, p.As, dt)
}

// crossEntropy is the loss of the rows of x@mᵀ against targets.
func (m matrix) crossEntropy(x, targets *graph.Array) *graph.Array {
	if p := m.packed; p != nil {
		return graph.QuantizedCrossEntropy(x, m.weight.array(), p.Scales.array(), p.Biases.array(), targets, p.As)
	}
	return graph.LinearCrossEntropy(x, m.weight.array(), targets)
}

// lowRank is x@mᵀ + scale·(dropped@a)@b.
func (m matrix) lowRank(x, a, b, dropped *graph.Array, scale float64) *graph.Array {
	if p := m.packed; p != nil {
		return graph.QuantizedLoRALinear(x, m.weight.array(), p.Scales.array(), p.Biases.array(), a, b, dropped, scale, p.As)
	}
	return graph.LoRALinear(x, m.weight.array(), a, b, dropped, scale)
}
