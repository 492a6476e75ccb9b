package graphtest

import "github.com/ftmetal/ftmetal/graph"

// scanOf is the entry of a scan; without an axis it goes over the flattened
// array.
func scanOf(k class, fn func(a *graph.Array, axis int, o graph.ScanOptions) *graph.Array) *opEntry {
	return arrayOf(k, "a axis reverse inclusive dtype", func(c *call, a *graph.Array) *graph.Array {
		a = graph.AsType(a, c.dtype("dtype", a.DType()))
		if !c.has("axis") {
			a = graph.Reshape(a, -1)
		}
		return fn(a, c.integer("axis", 0), graph.ScanOptions{Reverse: c.flag("reverse", false), Exclusive: !c.flag("inclusive", true)})
	})
}

var scanOps = map[string]*opEntry{
	"mx.cumsum": scanOf(reduction, graph.CumSum), "mx.cumprod": scanOf(reduction, graph.CumProd), "mx.logcumsumexp": scanOf(reduction, graph.LogCumSumExp),
	"mx.cummax": scanOf(exact, graph.CumMax), "mx.cummin": scanOf(exact, graph.CumMin),
}
