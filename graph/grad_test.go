package graph_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/graphtest"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

type arrays = []*graph.Array

// gradCase is a differentiable function at a point.
type gradCase struct {
	name string
	in   arrays
	fn   graphtest.Func
}

// f1 is a function of one array.
func f1(fn func(a *graph.Array) *graph.Array) graphtest.Func {
	return func(in arrays) arrays { return arrays{fn(in[0])} }
}

// any1 is f1 for functions that also take scalars.
func any1(fn func(a any) *graph.Array) graphtest.Func {
	return func(in arrays) arrays { return arrays{fn(in[0])} }
}

func any2(fn func(a, b any) *graph.Array) graphtest.Func {
	return func(in arrays) arrays { return arrays{fn(in[0], in[1])} }
}

func f2(fn func(a, b *graph.Array) *graph.Array) graphtest.Func {
	return func(in arrays) arrays { return arrays{fn(in[0], in[1])} }
}

func in(a ...*graph.Array) arrays { return a }

// rnd draws from [lo, hi]; one seed per shape is enough, since every case has
// its own bounds.
func rnd(lo, hi float64, shape ...int) *graph.Array { return graphtest.Rand(5, lo, hi, shape...) }

func ints(v ...int32) *graph.Array { return graph.FromSlice(v) }

func unaryCases() []gradCase {
	var cases []gradCase
	for name, c := range map[string]struct {
		fn     func(any) *graph.Array
		lo, hi float64
	}{
		"abs": {graph.Abs, 0.2, 2}, "negative": {graph.Negative, -2, 2}, "square": {graph.Square, -2, 2}, "sqrt": {graph.Sqrt, 0.5, 3}, "rsqrt": {graph.Rsqrt, 0.6, 3},
		"reciprocal": {graph.Reciprocal, 0.7, 3}, "exp": {graph.Exp, -1, 1}, "expm1": {graph.Expm1, -1, 1}, "log": {graph.Log, 0.7, 3}, "log2": {graph.Log2, 0.7, 3},
		"log10": {graph.Log10, 0.7, 3}, "log1p": {graph.Log1p, -0.3, 3}, "sigmoid": {graph.Sigmoid, -3, 3}, "erf": {graph.Erf, -2, 2}, "erfinv": {graph.ErfInv, -0.7, 0.7},
		"sin": {graph.Sin, -3, 3}, "cos": {graph.Cos, -3, 3}, "tan": {graph.Tan, -0.9, 0.9}, "arcsin": {graph.ArcSin, -0.7, 0.7}, "arccos": {graph.ArcCos, -0.7, 0.7},
		"arctan": {graph.ArcTan, -2, 2}, "sinh": {graph.Sinh, -2, 2}, "cosh": {graph.Cosh, -2, 2}, "tanh": {graph.Tanh, -2, 2}, "arcsinh": {graph.ArcSinh, -2, 2},
		"arccosh": {graph.ArcCosh, 1.5, 3}, "arctanh": {graph.ArcTanh, -0.6, 0.6},
	} {
		cases = append(cases, gradCase{name, in(rnd(c.lo, c.hi, 2, 3)), any1(c.fn)})
	}
	return append(cases,
		gradCase{"silu", in(rnd(-2, 2, 5)), f1(graph.Silu)},
		gradCase{"gelu", in(rnd(-2, 2, 5)), f1(graph.Gelu)},
		gradCase{"degrees", in(rnd(-2, 2, 3)), f1(graph.Degrees)},
		gradCase{"trunc is flat", in(rnd(0.2, 0.8, 3)), f1(graph.Trunc)},
	)
}

