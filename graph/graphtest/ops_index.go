package graphtest

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

var indexOps = map[string]*opEntry{
	"mx.take": arrayOf(exact, "a indices axis", func(c *call, a *graph.Array) *graph.Array {
		axis := c.integer("axis", 0)
		if !c.has("axis") {
			a = graph.Reshape(a, -1)
		}
		if i, ok := c.named["indices"].(int); ok {
			return graph.Take(a, graph.Scalar(float64(i), metal.Int32), axis)
		}
		return graph.Take(a, c.array("indices"), axis)
	}),
	"mx.take_along_axis": arrayOf(exact, "a indices axis", func(c *call, a *graph.Array) *graph.Array {
		idx := c.array("indices")
		if !c.has("axis") {
			return graph.TakeAlongAxis(graph.Reshape(a, -1), graph.Reshape(idx, -1), 0)
		}
		return graph.TakeAlongAxis(a, idx, c.integer("axis", 0))
	}),
	"mx.put_along_axis": arrayOf(exact, "a indices values axis", func(c *call, a *graph.Array) *graph.Array {
		if !c.has("axis") {
			flat := graph.PutAlongAxis(graph.Reshape(a, -1), graph.Reshape(c.array("indices"), -1), graph.Reshape(c.array("values"), -1), 0)
			return graph.Reshape(flat, a.Shape()...)
		}
		return graph.PutAlongAxis(a, c.array("indices"), c.array("values"), c.integer("axis", 0))
	}),
	"mx.slice": arrayOf(exact, "a start axes slice_size", func(c *call, a *graph.Array) *graph.Array {
		return graph.DynamicSlice(a, c.array("start"), c.ints("axes"), c.ints("slice_size"))
	}),
	"mx.slice_update": arrayOf(exact, "a update start axes", func(c *call, a *graph.Array) *graph.Array {
		return graph.DynamicSliceUpdate(a, c.array("update"), c.array("start"), c.ints("axes"))
	}),
	"array.getitem": rawIndex(exact, func(c *call, terms []graph.Term) *graph.Array { return graph.GetItem(c.ins[0], terms...) }),
	"array.setitem": rawIndex(exact, func(c *call, terms []graph.Term) *graph.Array {
		if mask, ok := c.mask(); ok {
			return graph.SetMask(c.ins[0], mask, c.value())
		}
		return graph.SetItem(c.ins[0], c.value(), terms...)
	}),
	"array.at.add":      updateAt(elementwise, graph.AddAt),
	"array.at.subtract": updateAt(elementwise, graph.SubtractAt),
	"array.at.multiply": updateAt(elementwise, graph.MultiplyAt),
	"array.at.divide":   updateAt(elementwise, graph.DivideAt),
	"array.at.maximum":  updateAt(exact, graph.MaximumAt),
	"array.at.minimum":  updateAt(exact, graph.MinimumAt),
}

func rawIndex(k class, fn func(c *call, terms []graph.Term) *graph.Array) *opEntry {
	return &opEntry{params: "index value", class: k, raw: true, fn: func(c *call) []*graph.Array {
		if _, masked := c.mask(); masked {
			return one(fn(c, nil))
		}
		return one(fn(c, c.terms()))
	}}
}

func updateAt(k class, fn func(a *graph.Array, value any, terms ...graph.Term) *graph.Array) *opEntry {
	return rawIndex(k, func(c *call, terms []graph.Term) *graph.Array { return fn(c.ins[0], c.value(), terms...) })
}

// input is the array that "$i" names.
func (c *call) input(v any) *graph.Array {
	s, _ := v.(string)
	i, ok := reference(s)
	if !ok || i >= len(c.ins) {
		unsupported("reference %v", v)
	}
	return c.ins[i]
}

// value is the right-hand side: an array or a scalar.
func (c *call) value() any {
	switch v := c.named["value"].(type) {
	case float64, int, bool:
		return v
	default:
		return c.input(v)
	}
}

// mask is the one boolean array that an index consists of.
func (c *call) mask() (*graph.Array, bool) {
	list := c.list("index")
	if len(list) != 1 {
		return nil, false
	}
	e, _ := list[0].(map[string]any)
	if e["array"] == nil {
		return nil, false
	}
	a := c.input(e["array"])
	return a, a.DType() == metal.Bool
}

// terms is the index expression.
func (c *call) terms() []graph.Term {
	var out []graph.Term
	for _, v := range c.list("index") {
		e, _ := v.(map[string]any)
		switch {
		case e["int"] != nil:
			out = append(out, graph.At(intsOf(e["int"], c.name, "index")[0]))
		case e["slice"] != nil:
			var bounds [3]*int
			for i, b := range e["slice"].([]any) {
				if n, ok := b.(int); ok {
					bounds[i] = &n
				}
			}
			out = append(out, graph.Span(bounds[0], bounds[1], bounds[2]))
		case e["newaxis"] != nil:
			out = append(out, graph.NewAxis())
		case e["ellipsis"] != nil:
			out = append(out, graph.Ellipsis())
		case e["array"] != nil:
			a := c.input(e["array"])
			if a.DType() == metal.Bool {
				unsupported("a mask among other indices")
			}
			out = append(out, graph.Pick(a))
		default:
			unsupported("index %v", v)
		}
	}
	return out
}
