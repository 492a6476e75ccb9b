package graphtest

import "github.com/ftmetal/ftmetal/graph"

// sorted is the array and the axis of a sort; axis None flattens.
func (c *call) sorted() (a *graph.Array, axis int) {
	a = c.array("a")
	if _, given := c.named["axis"]; given && !c.has("axis") {
		return graph.Reshape(a, -1), 0
	}
	return a, c.integer("axis", -1)
}

// sortOf is the entry of a sort.
func sortOf(fn func(a *graph.Array, axis int) *graph.Array) *opEntry {
	return general(exact, "a axis", func(c *call) *graph.Array { return fn(c.sorted()) })
}

// selectOf is the entry of a selection, of whose result the order is
// unspecified.
func selectOf(count string, fn func(a *graph.Array, n, axis int) *graph.Array, arrange func(c *call, out *graph.Array) *graph.Array) *opEntry {
	op := general(exact, "a "+count+" axis", func(c *call) *graph.Array {
		a, axis := c.sorted()
		return fn(a, c.integer(count, 0), axis)
	})
	op.arrange = arrange
	return op
}

// arrangeAll sorts: the result is a set.
func arrangeAll(c *call, out *graph.Array) *graph.Array {
	_, axis := c.sorted()
	return graph.Sort(out, axis)
}

// arrangeSides sorts what is before kth and what is behind it: the result is a
// set, an element and a set.
func arrangeSides(c *call, out *graph.Array) *graph.Array {
	_, axis := c.sorted()
	d, kth := out.Dim(axis), c.integer("kth", 0)
	if kth < 0 {
		kth += d
	}
	side := func(from, to int) *graph.Array { return graph.Sort(graph.SliceAxis(out, axis, from, to), axis) }
	return graph.Concatenate([]*graph.Array{side(0, kth), side(kth, kth+1), side(kth+1, d)}, axis)
}

// arrangeNamed arranges the elements that indices name.
func arrangeNamed(c *call, out *graph.Array) *graph.Array {
	a, axis := c.sorted()
	return arrangeSides(c, graph.TakeAlongAxis(a, out, axis))
}

// unordered is what has to agree of the gradient of a selection: its values as
// a set, and which elements of the input have one, whereby equal elements may
// stand for each other. MLX takes the order of the cotangents from argpartition
// and that of the output from partition, which differ now and then.
func (c *call) unordered(g *graph.Array) *graph.Array {
	a, axis := c.sorted()
	g = graph.Reshape(g, a.Shape()...)
	used := graph.AsType(graph.NotEqual(g, 0), g.DType())
	first := graph.ArgSort(used, axis)
	second := graph.ArgSort(graph.TakeAlongAxis(a, first, axis), axis)
	used = graph.TakeAlongAxis(graph.TakeAlongAxis(used, first, axis), second, axis)
	return graph.Concatenate([]*graph.Array{graph.Sort(g, axis), used}, axis)
}

var sortOps = map[string]*opEntry{
	"mx.sort": sortOf(graph.Sort), "mx.argsort": sortOf(graph.ArgSort),
	"mx.topk":         selectOf("k", graph.TopK, arrangeAll),
	"mx.partition":    selectOf("kth", graph.Partition, arrangeSides),
	"mx.argpartition": selectOf("kth", graph.ArgPartition, arrangeNamed),
	"mx.searchsorted": general(exact, "sorted_sequence values side", func(c *call) *graph.Array {
		return graph.SearchSorted(c.array("sorted_sequence"), c.array("values"), c.text("side", "left") == "right")
	}),
}