func binaryCases() []gradCase {
	var cases []gradCase
	a, b := rnd(0.7, 2, 2, 3), graphtest.Rand(6, 0.8, 2.5, 3)
	for name, fn := range map[string]func(a, b any) *graph.Array{
		"add": graph.Add, "subtract": graph.Subtract, "multiply": graph.Multiply, "divide": graph.Divide, "power": graph.Power,
		"logaddexp": graph.LogAddExp, "arctan2": graph.ArcTan2,
	} {
		cases = append(cases, gradCase{name, in(a, b), any2(fn)})
	}
	low, high := rnd(-2, -1, 2, 3), graphtest.Rand(6, 1, 2, 2, 1)
	mixed := graph.FromSlice([]float32{-1, 0.5, 2, -0.5, 1, -2}, 2, 3)
	mask := graph.FromSlice([]bool{true, false, true, true, false, false}, 2, 3)
	return append(cases,
		gradCase{"maximum", in(mixed, graph.Full([]int{3}, 0.25, metal.Float32)), any2(graph.Maximum)},
		gradCase{"minimum", in(mixed, graph.Full([]int{3}, 0.25, metal.Float32)), any2(graph.Minimum)},
		gradCase{"remainder", in(graph.FromSlice([]float32{1.3, 2.7, 4.1}), graph.FromSlice([]float32{1, 2, 3})), any2(graph.Remainder)},
		gradCase{"where", in(low, high, mask), func(in arrays) arrays { return arrays{graph.Where(in[2], in[0], in[1])} }},
		gradCase{"clip", in(mixed), f1(func(a *graph.Array) *graph.Array { return graph.Clip(a, -0.8, 1.7) })},
		gradCase{"addmm", in(rnd(-1, 1, 4), rnd(-1, 1, 2, 3), rnd(-1, 1, 3, 4)), func(in arrays) arrays { return arrays{graph.AddMM(in[0], in[1], in[2], 0.5, 2)} }},
	)
}

func reduceCases() []gradCase {
	x := rnd(-2, 2, 2, 3, 2)
	distinct := graph.FromSlice([]float32{-2, 3, 1, 0.25, -1, 2}, 2, 3)
	zero := graph.FromSlice([]float32{0, 1.5, -2, 0, 0, 3}, 2, 3)
	axes := []int{0, 2}
	return []gradCase{
		{"sum", in(x), f1(func(a *graph.Array) *graph.Array { return graph.Sum(a, axes, false) })},
		{"mean", in(x), f1(func(a *graph.Array) *graph.Array { return graph.Mean(a, []int{1}, true) })},
		{"prod", in(x), f1(func(a *graph.Array) *graph.Array { return graph.Prod(a, axes, false) })},
		{"prod with zeros", in(zero), f1(func(a *graph.Array) *graph.Array { return graph.Prod(a, []int{1}, false) })},
		{"max", in(distinct), f1(func(a *graph.Array) *graph.Array { return graph.Max(a, []int{-1}, false) })},
		{"min", in(distinct), f1(func(a *graph.Array) *graph.Array { return graph.Min(a, nil, false) })},
		{"var", in(x), f1(func(a *graph.Array) *graph.Array { return graph.Var(a, []int{1}, false, 1) })},
		{"std", in(x), f1(func(a *graph.Array) *graph.Array { return graph.Std(a, nil, true, 0) })},
		{"logsumexp", in(x), f1(func(a *graph.Array) *graph.Array { return graph.LogSumExp(a, axes, true) })},
		{"softmax", in(x), f1(func(a *graph.Array) *graph.Array { return graph.Softmax(a, -1) })},
		{"softmax of two axes", in(x), f1(func(a *graph.Array) *graph.Array { return graph.Softmax(a, axes...) })},
		{"median", in(distinct), f1(func(a *graph.Array) *graph.Array { return graph.Median(a, []int{1}, false) })},
		{"sort", in(distinct), f1(func(a *graph.Array) *graph.Array { return graph.Sort(a, 0) })},
		{"partition", in(distinct), f1(func(a *graph.Array) *graph.Array { return graph.Partition(a, 1, 1) })},
		{"topk", in(distinct), f1(func(a *graph.Array) *graph.Array { return graph.TopK(a, 2, -1) })},
		{"searchsorted is flat", in(distinct, graph.FromSlice([]float32{-1.5, 0.6, 4})), f2(func(a, b *graph.Array) *graph.Array {
			return graph.Multiply(graph.AsType(graph.SearchSorted(graph.Sort(graph.Reshape(a, -1), 0), b, true), metal.Float32), graph.Sum(a, nil, false))
		})},
		{"scale rows of LinearCrossEntropy", in(rnd(-1, 1, 3, 4), rnd(-1, 1, 3)), func(in arrays) arrays {
			h, w, y := in[0], rnd(-1, 1, 5, 4), ints(1, -1, 4)
			return arrays{graph.Multiply(graph.LinearCrossEntropy(h, w, y), in[1])}
		}},
	}
}

