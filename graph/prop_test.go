package graph_test

import (
	"bytes"
	"context"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Properties of random graphs. `go test -rapid.checks=5000 -run Random` searches
// longer, -rapid.seed=0 elsewhere; a failure prints its seed.

var ctxBackground = context.Background()

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.seed": "1", "rapid.checks": "200", "rapid.nofailfile": "true", "rapid.shrinktime": "10s"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// on runs fn with another default runtime.
func on(rt *graph.Runtime, fn func()) {
	old, err := graph.Default()
	if err != nil {
		panic(err)
	}
	graph.SetDefault(rt)
	defer graph.SetDefault(old)
	fn()
}

// softRuntime is a software device of its own.
func softRuntime(t testing.TB, opt soft.Options) *graph.Runtime {
	dev := soft.New(opt)
	rt := &graph.Runtime{Device: dev, Pool: metal.NewPool(dev, metal.PoolOptions{})}
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	return rt
}

// copies is arrays with the same values that no runtime has stored.
func copies(in []*graph.Array) []*graph.Array {
	out := make([]*graph.Array, len(in))
	for i, a := range in {
		raw, err := graph.Bytes(ctxBackground, a)
		if err != nil {
			panic(err)
		}
		out[i] = graph.FromBytes(raw, a.DType(), a.Shape()...)
	}
	return out
}

// bitsOf is the bytes of arrays, evaluated together.
func bitsOf(t require.TestingT, arrays []*graph.Array) [][]byte {
	require.NoError(t, graph.Eval(ctxBackground, arrays...))
	raw := make([][]byte, len(arrays))
	for i, a := range arrays {
		var err error
		raw[i], err = graph.Bytes(ctxBackground, a)
		require.NoError(t, err)
	}
	return raw
}

// near compares got with the reference, in which slack is how far rounding
// moves each element.
func near(t *rapid.T, p *program, what string, got *graph.Array, want, slack wide) {
	require.True(t, slices.Equal(want.shape, got.Shape()), "%s: shape %v, want %v\n%v", what, got.Shape(), want.shape, p)
	v, err := graph.Floats(ctxBackground, got)
	require.NoError(t, err, "%s\n%v", what, p)
	unit := map[metal.DType]float64{metal.Float32: 0x1p-23, metal.Float16: 0x1p-10, metal.BFloat16: 0x1p-7, metal.Float64: 0x1p-52}[got.DType()]
	for i, w := range want.v {
		if allowed := 8*slack.v[i] + 4*unit*math.Abs(w) + 0x1p-100; !(math.Abs(v[i]-w) <= allowed) {
			t.Fatalf("%s: element %d is %g, want %g ± %g\n%v", what, i, v[i], w, allowed, p)
		}
	}
}

// TestRandomGraphsHaveTheirValues: native kernels and the shaders themselves
// give the float64 reference's values, up to rounding.
func TestRandomGraphsHaveTheirValues(t *testing.T) {
	exact := softRuntime(t, soft.Options{})
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t, kindOf{steps: 12})
		want := p.reference(p.data, nil)
		slack := p.slack(p.data, want)
		check := func(what string) {
			outs := p.run(copies(p.inputs))
			for i, a := range outs {
				near(t, p, what, a, want[i], slack[i])
			}
		}
		check("native")
		on(exact, func() { check("exact") })
	})
}

// TestRandomGraphsGiveTheSameBits: fused or not, with memory shared or not, with
// one thread or several, compiled or not.
func TestRandomGraphsGiveTheSameBits(tt *testing.T) {
	one, three := softRuntime(tt, soft.Options{Native: debug.Native(), Workers: 1}), softRuntime(tt, soft.Options{Native: debug.Native(), Workers: 3})
	rapid.Check(tt, func(t *rapid.T) {
		p := drawProgram(t, kindOf{steps: 16})
		in := copies(p.inputs)
		want := bitsOf(t, p.run(in))
		same := func(what string, got [][]byte) {
			for i := range want {
				if !bytes.Equal(want[i], got[i]) {
					t.Fatalf("%s: output %d differs\n%v", what, i, p)
				}
			}
		}
		for _, name := range []string{"FTMETAL_FUSE", "FTMETAL_REUSE"} {
			tt.Setenv(name, "0")
			got := bitsOf(t, p.run(in))
			tt.Setenv(name, "1")
			same(name+"=0", got)
		}
		for name, rt := range map[string]*graph.Runtime{"one thread": one, "three threads": three} {
			on(rt, func() { same(name, bitsOf(t, p.run(copies(in)))) })
		}
		f := graph.Compile(p.run, graph.CompileOptions{})
		defer f.Close()
		for range 2 {
			outs, err := f.Call(ctxBackground, copies(in)...)
			require.NoError(t, err)
			same("compiled", bitsOf(t, outs))
		}
	})
}

