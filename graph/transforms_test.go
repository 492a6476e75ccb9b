package graph_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/graphtest"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// flatCases are functions without a derivative, or with results that have none.
func flatCases() []gradCase {
	x, ids := rnd(-2, 2, 3, 4), ints(5, -2, 0, 3, 1, -7)
	key := graph.FromSlice([]uint32{7, 9}, 2)
	return []gradCase{
		{"argmax", in(x), f1(func(a *graph.Array) *graph.Array { return graph.ArgMax(a, 0, false) })},
		{"argsort", in(x), f1(func(a *graph.Array) *graph.Array { return graph.ArgSort(a, 1) })},
		{"any", in(ids), f1(func(a *graph.Array) *graph.Array { return graph.Any(graph.Greater(a, 4), []int{0}, true) })},
		{"integers", in(ids), f1(func(a *graph.Array) *graph.Array { return graph.Sum(graph.FloorDivide(a, 2), nil, false) })},
		{"cast", in(x), f1(func(a *graph.Array) *graph.Array { return graph.AsType(a, metal.Int32) })},
		{"stop gradient", in(x), f1(graph.StopGradient)},
		{"contiguous", in(x), f1(func(a *graph.Array) *graph.Array { return graph.Contiguous(graph.Transpose(a)) })},
		{"logsumexp unfused", in(x), f1(graph.LogSumExpUnfused)},
		{"rms norm unfused", in(x, rnd(0.5, 1.5, 4)), f2(func(a, b *graph.Array) *graph.Array { return graph.RMSNormUnfused(a, b, 1e-5) })},
		{"silu unfused", in(x), f1(graph.SiluUnfused)},
		{"random bits", in(key), f1(func(a *graph.Array) *graph.Array { return graph.RandomBits([]int{3}, a) })},
		{"permutation", in(key), f1(func(a *graph.Array) *graph.Array { return graph.PermutationOf(5, a) })},
		{"sum of squares", in(x), f1(graph.SumSquares)},
		{"constant", in(x), f1(func(a *graph.Array) *graph.Array { return graph.Ones([]int{2}, metal.Float32) })},
		{"narrow softmax", in(rnd(-1, 1, 1, 1, 2, 3), rnd(-1, 1, 1, 1, 2, 3)), f2(func(a, b *graph.Array) *graph.Array {
			q, k := graph.AsType(a, metal.BFloat16), graph.AsType(b, metal.BFloat16)
			return graph.ScaledDotProductAttention(q, k, k, graph.SDPAOptions{Scale: 1, Unfused: true})
		})},
	}
}

// operandCases are functions whose positions, indices, and targets are arguments
// too, and may differ between slices.
func operandCases(t testing.TB) []gradCase {
	x, heads, d := rnd(-1, 1, 3, 4), rnd(-1, 1, 2, 2, 3, 4), headDim(t)
	ids, pos := graph.FromSlice([]int32{2, -2, 0, 1, 1, -3}, 2, 3), graph.FromSlice([]int32{0, 1, 2, 0, 5, 9}, 2, 3)
	rope := f2(func(a, p *graph.Array) *graph.Array {
		return graph.RoPE(a, graph.RoPEOptions{Dims: 4, Base: 100, Positions: p})
	})
	qkv := func(k int) *graph.Array { return graphtest.Rand(uint64(k), -1, 1, 2, 1, 3, d) }
	return []gradCase{
		{"rope of shared positions", in(heads, ints(4, 0, 9)), rope},
		{"rope of positions each", in(heads, pos), rope},
		{"rope of frequencies", in(heads, ints(1, 3)), f2(func(a, f *graph.Array) *graph.Array {
			return graph.RoPE(a, graph.RoPEOptions{Dims: 4, Freqs: f})
		})},
		{"attention of segments", in(qkv(1), qkv(2), qkv(3), graph.FromSlice([]int32{1, 1, 2, 3, 3, 4}, 2, 3)), func(in arrays) arrays {
			return arrays{graph.ScaledDotProductAttention(in[0], in[1], in[2], graph.SDPAOptions{Scale: 0.4, Causal: true, Segments: in[3]})}
		}},
		{"linear cross-entropy of targets", in(x, graphtest.Rand(9, -1, 1, 5, 4), ints(4, -1, 0)), func(in arrays) arrays {
			return arrays{graph.LinearCrossEntropy(in[0], in[1], in[2])}
		}},
		{"what depends on more", in(x, rnd(-1, 1, 3, 4)), f2(func(a, b *graph.Array) *graph.Array {
			return graph.Multiply(graph.Depends(in(a), in(graph.Exp(b)))[0], b)
		})},
		{"take of indices", in(x, ids), f2(func(a, b *graph.Array) *graph.Array { return graph.Take(a, b, 0) })},
		{"take of columns", in(x, ids), f2(func(a, b *graph.Array) *graph.Array { return graph.Take(a, b, 1) })},
		{"take along indices", in(x, ids), f2(func(a, b *graph.Array) *graph.Array {
			return graph.TakeAlongAxis(a, graph.Reshape(b, 3, 2), 1)
		})},
		{"add at indices", in(x, ids, rnd(-1, 1, 2, 3, 4)), func(in arrays) arrays {
			return arrays{graph.AddAt(in[0], in[2], graph.Pick(graph.Clip(in[1], 0, 2)))}
		}},
	}
}

