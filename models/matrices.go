package models

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn"
)

// Matrix is a layer whose weight [out,in] can be quantised: one of the two.
type Matrix struct {
	Name      string // of the layer, dotted
	linear    *nn.Linear
	embedding *nn.Embedding

	weight *nn.Param
	packed *nn.Packed // nil: the weight is one of floats
}

// Matrices lists the layers of the model whose weights can be quantised.
func (f *Folder) Matrices() []Matrix {
	var all []Matrix
	tree.Walk(f.Model, func(part tree.Part) bool {
		switch l := part.Value.(type) {
		case *nn.Linear:
			all = append(all, Matrix{Name: part.Name, linear: l, weight: l.Weight, packed: l.Packed})
		case *nn.Embedding:
			all = append(all, Matrix{Name: part.Name, embedding: l, weight: l.Weight, packed: l.Packed})
		default:
			return true
		}
		return false
	})
	return all
}

// pack gives the layer a quantised weight instead of one of floats.
func (m Matrix) pack(words *nn.Param, p *nn.Packed) {
	if m.linear != nil {
		m.linear.Weight, m.linear.Packed = words, p
	} else {
		m.embedding.Weight, m.embedding.Packed = words, p
	}
}

// Dims is the shape of the weight.
func (m Matrix) Dims() (out, in int) {
	if m.linear != nil {
		return m.linear.Dims()
	}
	return m.embedding.Dims()
}

// rows is rows [first,end) of the weight in dtype dt, unpacked if it is quantised.
func (m Matrix) rows(dt metal.DType, first, end int) *graph.Array {
	if m.linear != nil {
		return m.linear.DenseRows(dt, first, end)
	}
	return m.embedding.DenseRows(dt, first, end)
}

// format is how the weight is quantised; nil: not.
func (m Matrix) format() *graph.Quantization {
	if m.packed == nil {
		return nil
	}
	return &m.packed.As
}

// dtype is that of the weight as one of floats.
func (m Matrix) dtype() metal.DType {
	if m.packed != nil {
		return m.packed.DType
	}
	return m.weight.Array.DType()
}

// TokenBytes is how many bytes of weights the making of one token reads: all of
// them, and of the embedding one row, unless it makes the logits too.
func (f *Folder) TokenBytes() int64 {
	var n int64
	for _, p := range nn.Params(f.Model) {
		n += p.Array.NBytes()
	}
	if f.Model.Tied() {
		return n
	}
	for _, m := range f.Matrices() {
		if m.embedding == nil {
			continue
		}
		parts := []*nn.Param{m.weight}
		if m.packed != nil {
			parts = append(parts, m.packed.Scales, m.packed.Biases)
		}
		for _, p := range parts {
			if p != nil {
				n -= p.Array.NBytes() / int64(p.Shape[0]) * int64(p.Shape[0]-1)
			}
		}
	}
	return n
}

// Parameters is the number of elements that the model's tensors stand for.
func (f *Folder) Parameters() int64 {
	var n int64
	count := func(shape []int) {
		size := int64(1)
		for _, d := range shape {
			size *= int64(d)
		}
		n += size
	}
	counted := map[*nn.Param]bool{}
	for _, m := range f.Matrices() {
		out, in := m.Dims()
		count([]int{out, in})
		counted[m.weight] = true
		if m.packed != nil {
			counted[m.packed.Scales], counted[m.packed.Biases] = true, true
		}
	}
	for _, p := range nn.Params(f.Model) {
		if !counted[p] {
			count(p.Shape)
		}
	}
	return n
}