func scanCases() []gradCase {
	distinct := graph.FromSlice([]float32{-2, 3, 1, 0.25, -1, 2}, 2, 3)
	zeros := graph.FromSlice([]float32{1.5, 0, 2, 0, -1, 0.5, 0, 2}, 2, 4)
	var cases []gradCase
	for name, fn := range map[string]func(a *graph.Array, axis int, o graph.ScanOptions) *graph.Array{
		"cumsum": graph.CumSum, "cumprod": graph.CumProd, "cummax": graph.CumMax, "cummin": graph.CumMin, "logcumsumexp": graph.LogCumSumExp,
	} {
		for i, o := range []graph.ScanOptions{{}, {Reverse: true}, {Exclusive: true}, {Reverse: true, Exclusive: true}} {
			if o.Exclusive && name != "cumsum" && name != "cumprod" {
				// The first output is infinite: differences need the others.
				cases = append(cases, gradCase{name + " exclusive", in(distinct), f1(func(a *graph.Array) *graph.Array {
					y := fn(a, 1, o)
					if o.Reverse {
						return graph.SliceAxis(y, 1, 0, 2)
					}
					return graph.SliceAxis(y, 1, 1, 3)
				})})
				continue
			}
			one := f1(func(a *graph.Array) *graph.Array { return fn(a, 1, o) })
			cases = append(cases, gradCase{fmt.Sprint(name, i), in(distinct), one}, gradCase{fmt.Sprint(name, i, " of columns"), in(distinct),
				f1(func(a *graph.Array) *graph.Array { return fn(a, 0, o) })})
			if name == "cumprod" {
				cases = append(cases, gradCase{fmt.Sprint(name, i, " with zeros"), in(zeros), one}, gradCase{fmt.Sprint("twice ", name, i), in(zeros), graphtest.GradOf(one)})
			}
			if name == "logcumsumexp" {
				cases = append(cases, gradCase{fmt.Sprint("twice ", name, i), in(distinct), graphtest.GradOf(one)})
			}
		}
	}
	return cases
}