func gradCases(t testing.TB) []gradCase {
	return slices.Concat(unaryCases(), binaryCases(), reduceCases(), shapeCases(), fusedCases(), attentionCases(t), convCases(), operandCases(t))
}

// variant is a with its elements in another order, and smaller if they are
// floats: another point where functions of a are defined.
func variant(a *graph.Array, k int) *graph.Array {
	if a.Size() == 0 || k == 0 {
		return a
	}
	v := graph.Reshape(graph.Roll(graph.Reshape(a, -1), k, 0), a.Shape()...)
	if a.DType().IsFloat() {
		v = graph.Multiply(v, 1-0.03*float64(k))
	}
	return v
}

// slicesOf makes n arguments of each input, as mapped says.
func slicesOf(inputs arrays, mapped []bool, n int) []arrays {
	each := make([]arrays, n)
	for k := range each {
		for i, a := range inputs {
			if mapped[i] {
				a = variant(a, k)
			}
			each[k] = append(each[k], a)
		}
	}
	return each
}

// stacked joins the arguments along random axes.
func stacked(rng *rand.Rand, each []arrays, mapped []bool) (args arrays, axes []int) {
	for i, a := range each[0] {
		axes = append(axes, graph.NotMapped)
		if mapped[i] {
			parts := make(arrays, len(each))
			for k := range parts {
				parts[k] = each[k][i]
			}
			axes[i] = rng.IntN(len(a.Shape()) + 1)
			a = graph.Stack(parts, axes[i])
			if rng.IntN(2) == 0 {
				axes[i] -= len(a.Shape())
			}
		}
		args = append(args, a)
	}
	return args, axes
}

// requireNear compares arrays, relative to the largest element.
func requireNear(t *testing.T, want, got *graph.Array, tol float64, msg ...any) {
	t.Helper()
	require.Equal(t, want.Shape(), got.Shape(), msg...)
	require.Equal(t, want.DType(), got.DType(), msg...)
	w, g := read(t, want), read(t, got)
	peak := 1e-3
	for _, v := range w {
		peak = max(peak, math.Abs(v))
	}
	for i := range w {
		if !(w[i] == g[i] || math.Abs(w[i]-g[i]) <= tol*peak || math.IsNaN(w[i]) && math.IsNaN(g[i])) {
			require.Failf(t, "values differ", "%v: element %d is %v, want %v", msg, i, g[i], w[i])
		}
	}
}

// checkMapped compares VMap of fn with a loop over the slices.
func checkMapped(t *testing.T, rng *rand.Rand, fn graphtest.Func, inputs arrays, mapped []bool) {
	t.Helper()
	each := slicesOf(inputs, mapped, 3)
	args, axes := stacked(rng, each, mapped)
	var loop []arrays
	for _, a := range each {
		loop = append(loop, fn(a))
	}
	want, to := make(arrays, len(loop[0])), make([]int, len(loop[0]))
	for o := range want {
		to[o] = rng.IntN(len(loop[0][o].Shape()) + 1)
		parts := make(arrays, len(loop))
		for k := range parts {
			parts[k] = loop[k][o]
		}
		want[o] = graph.Stack(parts, to[o])
	}
	got := graph.VMap(fn, axes, to)(args)
	require.NoError(t, graph.Eval(context.Background(), append(slices.Clone(got), want...)...))
	for o := range want {
		requireNear(t, want[o], got[o], 1e-5, "output", o, "in axes", axes, "out axes", to)
	}
}

// choices are all inputs mapped, and each alone.
func choices(n int) [][]bool {
	all := [][]bool{slices.Repeat([]bool{true}, n)}
	for i := 0; n > 1 && i < n; i++ {
		one := make([]bool, n)
		one[i] = true
		all = append(all, one)
	}
	return all
}

// TestVMap holds VMap of every op, of its gradient, and the gradient of VMap
// against a loop over slices.
func TestVMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range append(gradCases(t), flatCases()...) {
		t.Run(c.name, func(t *testing.T) {
			for _, mapped := range choices(len(c.in)) {
				checkMapped(t, rng, c.fn, c.in, mapped)
			}
		})
	}
	for _, c := range gradCases(t) {
		t.Run("gradient of "+c.name, func(t *testing.T) {
			for _, mapped := range choices(len(c.in)) {
				checkMapped(t, rng, graphtest.GradOf(c.fn), c.in, mapped)
				checkPulled(t, rng, c.fn, c.in, mapped)
			}
		})
	}
}

