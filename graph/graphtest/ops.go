package graphtest

import (
	"maps"

	"github.com/ftmetal/ftmetal/graph"
)

// ops is the whole translation, by MLX's name of a function.
var ops = func() map[string]*opEntry {
	all := map[string]*opEntry{}
	for _, table := range []map[string]*opEntry{elementwiseOps, reduceOps, shapeOps, indexOps, scanOps, sortOps, fastOps, lossOps, randomOps, optimOps, layerOps, loraOps, quantOps,
		autodiffOps, convOps, arrayAPIOps, complexOps, fftOps} {
		maps.Copy(all, table)
	}
	return all
}()

// unaryOf is the entry of a function of one array.
func unaryOf(k class, fn func(a any) *graph.Array) *opEntry {
	return &opEntry{params: "a", class: k, fn: func(c *call) []*graph.Array { return one(fn(c.operand("a"))) }}
}

// binaryOf is the entry of a function of two operands.
func binaryOf(k class, fn func(a, b any) *graph.Array) *opEntry {
	return &opEntry{params: "a b", class: k, fn: func(c *call) []*graph.Array { return one(fn(c.operand("a"), c.operand("b"))) }}
}

// arrayOf is the entry of a function of one array with attributes.
func arrayOf(k class, params string, fn func(c *call, a *graph.Array) *graph.Array) *opEntry {
	return &opEntry{params: params, class: k, fn: func(c *call) []*graph.Array { return one(fn(c, c.array("a"))) }}
}

// general is the entry of any other function with one result.
func general(k class, params string, fn func(c *call) *graph.Array) *opEntry {
	return &opEntry{params: params, class: k, fn: func(c *call) []*graph.Array { return one(fn(c)) }}
}