func shapeCases() []gradCase {
	x := rnd(-1, 1, 2, 3, 2)
	one := func(name string, fn func(a *graph.Array) *graph.Array) gradCase { return gradCase{name, in(x), f1(fn)} }
	ids := ints(2, 0, 2)
	along := graph.FromSlice([]int32{1, 0, 1, 1}, 2, 1, 2)
	start, step := 2, -2
	return []gradCase{
		one("reshape", func(a *graph.Array) *graph.Array { return graph.Reshape(a, 3, -1) }),
		one("transpose", func(a *graph.Array) *graph.Array { return graph.Transpose(a, 2, 0, 1) }),
		one("reshape of transpose", func(a *graph.Array) *graph.Array { return graph.Reshape(graph.Transpose(a), 4, 3) }),
		one("slice", func(a *graph.Array) *graph.Array {
			return graph.Slice(a, []int{0, 2, 0}, []int{2, -1, 1}, []int{1, -2, 1})
		}),
		one("flip", func(a *graph.Array) *graph.Array { return graph.Flip(a, 1) }),
		one("roll", func(a *graph.Array) *graph.Array { return graph.Roll(a, 2, 1) }),
		one("repeat", func(a *graph.Array) *graph.Array { return graph.Repeat(a, 2, 1) }),
		one("tile", func(a *graph.Array) *graph.Array { return graph.Tile(a, 2, 1, 2) }),
		one("pad", func(a *graph.Array) *graph.Array { return graph.Pad(a, [][2]int{{1, 0}, {0, 2}, {1, 1}}, 3) }),
		one("pad reflect", func(a *graph.Array) *graph.Array {
			return graph.PadWith(a, [][2]int{{1, 1}, {2, 1}, {0, 1}}, graph.PadReflect)
		}),
		one("pad symmetric", func(a *graph.Array) *graph.Array {
			return graph.PadWith(a, [][2]int{{1, 1}, {2, 1}, {0, 1}}, graph.PadSymmetric)
		}),
		one("tril", func(a *graph.Array) *graph.Array { return graph.Tril(a, 0) }),
		one("diagonal", func(a *graph.Array) *graph.Array { return graph.Diagonal(a, 1, 0, 1) }),
		one("take", func(a *graph.Array) *graph.Array { return graph.Take(a, ids, 1) }),
		one("take rows", func(a *graph.Array) *graph.Array { return graph.Take(a, ints(1, 1, -2), 0) }),
		one("take along axis", func(a *graph.Array) *graph.Array { return graph.TakeAlongAxis(a, along, 1) }),
		one("getitem", func(a *graph.Array) *graph.Array {
			return graph.GetItem(a, graph.Pick(ints(0, 1)), graph.Span(&start, nil, &step), graph.Pick(ints(1, 1)))
		}),
		{"put along axis", in(x, rnd(-1, 1, 2, 1, 2)), f2(func(a, b *graph.Array) *graph.Array { return graph.PutAlongAxis(a, along, b, 1) })},
		{"setitem", in(x, rnd(-1, 1, 2)), f2(func(a, b *graph.Array) *graph.Array {
			return graph.SetItem(a, b, graph.Ellipsis(), graph.Pick(ints(1, 0)))
		})},
		{"add at", in(x, rnd(-1, 1, 3, 2)), f2(func(a, b *graph.Array) *graph.Array { return graph.AddAt(a, b, graph.At(1), graph.Pick(ids)) })},
		{"concatenate", in(x, rnd(-1, 1, 2, 1, 2), rnd(-1, 1, 2, 2, 2)), func(in arrays) arrays { return arrays{graph.Concatenate(in, 1)} }},
		{"stack", in(x, rnd(-2, 2, 2, 3, 2)), func(in arrays) arrays { return arrays{graph.Stack(in, -1)} }},
		{"split", in(x), func(in arrays) arrays { return graph.SplitAt(in[0], 1, 1) }},
		{"broadcast", in(rnd(-1, 1, 3, 1)), f1(func(a *graph.Array) *graph.Array { return graph.BroadcastTo(a, []int{2, 3, 2}) })},
		{"matmul", in(rnd(-1, 1, 2, 3), rnd(-1, 1, 3, 4)), f2(graph.Matmul)},
		{"matmul batched", in(rnd(-1, 1, 2, 1, 2, 3), rnd(-1, 1, 2, 3, 2)), f2(graph.Matmul)},
		{"matmul of views", in(rnd(-1, 1, 3, 2), rnd(-1, 1, 4, 3)), f2(func(a, b *graph.Array) *graph.Array {
			return graph.Matmul(graph.Transpose(a), graph.Transpose(b))
		})},
		{"matmul of vectors", in(rnd(-1, 1, 3), rnd(-1, 1, 2, 3)), f2(func(a, b *graph.Array) *graph.Array { return graph.Matmul(b, a) })},
		{"hadamard", in(rnd(-1, 1, 2, 20)), f1(func(a *graph.Array) *graph.Array { return graph.HadamardTransform(a, nil) })},
		{"segmented", in(rnd(-1, 1, 2, 5), rnd(-1, 1, 5, 3)), f2(func(a, b *graph.Array) *graph.Array {
			return graph.SegmentedMM(a, b, graph.FromSlice([]int32{0, 3, 1, 5, 2, 2, 4, 3}, 4, 2))
		})},
		{"block masked", in(rnd(-1, 1, 2, 33), rnd(-1, 1, 33, 2), rnd(0.5, 1, 1, 1), rnd(-1, 1, 1, 2), rnd(-1, 1, 2, 1)), func(in arrays) arrays {
			return arrays{graph.BlockMaskedMM(in[0], in[1], 32, in[2], in[3], in[4])}
		}},
		{"block masked batch", in(rnd(-1, 1, 2, 1, 33), rnd(-1, 1, 33, 2), rnd(-1, 1, 2, 1, 2)), func(in arrays) arrays {
			return arrays{graph.BlockMaskedMM(in[0], in[1], 32, nil, in[2], nil)}
		}},
		{"spectrum", in(rnd(-1, 1, 2, 6)), f1(func(a *graph.Array) *graph.Array { return graph.Abs(graph.RFFT(a, 8, -1, graph.FFTOrtho)) })},
		{"real signal", in(rnd(-1, 1, 2, 4), rnd(-1, 1, 2, 4)), f2(func(a, b *graph.Array) *graph.Array {
			return graph.IRFFT(graph.Complex(a, b), 7, -1, graph.FFTForward)
		})},
		{"einsum of three", in(rnd(-1, 1, 2, 3), rnd(-1, 1, 3, 3), rnd(-1, 1, 3, 2)), func(in arrays) arrays {
			return arrays{graph.Einsum("ij,jj,jk->ki", in...)}
		}},
		{"einsum", in(rnd(-1, 1, 2, 3), rnd(-1, 1, 3, 2)), f2(func(a, b *graph.Array) *graph.Array { return graph.Einsum("ij,jk->k", a, b) })},
	}
}

