package graphtest

import "github.com/ftmetal/ftmetal/graph"

// complexOps is functions of the parts of complex numbers.
var complexOps = map[string]*opEntry{
	"mx.real":      partOf(graph.Real),
	"mx.imag":      partOf(graph.Imag),
	"mx.conj":      partOf(graph.Conj),
	"mx.conjugate": partOf(graph.Conj),
}

func partOf(fn func(a *graph.Array) *graph.Array) *opEntry {
	return arrayOf(exact, "a", func(_ *call, a *graph.Array) *graph.Array { return fn(a) })
}
