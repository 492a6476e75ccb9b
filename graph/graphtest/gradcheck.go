package graphtest

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// Func is a function of arrays: what is differentiated.
type Func = func([]*graph.Array) []*graph.Array

// Rand is float32 values spread over [lo, hi], the same for the same seed.
func Rand(seed uint64, lo, hi float64, shape ...int) *graph.Array {
	rng := rand.New(rand.NewPCG(seed, 7))
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(lo + (hi-lo)*rng.Float64())
	}
	return graph.FromSlice(v, append([]int{}, shape...)...)
}

// CheckGrad compares the gradients of fn with finite differences in float32: the
// whole Jacobian, each input alone, and the sum over two uses of fn with
// pseudo-random cotangents. Inputs that are not float32 are constants. Inputs
// are to be tiny, and half a step away from any kink.
func CheckGrad(t testing.TB, fn Func, inputs ...*graph.Array) {
	t.Helper()
	g := newGradCheck(t, fn, inputs)
	defer g.close()
	jac, slack := g.differences()
	g.checkJacobian(jac, slack)
	r1, r2 := g.cotangents(11), g.cotangents(12)
	for _, k := range g.vars {
		alone := g.pull(fn, []int{k}, r1)
		g.compare("alone", k, alone[0], r1, jac[k], slack[k])
	}
	twice := func(in []*graph.Array) []*graph.Array { return append(fn(in), fn(in)...) }
	both := g.pull(twice, g.vars, append(slices.Clone(r1), r2...))
	for i, k := range g.vars {
		sum := make([]*graph.Array, len(r1))
		for o := range sum {
			sum[o] = graph.Add(r1[o], r2[o])
		}
		g.compare("used twice", k, both[i], sum, jac[k], slack[k])
	}
}

// GradOf is the gradients of fn, for fixed pseudo-random cotangents, as a
// function of its inputs: CheckGrad of it checks second derivatives.
func GradOf(fn Func) Func {
	return func(in []*graph.Array) []*graph.Array {
		vars := floats(in)
		inner := func(p []*graph.Array) []*graph.Array { return fn(with(in, vars, p)) }
		primals := make([]*graph.Array, len(vars))
		for i, k := range vars {
			primals[i] = in[k]
		}
		var cots []*graph.Array
		for i, o := range fn(in) {
			cots = append(cots, Rand(uint64(31+i), -1, 1, o.Shape()...))
		}
		_, grads := graph.VJP(inner, primals, cots)
		return grads
	}
}

// floats lists the float32 inputs.
func floats(in []*graph.Array) []int {
	var at []int
	for i, a := range in {
		if a.DType() == metal.Float32 {
			at = append(at, i)
		}
	}
	return at
}

// with is in with the arrays at vars replaced.
func with(in []*graph.Array, vars []int, p []*graph.Array) []*graph.Array {
	full := slices.Clone(in)
	for i, k := range vars {
		full[k] = p[i]
	}
	return full
}

type gradCheck struct {
	t       testing.TB
	fn      Func
	inputs  []*graph.Array
	vars    []int
	values  [][]float32 // of the inputs at vars, by input
	forward *graph.Compiled
	outs    []*graph.Array // at the inputs
	sizes   []int          // of the outputs
	total   int
}

func newGradCheck(t testing.TB, fn Func, inputs []*graph.Array) *gradCheck {
	t.Helper()
	g := &gradCheck{t: t, fn: fn, inputs: inputs, vars: floats(inputs), values: make([][]float32, len(inputs)), forward: graph.Compile(fn, graph.CompileOptions{})}
	for _, k := range g.vars {
		v, err := graph.Read[float32](context.Background(), inputs[k])
		require.NoError(t, err)
		g.values[k] = v
	}
	outs, err := g.forward.Call(context.Background(), inputs...)
	require.NoError(t, err)
	g.outs = outs
	for _, o := range outs {
		g.sizes, g.total = append(g.sizes, o.Size()), g.total+o.Size()
	}
	return g
}

func (g *gradCheck) close() { g.forward.Close() }

// at is all outputs, one after the other, with element e of input k moved by h.
func (g *gradCheck) at(k, e int, h float64) []float64 {
	moved := slices.Clone(g.values[k])
	moved[e] += float32(h)
	in := slices.Clone(g.inputs)
	in[k] = graph.FromSlice(moved, in[k].Shape()...)
	outs, err := g.forward.Call(context.Background(), in...)
	require.NoError(g.t, err)
	return g.flatten(outs)
}

