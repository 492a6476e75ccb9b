package graphtest

import (
	"math"

	"github.com/ftmetal/ftmetal/graph"
)

// composites are the functions of the autodiff family, by name; the case's
// definition is the text they follow.
var composites = map[string]func(in []*graph.Array) *graph.Array{
	"mlp": func(in []*graph.Array) *graph.Array {
		h := graph.Tanh(graph.Add(graph.Matmul(in[0], in[1]), in[2]))
		return graph.Mean(graph.Square(graph.Matmul(h, in[3])), nil, false)
	},
	"attn": func(in []*graph.Array) *graph.Array {
		q, k, v := in[0], in[1], in[2]
		s := graph.Divide(graph.Matmul(q, graph.SwapAxes(k, -1, -2)), math.Sqrt(float64(q.Dim(-1))))
		mean := graph.StopGradient(graph.Mean(v, []int{-2}, true))
		return graph.Mean(graph.Multiply(graph.Matmul(graph.Softmax(s, -1), v), mean), nil, false)
	},
	"poly": func(in []*graph.Array) *graph.Array {
		x := in[0]
		wave := graph.Multiply(graph.Power(x, 3), graph.Sin(x))
		return graph.Sum(graph.Add(wave, graph.Exp(graph.Multiply(graph.Negative(x), x))), nil, false)
	},
	"logreg": func(in []*graph.Array) *graph.Array {
		w, x, y := in[0], in[1], in[2]
		loss := graph.Mean(graph.LogAddExp(0, graph.Multiply(graph.Negative(y), graph.Matmul(x, w))), nil, false)
		return graph.Add(loss, graph.Multiply(0.01, graph.Sum(graph.Multiply(w, w), nil, false)))
	},
	"norms": func(in []*graph.Array) *graph.Array {
		x := in[0]
		return graph.Sum(graph.Multiply(graph.RMSNorm(x, in[1], 1e-5), graph.CumSum(x, -1, graph.ScanOptions{})), nil, false)
	},
	"gatherloss": func(in []*graph.Array) *graph.Array {
		e := in[0]
		return graph.Mean(graph.Square(graph.Matmul(graph.Take(e, in[1], 0), graph.Transpose(e))), nil, false)
	},
	"elementwise": func(in []*graph.Array) *graph.Array {
		x := in[0]
		soft := graph.Multiply(graph.Tanh(x), graph.Sigmoid(graph.Multiply(2, x)))
		return graph.Add(soft, graph.Divide(graph.Power(x, 2), graph.Add(1, graph.Power(x, 2))))
	},
}

var autodiffOps = map[string]*opEntry{
	"autodiff": {params: "fn transform definition argnums in_axes out_axes", raw: true, class: composed, fn: transform},
}

// gradOf is the gradients of fn with respect to the inputs at argnums, and its
// value.
func gradOf(fn func([]*graph.Array) *graph.Array, in []*graph.Array, argnums []int) (value *graph.Array, grads []*graph.Array) {
	primals := make([]*graph.Array, len(argnums))
	for k, i := range argnums {
		primals[k] = in[i]
	}
	outs, grads := graph.ValueAndGrad(func(p []*graph.Array) []*graph.Array {
		full := append([]*graph.Array{}, in...)
		for k, i := range argnums {
			full[i] = p[k]
		}
		return one(fn(full))
	})(primals)
	return outs[0], grads
}

func transform(c *call) []*graph.Array {
	fn := composites[c.text("fn", "")]
	if fn == nil {
		unsupported("composite %v", c.named["fn"])
	}
	in := c.ins
	last := len(in) - 1
	sum := func(a *graph.Array) *graph.Array { return graph.Sum(a, nil, false) }
	switch t := c.text("transform", ""); t {
	case "value_and_grad":
		v, g := gradOf(fn, in, c.ints("argnums"))
		return append(one(v), g...)
	case "checkpoint_value_and_grad":
		kept := graph.Checkpoint(func(in []*graph.Array) []*graph.Array { return one(fn(in)) })
		v, g := gradOf(func(in []*graph.Array) *graph.Array { return kept(in)[0] }, in, c.ints("argnums"))
		return append(one(v), g...)
	case "hvp":
		_, h := gradOf(func(p []*graph.Array) *graph.Array {
			_, g := gradOf(fn, p, []int{0})
			return sum(graph.Multiply(g[0], in[last]))
		}, in[:last], []int{0})
		return h
	case "vjp":
		outs, g := graph.VJP(func(p []*graph.Array) []*graph.Array { return one(fn(p)) }, in[:last], in[last:])
		return append(outs, g...)
	case "grad_grad_grad":
		f := func(p []*graph.Array) *graph.Array { return fn(p) }
		for range 3 {
			g := f
			f = func(p []*graph.Array) *graph.Array {
				_, d := gradOf(func(q []*graph.Array) *graph.Array { return sum(g(q)) }, p, []int{0})
				return d[0]
			}
		}
		return one(f(in))
	case "jvp":
		half := len(in) / 2
		outs, pushed := graph.JVP(func(p []*graph.Array) []*graph.Array { return one(fn(p)) }, in[:half], in[half:])
		return append(outs, pushed...)
	case "vmap":
		return c.vmap(func(p []*graph.Array) []*graph.Array { return one(fn(p)) })
	case "vmap_grad":
		return c.vmap(func(p []*graph.Array) []*graph.Array {
			_, g := gradOf(fn, p, []int{0})
			return g
		})
	default:
		unsupported("transform %s", t)
	}
	return nil
}

// vmap maps fn over the inputs along in_axes: one axis for all, or one for each
// with None for an input that is not mapped.
func (c *call) vmap(fn Func) []*graph.Array {
	axis := func(v any) int {
		if v == nil {
			return graph.NotMapped
		}
		return intsOf(v, c.name, "axes")[0]
	}
	axes := make([]int, len(c.ins))
	for i := range axes {
		if list, ok := c.named["in_axes"].([]any); ok {
			axes[i] = axis(list[i])
		} else {
			axes[i] = c.integer("in_axes", 0)
		}
	}
	return graph.VMap(fn, axes, []int{c.integer("out_axes", 0)})(c.ins)
}