// checkPulled compares the gradient of VMap with those of the slices.
func checkPulled(t *testing.T, rng *rand.Rand, fn graphtest.Func, inputs arrays, mapped []bool) {
	t.Helper()
	each := slicesOf(inputs, mapped, 2)
	args, axes := stacked(rng, each, mapped)
	vars := []int{}
	for i, a := range inputs {
		if a.DType() == metal.Float32 {
			vars = append(vars, i)
		}
	}
	pull := func(fn graphtest.Func, in, cots arrays) arrays {
		primals := make(arrays, len(vars))
		for i, k := range vars {
			primals[i] = in[k]
		}
		_, g := graph.VJP(func(p arrays) arrays {
			full := slices.Clone(in)
			for i, k := range vars {
				full[k] = p[i]
			}
			return fn(full)
		}, primals, cots)
		return g
	}
	var cots arrays
	for i, o := range fn(inputs) {
		cots = append(cots, graphtest.Rand(uint64(50+i), -1, 1, append([]int{len(each)}, o.Shape()...)...))
	}
	got := pull(graph.VMap(fn, axes, nil), args, cots)
	parts := make([]arrays, len(vars))
	for k, in := range each {
		var r arrays
		for _, c := range cots {
			r = append(r, graph.GetItem(c, graph.At(k)))
		}
		for i, g := range pull(fn, in, r) {
			parts[i] = append(parts[i], g)
		}
	}
	for i, k := range vars {
		want := graph.Sum(graph.Stack(parts[i], 0), []int{0}, false)
		if mapped[k] {
			want = graph.Stack(parts[i], normal(axes[k], len(args[k].Shape())))
		}
		requireNear(t, want, got[i], 2e-5, "gradient of input", k, "in axes", axes)
	}
}

func normal(axis, n int) int {
	if axis < 0 {
		return axis + n
	}
	return axis
}

func dot(t *testing.T, a, b arrays) (sum, size float64) {
	for i := range a {
		x, y := read(t, a[i]), read(t, b[i])
		for k := range x {
			sum += x[k] * y[k]
			size += math.Abs(x[k] * y[k])
		}
	}
	return sum, size
}

// splitVars are the float32 inputs, and fn as a function of them.
func splitVars(fn graphtest.Func, inputs arrays) (graphtest.Func, arrays) {
	var primals arrays
	var at []int
	for i, a := range inputs {
		if a.DType() == metal.Float32 {
			at, primals = append(at, i), append(primals, a)
		}
	}
	return func(p arrays) arrays {
		full := slices.Clone(inputs)
		for k, i := range at {
			full[i] = p[k]
		}
		return fn(full)
	}, primals
}

func alike(seed uint64, like arrays) arrays {
	var r arrays
	for i, a := range like {
		r = append(r, graphtest.Rand(seed+uint64(i), -1, 1, a.Shape()...))
	}
	return r
}

// checkPaired compares ⟨Jt, c⟩ with ⟨t, Jᵀc⟩ and returns Jt.
func checkPaired(t *testing.T, fn graphtest.Func, primals, tangents arrays) arrays {
	t.Helper()
	outs, pushed := graph.JVP(fn, primals, tangents)
	cots := alike(70, outs)
	_, pulled := graph.VJP(fn, primals, cots)
	forward, size := dot(t, pushed, cots)
	backward, size2 := dot(t, tangents, pulled)
	require.InDelta(t, backward, forward, 3e-6*(size+size2)+1e-7)
	return pushed
}

// TestJVP holds the forward derivative of every op against differences along
// the tangent, and against the VJP.
func TestJVP(t *testing.T) {
	for _, c := range gradCases(t) {
		t.Run(c.name, func(t *testing.T) {
			fn, primals := splitVars(c.fn, c.in)
			tangents := alike(60, primals)
			pushed := checkPaired(t, fn, primals, tangents)
			moved := func(h float64) (v []float64) {
				var p arrays
				for i := range primals {
					p = append(p, graph.Add(primals[i], graph.Multiply(tangents[i], h)))
				}
				for _, o := range fn(p) {
					v = append(v, read(t, o)...)
				}
				return v
			}
			const h = 1.0 / 32
			a, b, cc, d, at := moved(h), moved(-h), moved(h/2), moved(-h/2), moved(0)
			peak := 0.0
			for _, v := range at {
				peak = max(peak, math.Abs(v))
			}
			var got []float64
			for _, p := range pushed {
				got = append(got, read(t, p)...)
			}
			require.Len(t, got, len(at))
			for o := range got {
				wide, near := (a[o]-b[o])/(2*h), (cc[o]-d[o])/h
				want, off := (4*near-wide)/3, 16*math.Pow(2, -24)*peak/h+math.Abs(near-wide)/4
				require.InDelta(t, want, got[o], off+1e-5*math.Abs(want), "output value %d", o)
			}
		})
	}
}

// TestJVPOfGradient is the product with the Hessian, by which the second
// derivative is symmetric in its two directions.
func TestJVPOfGradient(t *testing.T) {
	for _, c := range gradCases(t) {
		t.Run(c.name, func(t *testing.T) {
			fn, primals := splitVars(c.fn, c.in)
			checkPaired(t, graphtest.GradOf(fn), primals, alike(60, primals))
		})
	}
}