func (g *gradCheck) flatten(outs []*graph.Array) []float64 {
	var all []float64
	for _, o := range outs {
		v, err := graph.Floats(context.Background(), o)
		require.NoError(g.t, err)
		all = append(all, v...)
	}
	return all
}

// step is what an element moves by. Differences at step and step/2 together
// cancel the error of order step².
const step = 1.0 / 32

// differences returns, per input, element and output value, the derivative and
// how far off it may be: rounding of the outputs, and what the two steps
// disagree by.
func (g *gradCheck) differences() (jac, slack [][][]float64) {
	jac, slack = make([][][]float64, len(g.inputs)), make([][][]float64, len(g.inputs))
	peak := largest(g.flatten(g.outs))
	for _, k := range g.vars {
		for e := range g.values[k] {
			h := step * max(1, math.Abs(float64(g.values[k][e])))
			a, b, c, d := g.at(k, e, h), g.at(k, e, -h), g.at(k, e, h/2), g.at(k, e, -h/2)
			column, off := make([]float64, g.total), make([]float64, g.total)
			for o := range column {
				wide, near := (a[o]-b[o])/(2*h), (c[o]-d[o])/h
				column[o] = (4*near - wide) / 3
				off[o] = 16*eps32*peak/h + math.Abs(near-wide)/4
			}
			jac[k], slack[k] = append(jac[k], column), append(slack[k], off)
		}
	}
	return jac, slack
}

// pull is the gradients of fn with respect to the inputs at vars.
func (g *gradCheck) pull(fn Func, vars []int, cots []*graph.Array) []*graph.Array {
	g.t.Helper()
	primals := make([]*graph.Array, len(vars))
	for i, k := range vars {
		primals[i] = g.inputs[k]
	}
	_, grads := graph.VJP(func(p []*graph.Array) []*graph.Array { return fn(with(g.inputs, vars, p)) }, primals, cots)
	require.NoError(g.t, graph.Eval(context.Background(), grads...))
	return grads
}

func (g *gradCheck) cotangents(seed uint64) []*graph.Array {
	var r []*graph.Array
	for i, o := range g.outs {
		r = append(r, Rand(seed+uint64(100*i), -1, 1, o.Shape()...))
	}
	return r
}

// checkJacobian pulls back every unit vector.
func (g *gradCheck) checkJacobian(jac, slack [][][]float64) {
	g.t.Helper()
	pull := graph.Compile(func(in []*graph.Array) []*graph.Array {
		n := len(g.inputs)
		primals := make([]*graph.Array, len(g.vars))
		for i, k := range g.vars {
			primals[i] = in[k]
		}
		_, grads := graph.VJP(func(p []*graph.Array) []*graph.Array { return g.fn(with(in[:n], g.vars, p)) }, primals, in[n:])
		return grads
	}, graph.CompileOptions{})
	defer pull.Close()
	for o := range g.total {
		args := slices.Clone(g.inputs)
		at := o
		for i, size := range g.sizes {
			unit := make([]float32, size)
			if at >= 0 && at < size {
				unit[at] = 1
			}
			at -= size
			args = append(args, graph.FromSlice(unit, g.outs[i].Shape()...))
		}
		grads, err := pull.Call(context.Background(), args...)
		require.NoError(g.t, err)
		for i, k := range g.vars {
			v, err := graph.Floats(context.Background(), grads[i])
			require.NoError(g.t, err)
			for e, got := range v {
				want, off := jac[k][e][o], slack[k][e][o]
				require.False(g.t, !(math.Abs(got-want) <= off+1e-5*math.Abs(want)),
					"d out[%d] / d input %d[%d] is %v, by differences %v ± %.2g", o, k, e, got, want, off)
			}
		}
	}
}

// compare checks the gradient of input k for cotangents r.
func (g *gradCheck) compare(how string, k int, grad *graph.Array, r []*graph.Array, jac, slack [][]float64) {
	g.t.Helper()
	got, err := graph.Floats(context.Background(), grad)
	require.NoError(g.t, err)
	cot := g.flatten(r)
	for e := range got {
		want, off := 0.0, 0.0
		for o, c := range cot {
			want += c * jac[e][o]
			off += math.Abs(c) * (slack[e][o] + 1e-5*math.Abs(jac[e][o]))
		}
		require.False(g.t, !(math.Abs(got[e]-want) <= off), "%s: gradient of input %d[%d] is %v, by differences %v ± %.2g", how, k, e, got[e], want, off)
	}
}