// TestRandomPlansKeepLiveMemoryApart checks finished plans byte by byte, and
// that the same graph gives the same plan.
func TestRandomPlansKeepLiveMemoryApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t, kindOf{steps: 20, smooth: rapid.Bool().Draw(t, "smooth")})
		fn := p.run
		if p.smooth() {
			fn = p.gradients
		}
		var text [2]string
		for i := range text {
			f := graph.Compile(fn, graph.CompileOptions{})
			plan, err := f.Plan(p.inputs)
			require.NoError(t, err, "%v", p)
			require.NoError(t, graph.CheckPlan(plan), "%v\n%v", p, plan)
			text[i] = plan.String()
		}
		require.Equal(t, text[0], text[1])
	})
}

// smooth reports whether all values are float32.
func (p *program) smooth() bool {
	return !slices.ContainsFunc(p.dtypes, func(d metal.DType) bool { return d != metal.Float32 })
}

// loss is the outputs times fixed random cotangents.
func (p *program) loss(in []*graph.Array) []*graph.Array {
	total := graph.Scalar(0, metal.Float32)
	for i, a := range p.run(in) {
		total = graph.Add(total, graph.Sum(graph.Multiply(a, p.cotangent(i)), nil, false))
	}
	return []*graph.Array{total}
}

func (p *program) cotangent(i int) *graph.Array {
	a, _ := values(metal.Float32, p.values[p.outs[i]].shape, uint64(100+i))
	return a
}

// gradients is the loss and its gradients.
func (p *program) gradients(in []*graph.Array) []*graph.Array {
	outs, grads := graph.ValueAndGrad(p.loss)(in)
	return append(outs, grads...)
}

// along is the reference's outputs at the inputs moved by h along u.
func (p *program) along(inputs, u []wide, h float64) []wide {
	at := make([]wide, len(inputs))
	for i, x := range inputs {
		at[i] = zipped(x, u[i], func(x, u float64) float64 { return x + h*u })
	}
	return p.reference(at, nil)
}

// slope is the derivative of Σ out·r along u by central differences in float64,
// and the sum of its absolute terms.
func (p *program) slope(inputs, u []wide) (slope, size float64) {
	const h = 1e-6
	up, down := p.along(inputs, u, h), p.along(inputs, u, -h)
	for i := range up {
		r, err := graph.Floats(ctxBackground, p.cotangent(i))
		if err != nil {
			panic(err)
		}
		for k := range up[i].v {
			d := r[k] * (up[i].v[k] - down[i].v[k]) / (2 * h)
			slope, size = slope+d, size+math.Abs(d)
		}
	}
	return slope, size
}

// kinked reports whether some output has another slope ahead than behind, and so
// no derivative along u.
func (p *program) kinked(u []wide, size float64) bool {
	const h = 1e-6
	back, mid, front := p.along(p.data, u, -h), p.reference(p.data, nil), p.along(p.data, u, h)
	for i := range mid {
		for k, y := range mid[i].v {
			if ahead, behind := front[i].v[k]-y, y-back[i].v[k]; !(math.Abs(ahead-behind) <= h*1e-3*(1+size)) {
				return true
			}
		}
	}
	return false
}

