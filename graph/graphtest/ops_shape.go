package graphtest

import (
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

var shapeOps = map[string]*opEntry{
	"mx.reshape":     arrayOf(exact, "a shape", func(c *call, a *graph.Array) *graph.Array { return graph.Reshape(a, shapeArg(c)...) }),
	"mx.transpose":   arrayOf(exact, "a axes", func(c *call, a *graph.Array) *graph.Array { return graph.Transpose(a, c.ints("axes")...) }),
	"mx.contiguous":  arrayOf(exact, "a", func(c *call, a *graph.Array) *graph.Array { return graph.Contiguous(a) }),
	"mx.expand_dims": arrayOf(exact, "a axis", func(c *call, a *graph.Array) *graph.Array { return graph.ExpandDims(a, c.ints("axis")...) }),
	"mx.squeeze":     arrayOf(exact, "a axis", func(c *call, a *graph.Array) *graph.Array { return graph.Squeeze(a, c.ints("axis")...) }),
	"mx.swapaxes": arrayOf(exact, "a axis1 axis2", func(c *call, a *graph.Array) *graph.Array {
		return graph.SwapAxes(a, c.integer("axis1", 0), c.integer("axis2", 0))
	}),
	"mx.moveaxis": arrayOf(exact, "a source destination", func(c *call, a *graph.Array) *graph.Array {
		return graph.MoveAxis(a, c.integer("source", 0), c.integer("destination", 0))
	}),
	"mx.broadcast_to": arrayOf(exact, "a shape", func(c *call, a *graph.Array) *graph.Array { return graph.BroadcastTo(a, shapeArg(c)) }),
	"mx.flatten": arrayOf(exact, "a start_axis end_axis", func(c *call, a *graph.Array) *graph.Array {
		return graph.Flatten(a, c.integer("start_axis", 0), c.integer("end_axis", -1))
	}),
	"mx.unflatten": arrayOf(exact, "a axis shape", func(c *call, a *graph.Array) *graph.Array {
		return graph.Unflatten(a, c.integer("axis", 0), c.ints("shape")...)
	}),
	"mx.concatenate": general(exact, "arrays axis", func(c *call) *graph.Array {
		if _, given := c.named["axis"]; given && !c.has("axis") {
			var flat []*graph.Array
			for _, a := range c.arrays("arrays") {
				flat = append(flat, graph.Reshape(a, -1))
			}
			return graph.Concatenate(flat, 0)
		}
		return graph.Concatenate(c.arrays("arrays"), c.integer("axis", 0))
	}),
	"mx.stack": general(exact, "arrays axis", func(c *call) *graph.Array { return graph.Stack(c.arrays("arrays"), c.integer("axis", 0)) }),
	"mx.flip":  arrayOf(exact, "a axis", func(c *call, a *graph.Array) *graph.Array { return graph.Flip(a, c.ints("axis")...) }),
	"mx.roll":  arrayOf(exact, "a shift axis", roll),
	"mx.repeat": arrayOf(exact, "a repeats axis", func(c *call, a *graph.Array) *graph.Array {
		if !c.has("axis") {
			return graph.Repeat(graph.Reshape(a, -1), c.integer("repeats", 1), 0)
		}
		return graph.Repeat(a, c.integer("repeats", 1), c.integer("axis", 0))
	}),
	"mx.tile":  arrayOf(exact, "a reps", func(c *call, a *graph.Array) *graph.Array { return graph.Tile(a, c.ints("reps")...) }),
	"mx.pad":   {params: "a pad_width mode constant_values", class: exact, linear: true, fn: func(c *call) []*graph.Array { return one(pad(c, c.array("a"))) }},
	"mx.split": {params: "a indices_or_sections axis", class: exact, fn: split},
	"mx.tril":  arrayOf(exact, "a k", func(c *call, a *graph.Array) *graph.Array { return graph.Tril(a, c.integer("k", 0)) }),
	"mx.triu":  arrayOf(exact, "a k", func(c *call, a *graph.Array) *graph.Array { return graph.Triu(a, c.integer("k", 0)) }),
	"mx.diag":  arrayOf(exact, "a k", func(c *call, a *graph.Array) *graph.Array { return graph.Diag(a, c.integer("k", 0)) }),
	"mx.diagonal": arrayOf(exact, "a offset axis1 axis2", func(c *call, a *graph.Array) *graph.Array {
		return graph.Diagonal(a, c.integer("offset", 0), c.integer("axis1", 0), c.integer("axis2", 1))
	}),
	"mx.trace": arrayOf(reduction, "a offset axis1 axis2 dtype", func(c *call, a *graph.Array) *graph.Array {
		return graph.AsType(graph.Trace(a, c.integer("offset", 0), c.integer("axis1", 0), c.integer("axis2", 1)), c.dtype("dtype", a.DType()))
	}),
	"mx.tri": general(exact, "n m k dtype", func(c *call) *graph.Array {
		return graph.Tri(c.integer("n", 0), c.integer("m", c.integer("n", 0)), c.integer("k", 0), c.dtype("dtype", metal.Float32))
	}),
	"mx.eye": general(exact, "n m k dtype", func(c *call) *graph.Array {
		return graph.Eye(c.integer("n", 0), c.integer("m", c.integer("n", 0)), c.integer("k", 0), c.dtype("dtype", metal.Float32))
	}),
	"mx.arange": general(elementwise, "*values dtype", arange),
	"mx.linspace": general(elementwise, "start stop num dtype", func(c *call) *graph.Array {
		return graph.Linspace(c.number("start", 0), c.number("stop", 0), c.integer("num", 50), c.dtype("dtype", metal.Float32))
	}),
	"mx.meshgrid": {params: "*arrays sparse indexing", class: exact, fn: func(c *call) []*graph.Array {
		if c.flag("sparse", false) {
			unsupported("sparse meshgrid")
		}
		return graph.Meshgrid(c.text("indexing", "xy") == "xy", c.arrays("arrays")...)
	}},
	"mx.as_strided": arrayOf(exact, "a shape strides offset", func(c *call, a *graph.Array) *graph.Array {
		if !c.has("shape") || !c.has("strides") {
			unsupported("as_strided without shape or strides")
		}
		return graph.AsStrided(a, c.ints("shape"), c.ints("strides"), c.integer("offset", 0))
	}),
}

func shapeArg(c *call) []int {
	if s := c.ints("shape"); s != nil {
		return s
	}
	return []int{}
}

func roll(c *call, a *graph.Array) *graph.Array {
	shifts := c.ints("shift")
	if !c.has("axis") {
		total := 0
		for _, s := range shifts {
			total += s
		}
		return graph.Reshape(graph.Roll(graph.Reshape(a, -1), total, 0), a.Shape()...)
	}
	axes := c.ints("axis")
	for i, ax := range axes {
		a = graph.Roll(a, shifts[min(i, len(shifts)-1)], ax)
	}
	return a
}

func pad(c *call, a *graph.Array) *graph.Array {
	widths := make([][2]int, a.NDim())
	switch w := c.named["pad_width"].(type) {
	case int:
		for i := range widths {
			widths[i] = [2]int{w, w}
		}
	case []any:
		for i := range widths {
			pair := w
			if nested, ok := w[min(i, len(w)-1)].([]any); ok {
				pair = nested
			}
			n := intsOf(pair, c.name, "pad_width")
			widths[i] = [2]int{n[0], n[len(n)-1]}
		}
	default:
		unsupported("pad_width %v", w)
	}
	modes := []string{"edge", "reflect", "symmetric"}
	if mode := c.text("mode", "constant"); mode != "constant" {
		i := slices.Index(modes, mode)
		if i < 0 {
			unsupported("pad mode %q", mode)
		}
		return graph.PadWith(a, widths, graph.PadMode(i))
	}
	var value any = 0
	if c.has("constant_values") {
		value = c.operand("constant_values")
	}
	return graph.Pad(a, widths, value)
}

func split(c *call) []*graph.Array {
	a, axis := c.array("a"), c.integer("axis", 0)
	if n, ok := c.named["indices_or_sections"].(int); ok {
		return graph.SplitEqual(a, n, axis)
	}
	return graph.SplitAt(a, axis, c.ints("indices_or_sections")...)
}

// arange has MLX's overloads: stop; start, stop; start, stop, step.
func arange(c *call) *graph.Array {
	v := c.list("values")
	numbers, dt := make([]float64, len(v)), metal.Int32
	for i, x := range v {
		switch n := x.(type) {
		case int:
			numbers[i] = float64(n)
		case float64:
			numbers[i], dt = n, metal.Float32
		default:
			unsupported("arange of %v", x)
		}
	}
	var stop float64
	start, step := 0.0, 1.0
	switch len(numbers) {
	case 1:
		stop = numbers[0]
	case 2:
		start, stop = numbers[0], numbers[1]
	case 3:
		start, stop, step = numbers[0], numbers[1], numbers[2]
	default:
		unsupported("arange of %d numbers", len(numbers))
	}
	return graph.Arange(start, stop, step, c.dtype("dtype", dt))
}