// fusedCases are the ops with kernels of their own for the gradient.
func fusedCases() []gradCase {
	x, w, b := rnd(-1, 1, 2, 5), rnd(0.5, 1.5, 5), graphtest.Rand(8, -1, 1, 5)
	pos := graph.FromSlice([]int32{0, 1, 2, 0, 5, 9}, 2, 3)
	freqs := graph.FromSlice([]float32{1, 3})
	rope := func(opt graph.RoPEOptions) graphtest.Func {
		return f1(func(a *graph.Array) *graph.Array { return graph.RoPE(a, opt) })
	}
	h, vocab, targets := rnd(-1, 1, 4, 3), graphtest.Rand(9, -1, 1, 6, 3), ints(5, -1, 0, 2)
	lora := func(drop bool) graphtest.Func {
		return func(in arrays) arrays {
			dropped := in[0]
			if drop {
				dropped = graph.Multiply(in[0], graph.FromSlice([]float32{2, 0, 2}))
			}
			return arrays{graph.LoRALinear(in[0], in[1], in[2], in[3], dropped, 1.5)}
		}
	}
	loraIn := in(rnd(-1, 1, 2, 3), graphtest.Rand(2, -1, 1, 4, 3), graphtest.Rand(3, -1, 1, 3, 2), graphtest.Rand(4, -1, 1, 2, 4))
	heads := rnd(-1, 1, 2, 2, 3, 4)
	return []gradCase{
		{"rms norm", in(x, w), f2(func(a, b *graph.Array) *graph.Array { return graph.RMSNorm(a, b, 1e-5) })},
		{"rms norm without weight", in(x), f1(func(a *graph.Array) *graph.Array { return graph.RMSNorm(a, nil, 1e-5) })},
		{"layer norm", in(x, w, b), func(in arrays) arrays { return arrays{graph.LayerNorm(in[0], in[1], in[2], 1e-5)} }},
		{"layer norm without bias", in(x, w), f2(func(a, b *graph.Array) *graph.Array { return graph.LayerNorm(a, b, nil, 1e-5) })},
		{"rope", in(heads), rope(graph.RoPEOptions{Dims: 4, Base: 100, Offset: 2})},
		{"rope traditional", in(heads), rope(graph.RoPEOptions{Dims: 2, Base: 100, Traditional: true, Scale: 0.5})},
		{"rope positions", in(heads), rope(graph.RoPEOptions{Dims: 4, Base: 100, Positions: pos})},
		{"rope freqs", in(heads), rope(graph.RoPEOptions{Dims: 4, Freqs: freqs})},
		{"cross-entropy", in(rnd(-2, 2, 4, 5), ints(4, 0, -1, 2)), f2(graph.CrossEntropy)},
		{"linear cross-entropy, frozen", in(h), f1(func(a *graph.Array) *graph.Array { return graph.LinearCrossEntropy(a, vocab, targets) })},
		{"linear cross-entropy", in(h, vocab), f2(func(a, b *graph.Array) *graph.Array { return graph.LinearCrossEntropy(a, b, targets) })},
		{"lora", loraIn, lora(false)},
		{"lora with dropout", loraIn, lora(true)},
		{"low rank", in(rnd(-1, 1, 2, 3), rnd(-1, 1, 3, 4), rnd(-1, 1, 2, 2), rnd(-1, 1, 2, 4)), func(in arrays) arrays {
			return arrays{graph.MatmulLowRank(in[0], in[1], in[2], in[3], 0.5)}
		}},
	}
}