// TestRandomGradients: gradients agree with differences of the reference along
// random directions, and pushing tangents forward with pulling cotangents back.
func TestRandomGradients(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t, kindOf{steps: 8, smooth: true})
		u, v := make([]wide, len(p.data)), make([]*graph.Array, len(p.data))
		for i, x := range p.data {
			v[i], u[i] = values(metal.Float32, x.shape, uint64(50+i))
		}
		want, size := p.slope(p.data, u)
		if p.kinked(u, size) {
			return // a maximum, an absolute value or a condition changes sides here
		}
		// How much the slope itself moves with the inputs' roundings.
		moved := 0.0
		for seed := range uint64(3) {
			n := &noise{rand.New(rand.NewPCG(seed, 9))}
			at := make([]wide, len(p.data))
			for i, x := range p.data {
				at[i] = n.of(x, metal.Float32, 8)
			}
			s, _ := p.slope(at, u)
			moved = max(moved, math.Abs(s-want))
		}
		got, terms := 0.0, 0.0
		for i, g := range p.gradients(p.inputs)[1:] {
			values, err := graph.Floats(ctxBackground, g)
			require.NoError(t, err)
			for k, x := range values {
				got, terms = got+x*u[i].v[k], terms+math.Abs(x*u[i].v[k])
			}
		}
		depth := float64(len(p.steps) + 2)
		allowed := 8*moved + 64*depth*0x1p-24*(size+terms) + 1e-7*(1+size)
		if !(math.Abs(got-want) <= allowed) {
			t.Fatalf("gradient along a direction is %g, want %g ± %g\n%v", got, want, allowed, p)
		}
		_, pushed := graph.JVP(p.run, p.inputs, v)
		forward := 0.0
		for i, a := range pushed {
			d, err := graph.Floats(ctxBackground, graph.Multiply(a, p.cotangent(i)))
			require.NoError(t, err)
			for _, x := range d {
				forward += x
			}
		}
		if !(math.Abs(forward-got) <= allowed) {
			t.Fatalf("tangents give %g, cotangents %g ± %g\n%v", forward, got, allowed, p)
		}
	})
}

// TestRandomCheckpoints: computing a function again for its gradient changes no
// bit.
func TestRandomCheckpoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t, kindOf{steps: 8, smooth: true})
		want := bitsOf(t, p.gradients(p.inputs))
		again := graph.Checkpoint(p.run)
		outs, grads := graph.ValueAndGrad(func(in []*graph.Array) []*graph.Array {
			total := graph.Scalar(0, metal.Float32)
			for i, a := range again(in) {
				total = graph.Add(total, graph.Sum(graph.Multiply(a, p.cotangent(i)), nil, false))
			}
			return []*graph.Array{total}
		})(p.inputs)
		got := bitsOf(t, append(outs, grads...))
		for i := range want {
			if !bytes.Equal(want[i], got[i]) {
				t.Fatalf("result %d differs\n%v", i, p)
			}
		}
	})
}

// TestRandomVMaps: mapping a function over slices gives what the reference gives
// for each slice.
func TestRandomVMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t, kindOf{steps: 8, smooth: true})
		n := rapid.IntRange(1, 3).Draw(t, "slices")
		args, axes := make([]*graph.Array, len(p.inputs)), make([]int, len(p.inputs))
		slicesOf := make([][]wide, n)
		for i, a := range p.inputs {
			args[i], axes[i] = a, graph.NotMapped
			if i > 0 && rapid.Bool().Draw(t, "shared") {
				for k := range slicesOf {
					slicesOf[k] = append(slicesOf[k], p.data[i])
				}
				continue
			}
			parts := make([]*graph.Array, n)
			for k := range parts {
				var w wide
				parts[k], w = values(a.DType(), p.data[i].shape, uint64(1000*i+k))
				slicesOf[k] = append(slicesOf[k], w)
			}
			axes[i] = rapid.IntRange(0, len(a.Shape())).Draw(t, "in axis")
			args[i] = graph.Stack(parts, axes[i])
		}
		to := make([]int, len(p.outs))
		for i, k := range p.outs {
			to[i] = rapid.IntRange(0, len(p.values[k].shape)).Draw(t, "out axis")
		}
		outs := graph.VMap(p.run, axes, to)(args)
		for k := range n {
			if !p.bounded(slicesOf[k]) {
				continue
			}
			want := p.reference(slicesOf[k], nil)
			slack := p.slack(slicesOf[k], want)
			for i, o := range outs {
				near(t, p, "slice", graph.Take(o, graph.Scalar(float64(k), metal.Int32), to[i]), want[i], slack[i])
			}
		}
	})
}