// headDim is one that the flash kernel takes.
func headDim(t testing.TB) int {
	for d := 1; d <= 256; d++ {
		if kernels.SDPAHeadDim(d) {
			return d
		}
	}
	t.Fatal("the attention kernel takes no head dimension")
	return 0
}

func attentionCases(t testing.TB) []gradCase {
	d := headDim(t)
	set := func(hq, hk, tq, tk, d int) arrays {
		return in(rnd(-1, 1, 1, hq, tq, d), graphtest.Rand(2, -1, 1, 1, hk, tk, d), graphtest.Rand(3, -1, 1, 1, hk, tk, d))
	}
	attend := func(opt graph.SDPAOptions) graphtest.Func {
		return func(in arrays) arrays {
			opt := opt
			opt.Scale = 0.4
			if len(in) > 3 && opt.Sinks == nil {
				opt.Mask = in[3]
			}
			return arrays{graph.ScaledDotProductAttention(in[0], in[1], in[2], opt)}
		}
	}
	segments := graph.FromSlice([]int32{1, 1, 2}, 1, 3)
	mask := graph.FromSlice([]bool{true, false, true, true}, 2, 2)
	return []gradCase{
		{"attention", set(1, 1, 2, 3, d), attend(graph.SDPAOptions{})},
		{"attention causal", set(1, 1, 3, 3, d), attend(graph.SDPAOptions{Causal: true})},
		{"attention causal with a cache", set(1, 1, 2, 3, d), attend(graph.SDPAOptions{Causal: true})},
		{"attention grouped", set(2, 1, 2, 2, d), attend(graph.SDPAOptions{Causal: true})},
		{"attention segments", set(1, 1, 3, 3, d), attend(graph.SDPAOptions{Causal: true, Segments: segments})},
		{"attention composed", set(2, 1, 2, 3, 3), attend(graph.SDPAOptions{Causal: true})},
		{"attention bool mask", append(set(1, 1, 2, 2, 3), mask), attend(graph.SDPAOptions{})},
		{"attention additive mask", append(set(2, 1, 2, 2, 3), rnd(-1, 1, 2, 2, 2)), attend(graph.SDPAOptions{})},
		{"attention sinks", set(2, 2, 2, 2, 3), attend(graph.SDPAOptions{Sinks: graph.FromSlice([]float32{0.3, -0.5})})},
	}
}

// TestGradients holds every derivative against finite differences.
func TestGradients(t *testing.T) {
	for _, cases := range [][]gradCase{unaryCases(), binaryCases(), reduceCases(), scanCases(), shapeCases(), fusedCases(), attentionCases(t), convCases()} {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) { graphtest.CheckGrad(t, c.fn, c.in...) })
		}
	}
}

// TestSecondDerivatives differentiates gradients, fused ones included.
func TestSecondDerivatives(t *testing.T) {
	x := rnd(-1, 1, 2, 4)
	qkv := in(rnd(-1, 1, 1, 2, 2, headDim(t)), graphtest.Rand(2, -1, 1, 1, 1, 2, headDim(t)), graphtest.Rand(3, -1, 1, 1, 1, 2, headDim(t)))
	for _, c := range []gradCase{
		{"tanh", in(x), any1(graph.Tanh)},
		{"power", in(rnd(0.7, 2, 3), rnd(1, 2, 3)), any2(graph.Power)},
		{"prod", in(x), f1(func(a *graph.Array) *graph.Array { return graph.Prod(a, []int{1}, false) })},
		{"softmax", in(x), f1(func(a *graph.Array) *graph.Array { return graph.Softmax(a, -1) })},
		{"logsumexp", in(x), f1(func(a *graph.Array) *graph.Array { return graph.LogSumExp(a, nil, false) })},
		{"matmul", in(x, rnd(-1, 1, 4, 2)), f2(graph.Matmul)},
		{"take", in(x, ints(1, 1)), f2(func(a, b *graph.Array) *graph.Array { return graph.Square(graph.Take(a, b, 0)) })},
		{"rms norm", in(x, rnd(0.5, 1.5, 4)), f2(func(a, b *graph.Array) *graph.Array { return graph.RMSNorm(a, b, 0.1) })},
		{"layer norm", in(x, rnd(0.5, 1.5, 4), rnd(-1, 1, 4)), func(in arrays) arrays { return arrays{graph.LayerNorm(in[0], in[1], in[2], 0.1)} }},
		{"rope", in(rnd(-1, 1, 1, 2, 4)), f1(func(a *graph.Array) *graph.Array {
			return graph.RoPE(graph.Square(a), graph.RoPEOptions{Dims: 4, Base: 100})
		})},
		{"attention", qkv, func(in arrays) arrays {
			return arrays{graph.ScaledDotProductAttention(in[0], in[1], in[2], graph.SDPAOptions{Scale: 0.4, Causal: true})}
		}},
		{"lora", in(rnd(-1, 1, 1, 3), rnd(-1, 1, 2, 3), rnd(-1, 1, 3, 1), rnd(-1, 1, 1, 2)), func(in arrays) arrays {
			return arrays{graph.LoRALinear(in[0], in[1], in[2], in[3], in[0], 2)}
		}},
	} {
		t.Run(c.name, func(t *testing.T) { graphtest.CheckGrad(t, graphtest.GradOf(c.fn), c.in...) })
	}
}

// read evaluates an array.
func read(t *testing.T, a *graph.Array) []float64 {
	t.Helper()
	v, err := graph.Floats(context.Background(), a)
	require.NoError(t, err)
	return v
}

// TestGradientRules pins the conventions at points where a derivative is a
// matter of choice: they are MLX's.
func TestGradientRules(t *testing.T) {
	at := func(v ...float32) *graph.Array { return graph.FromSlice(v) }
	grad := func(fn graphtest.Func, in ...*graph.Array) [][]float64 {
		outs := fn(in)
		cots := make(arrays, len(outs))
		for i, o := range outs {
			cots[i] = graph.Ones(o.Shape(), o.DType())
		}
		_, g := graph.VJP(fn, in, cots)
		var v [][]float64
		for _, a := range g {
			v = append(v, read(t, a))
		}
		return v
	}
	g := grad(any2(graph.Maximum), at(1, 2, 3), at(1, 2, 4))
	require.Equal(t, [][]float64{{0, 0, 0}, {1, 1, 1}}, g, "ties go to the second operand")
	g = grad(f1(func(a *graph.Array) *graph.Array { return graph.Max(a, nil, false) }), at(2, 2, 1, 2))
	require.InDeltaSlice(t, []float64{1. / 3, 1. / 3, 0, 1. / 3}, g[0], 1e-7, "ties share")
	g = grad(f1(func(a *graph.Array) *graph.Array { return graph.Clip(a, 0.0, 1.0) }), at(-1, 0, 0.5, 1, 2))
	require.Equal(t, []float64{0, 0, 1, 0, 0}, g[0], "nothing flows on a bound")
	g = grad(any2(graph.Power), at(0, 0), at(2, 1))
	require.Equal(t, []float64{0, 0}, g[1], "the exponent of 0 has no derivative")
	g = grad(any1(graph.Abs), at(0, -2))
	require.Equal(t, []float64{0, -1}, g[0])
	g = grad(func(in arrays) arrays { return arrays{graph.Multiply(in[0], graph.StopGradient(in[0]))} }, at(3, 4))
	require.Equal(t, []float64{3, 4}, g[0], "StopGradient is a constant")
	g = grad(func(in arrays) arrays { return arrays{graph.Square(in[0])} }, at(1), at(7))
	require.Equal(t, [][]float64{{2}, {0}}, g, "an input that is not used gets zeros")
}
