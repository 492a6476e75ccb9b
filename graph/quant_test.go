package graph_test

import (
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/graphtest"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

var affine4 = graph.Quantization{GroupSize: 32}

// TestQuantizeWithGlobalScale holds nvfp4 with a scale of the whole matrix against
// what MLX 0.32 gives.
func TestQuantizeWithGlobalScale(t *testing.T) {
	w := graph.Subtract(graph.Multiply(graph.Reshape(graph.Arange(0, 32, 1, metal.Float32), 2, 16), 0.37), 4.1)
	global, as := graph.FromSlice([]float32{7.5}), graph.Quantization{Mode: graph.QuantNVFP4}
	words, scales, biases := graph.QuantizeScaled(w, global, as)
	require.Nil(t, biases)
	require.Equal(t, []float64{3453939711, 1126238635, 1700086851, 2004313702}, read(t, words))
	require.Equal(t, []float64{119, 126}, read(t, scales))
	back := read(t, graph.DequantizeScaled(words, scales, nil, global, as, metal.Float32))
	require.InDeltaSlice(t, []float64{-4.017857, -4.017857, -4.017857, -2.678571, -2.678571}, back[:5], 1e-6)
	require.InDeltaSlice(t, []float64{5, 5, 7.5, 7.5, 7.5, 7.5}, back[26:], 1e-6)
}

// TestQQMM holds a product of rounded matrices against what MLX 0.32 gives.
func TestQQMM(t *testing.T) {
	ramp := func(n int, step, from float64, shape ...int) *graph.Array {
		return graph.Subtract(graph.Multiply(graph.Reshape(graph.Arange(0, float64(n), 1, metal.Float32), shape...), step), from)
	}
	x, w := ramp(32, 0.11, 1.3, 1, 32), ramp(96, 0.07, 2.3, 3, 32)
	as := graph.Quantization{Mode: graph.QuantNVFP4}
	words, scales, _ := graph.Quantize(w, as)
	want := []float64{5.51806640625, 34.39111328125, 68.197265625}
	require.InDeltaSlice(t, want, read(t, graph.QQMM(x, words, scales, nil, nil, as)), 1e-4)
	require.InDeltaSlice(t, want, read(t, graph.QQMM(x, w, nil, nil, nil, as)), 1e-4)
	picked := graph.GatherQQMM(x, graph.ExpandDims(words, 0), graph.ExpandDims(scales, 0), nil, ints(0, 0), nil, nil, as)
	require.Equal(t, []int{2, 1, 3}, picked.Shape())
	require.InDeltaSlice(t, append(want, want...), read(t, picked), 1e-4)

	global := graph.Max(graph.Abs(w), nil, false)
	words, scales, _ = graph.QuantizeScaled(w, global, as)
	dense := graph.DequantizeScaled(words, scales, nil, global, as, metal.Float32)
	requireNear(t, graph.QQMM(x, dense, nil, nil, global, as), graph.QQMM(x, words, scales, nil, global, as), 1e-5)

	_, g := graph.VJP(func(a arrays) arrays { return arrays{graph.QQMM(a[0], w, nil, nil, nil, as)} }, in(x), in(graph.Ones([]int{1, 3}, metal.Float32)))
	words, scales, _ = graph.Quantize(w, as)
	requireNear(t, graph.Sum(graph.Dequantize(words, scales, nil, as, metal.Float32), []int{0}, true), g[0], 1e-6, "the gradient passes the rounding of x")
}

// quantizedOf is a quantised matrix of random values.
func quantizedOf(as graph.Quantization, shape ...int) (words, scales, biases *graph.Array) {
	return graph.Quantize(graphtest.Rand(12, -1, 1, shape...), as)
}

// TestQuantizedGradients holds gradients against finite differences, second ones
// too.
func TestQuantizedGradients(t *testing.T) {
	words, scales, biases := quantizedOf(affine4, 3, 32)
	many, manyScales, manyBiases := quantizedOf(affine4, 2, 3, 32)
	x, back, ids := rnd(-1, 1, 2, 32), rnd(-1, 1, 2, 3), ints(1, 0, 1)
	low, up, mask := rnd(-1, 1, 32, 2), rnd(-1, 1, 2, 3), rnd(0, 1, 2, 32)
	for _, c := range []gradCase{
		{"dequantize", in(scales, biases), f2(func(s, b *graph.Array) *graph.Array { return graph.Dequantize(words, s, b, affine4, metal.Float32) })},
		{"transposed", in(x, scales, biases), func(a arrays) arrays {
			return in(graph.QuantizedMatmul(a[0], words, a[1], a[2], true, affine4))
		}},
		{"plain", in(back, scales, biases), func(a arrays) arrays {
			return in(graph.QuantizedMatmul(a[0], words, a[1], a[2], false, affine4))
		}},
		{"batched", in(x, manyScales, manyBiases), func(a arrays) arrays {
			return in(graph.QuantizedMatmul(a[0], many, a[1], a[2], true, affine4))
		}},
		{"gather", in(graph.Reshape(x, 2, 1, 32), manyScales, manyBiases), func(a arrays) arrays {
			return in(graph.GatherQMM(a[0], many, a[1], a[2], ids, ints(0, 0, 1), true, affine4))
		}},
		{"low-rank update", in(x, low, up, scales, biases), func(a arrays) arrays {
			return in(graph.QuantizedLoRALinear(a[0], words, a[3], a[4], a[1], a[2], a[0], 1.5, affine4))
		}},
		{"low-rank update, frozen", in(x, low, up), func(a arrays) arrays {
			return in(graph.QuantizedLoRALinear(a[0], words, scales, biases, a[1], a[2], a[0], 1.5, affine4))
		}},
		{"low-rank update after dropout", in(x, low, up), func(a arrays) arrays {
			return in(graph.QuantizedLoRALinear(a[0], words, scales, biases, a[1], a[2], graph.Multiply(a[0], mask), 1.5, affine4))
		}},
		{"cross-entropy", in(x, scales, biases), func(a arrays) arrays {
			return in(graph.QuantizedCrossEntropy(a[0], words, a[1], a[2], ints(2, -1), affine4))
		}},
		{"cross-entropy, frozen", in(x), f1(func(x *graph.Array) *graph.Array {
			return graph.QuantizedCrossEntropy(x, words, scales, biases, ints(2, 0), affine4)
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			graphtest.CheckGrad(t, c.fn, c.in...)
			graphtest.CheckGrad(t, graphtest.GradOf(c.fn), c.in...)
		})
	}
}

// TestQuantizedViews multiplies strided operands: values are those of the dense
// product.
func TestQuantizedViews(t *testing.T) {
	for _, as := range []graph.Quantization{{Bits: 3, GroupSize: 64}, {Mode: graph.QuantMXFP8}, {Mode: graph.QuantNVFP4}} {
		words, scales, biases := quantizedOf(as, 2, 5, 64)
		dense := graph.Dequantize(words, scales, biases, as, metal.Float32)
		x := graph.SwapAxes(rnd(-1, 1, 64, 9), 0, 1)
		requireNear(t, graph.Matmul(x, graph.SwapAxes(dense, -1, -2)), graph.QuantizedMatmul(x, words, scales, biases, true, as), 1e-5, "%v", as)
		heads := graph.SwapAxes(rnd(-1, 1, 9, 2, 5), 0, 1)
		requireNear(t, graph.Matmul(heads, dense), graph.QuantizedMatmul(heads, words, scales, biases, false, as), 1e-5, "%v", as)
		row := rnd(-1, 1, 64)
		requireNear(t, graph.Matmul(row, graph.SwapAxes(dense, -1, -2)), graph.QuantizedMatmul(row, words, scales, biases, true, as), 1e-5, "%v", as)
		ids := ints(-1, 1, 0)
		got := graph.GatherQMM(heads, words, scales, biases, nil, graph.Reshape(ids, 3, 1), false, as)
		require.Equal(t, []int{3, 2, 9, 64}, got.Shape())
		requireNear(t, graph.GatherMM(heads, dense, graph.FromSlice([]int32{0, 1, 0, 1, 0, 1}, 3, 2), graph.FromSlice([]int32{1, 1, 1, 1, 0, 0}, 3, 2)), got, 1e-5, "%v", as)
	}
}

// TestQuantizedTraining holds the ops of a step on a quantised base against the
// same ops on its dense matrix, in every mode.
func TestQuantizedTraining(t *testing.T) {
	low, up := rnd(-1, 1, 64, 4), rnd(-1, 1, 4, 40)
	for _, as := range []graph.Quantization{{Bits: 4, GroupSize: 64}, {Bits: 3, GroupSize: 32}, {Mode: graph.QuantMXFP4}, {Mode: graph.QuantMXFP8}, {Mode: graph.QuantNVFP4}} {
		words, scales, biases := quantizedOf(as, 40, 64)
		dense := graph.Dequantize(words, scales, biases, as, metal.Float32)
		for _, rows := range []int{1, 3, 33} {
			targets := graph.Subtract(graph.Remainder(graph.Multiply(graph.Arange(0, float64(rows), 1, metal.Int32), 7), 41), 1)
			x, g := rnd(-1, 1, rows, 64), rnd(-1, 1, rows, 40)
			packed := func(a arrays) arrays {
				return in(graph.QuantizedLoRALinear(a[0], words, scales, biases, a[1], a[2], a[0], 0.5, as),
					graph.QuantizedCrossEntropy(a[0], words, scales, biases, targets, as))
			}
			plain := func(a arrays) arrays {
				return in(graph.LoRALinear(a[0], dense, a[1], a[2], a[0], 0.5), graph.LinearCrossEntropy(a[0], dense, targets))
			}
			cotangents := in(g, rnd(-1, 1, rows))
			want, wantGrads := graph.VJP(plain, in(x, low, up), cotangents)
			got, grads := graph.VJP(packed, in(x, low, up), cotangents)
			for i := range want {
				requireNear(t, want[i], got[i], 1e-5, "%v, %d rows, output %d", as, rows, i)
			}
			for i := range wantGrads {
				requireNear(t, wantGrads[i], grads[i], 1e-5, "%v, %d rows, gradient %d", as, rows, i)
			}
		}
	}
}

// TestQuantizedVMap is a loop.
func TestQuantizedVMap(t *testing.T) {
	words, scales, biases := quantizedOf(affine4, 3, 5, 32)
	x, w := rnd(-1, 1, 3, 2, 32), rnd(-1, 1, 3, 2, 64)
	none := graph.NotMapped
	product := func(a arrays) arrays { return in(graph.QuantizedMatmul(a[0], a[1], a[2], a[3], true, affine4)) }
	gathered := func(a arrays) arrays {
		return in(graph.GatherQMM(a[0], a[1], a[2], a[3], nil, ints(2, 0), true, affine4))
	}
	first := func(a *graph.Array) *graph.Array { return graph.GetItem(a, graph.At(0)) }
	for i, c := range []struct {
		fn   graphtest.Func
		axes []int
		in   arrays
	}{
		{product, []int{0, none, none, none}, in(x, first(words), first(scales), first(biases))},
		{product, []int{0, 0, 0, 0}, in(x, words, scales, biases)},
		{product, []int{none, 0, 0, 0}, in(first(x), words, scales, biases)},
		{product, []int{0, none, none, none}, in(graph.ExpandDims(x, 1), words, scales, biases)},
		{gathered, []int{0, none, none, none}, in(graph.ExpandDims(x, 1), words, scales, biases)},
		{func(a arrays) arrays { q, s, b := graph.Quantize(a[0], affine4); return in(q, s, b) }, []int{0}, in(w)},
		{func(a arrays) arrays { return in(graph.Dequantize(a[0], a[1], a[2], affine4, metal.Float16)) }, []int{0, 0, 0}, in(words, scales, biases)},
		{func(a arrays) arrays { return in(graph.FromFP8(graph.ToFP8(a[0]), metal.Float32)) }, []int{0}, in(w)},
	} {
		mapped := graph.VMap(c.fn, c.axes, nil)(c.in)
		for k := range mapped {
			var each arrays
			for n := range 3 {
				args := make(arrays, len(c.in))
				for j, a := range c.in {
					args[j] = a
					if c.axes[j] == 0 {
						args[j] = graph.GetItem(a, graph.At(n))
					}
				}
				each = append(each, c.fn(args)[k])
			}
			requireNear(t, graph.Stack(each, 0), mapped[k], 1e-6, "case %d, output %d", i, k)
		}
	}
}

// TestQuantizationMistakes says what is wrong with which operand.
func TestQuantizationMistakes(t *testing.T) {
	at := func(dt metal.DType, shape ...int) *graph.Array { return graph.Zeros(shape, dt) }
	f32, u32, u8 := metal.Float32, metal.Uint32, metal.Uint8
	w := at(f32, 4, 64)
	quantize := func(w *graph.Array, q graph.Quantization) func() { return func() { graph.Quantize(w, q) } }
	multiply := func(x, words, scales, biases *graph.Array, q graph.Quantization) func() {
		return func() { graph.QuantizedMatmul(x, words, scales, biases, true, q) }
	}
	mx := graph.Quantization{Mode: graph.QuantMXFP4}
	words, scales := at(u32, 4, 8), at(f32, 4, 1)
	for want, fn := range map[string]func(){
		`Quantize: quantization mode is "int4", want affine, mxfp4, mxfp8 or nvfp4`:                                                        quantize(w, graph.Quantization{Mode: "int4"}),
		"Quantize: bits are 7, affine has [2 3 4 5 6 8]":                                                                                   quantize(w, graph.Quantization{Bits: 7}),
		"Quantize: bits are 4, mxfp8 has [8]":                                                                                              quantize(w, graph.Quantization{Mode: graph.QuantMXFP8, Bits: 4}),
		"Quantize: the group size is 16, affine has [32 64 128]":                                                                           quantize(w, graph.Quantization{GroupSize: 16}),
		"Quantize: the group size is 64, mxfp4 has [32]":                                                                                   quantize(w, graph.Quantization{Mode: graph.QuantMXFP4, GroupSize: 64}),
		"Quantize: the last axis of shape [4 65] is not a multiple of the group size 64":                                                   quantize(at(f32, 4, 65), graph.Quantization{}),
		"Quantize: w has shape [64], want at least two axes":                                                                               quantize(at(f32, 64), graph.Quantization{}),
		"Quantize: operand is int32[4 64], want float32, float16 or bfloat16":                                                              quantize(at(metal.Int32, 4, 64), graph.Quantization{}),
		"Quantize: a global scale is for mode nvfp4, not affine":                                                                           func() { graph.QuantizeScaled(w, at(f32), graph.Quantization{}) },
		"Quantize: the global scale is float16[], want one float32":                                                                        func() { graph.QuantizeScaled(w, at(metal.Float16), graph.Quantization{Mode: graph.QuantNVFP4}) },
		"QuantizedMatmul: biases are missing, which mode affine has":                                                                       multiply(w, words, scales, nil, graph.Quantization{}),
		"QuantizedMatmul: mode mxfp4 has no biases":                                                                                        multiply(w, words, at(u8, 4, 2), scales, mx),
		"QuantizedMatmul: scales are float32, want uint8 in mode mxfp4":                                                                    multiply(w, words, at(f32, 4, 2), nil, mx),
		"QuantizedMatmul: the quantized matrix is int32[4 8], want uint32 with at least two axes":                                          multiply(w, at(metal.Int32, 4, 8), scales, scales, graph.Quantization{}),
		"QuantizedMatmul: scales have shape [4 2], want [4 1] for words of shape [4 8], 4 bits and group size 64":                          multiply(w, words, at(f32, 4, 2), scales, graph.Quantization{}),
		"QuantizedMatmul: biases have shape [1 4], scales [4 1]":                                                                           multiply(w, words, scales, at(f32, 1, 4), graph.Quantization{}),
		"QuantizedMatmul: a row of 7 words is not a number of groups of 64 elements of 4 bits":                                             multiply(w, at(u32, 4, 7), scales, scales, graph.Quantization{}),
		"QuantizedMatmul: x has shape [4 32] and w, of words [4 8] with 4 bits, [4 64]: with transpose=true the last axis of x must be 64": multiply(at(f32, 4, 32), words, scales, scales, graph.Quantization{}),
		"QuantizedMatmul: operand is int32[4 64], want float32, float16 or bfloat16":                                                       multiply(at(metal.Int32, 4, 64), words, at(u8, 4, 2), nil, mx),
		"QuantizedLoRALinear: a is [64 2] and b [3 4], want [in,R] and [R,out] for x [4 64] and words [4 8]": func() {
			graph.QuantizedLoRALinear(w, words, scales, scales, at(f32, 64, 2), at(f32, 3, 4), w, 1, graph.Quantization{})
		},
		"QuantizedCrossEntropy: h is [4 32] and w, of words [4 8] with 4 bits, [4 64], want [T,d] and [V,d]": func() {
			graph.QuantizedCrossEntropy(at(f32, 4, 32), words, scales, scales, ints(0, 1, 2, 3), graph.Quantization{})
		},
		"GatherQMM: indices are float32, want integers": func() {
			graph.GatherQMM(w, words, scales, scales, nil, at(f32, 1), true, graph.Quantization{})
		},
		"Dequantize: the result is to be int32, want float32, float16 or bfloat16": func() {
			graph.Dequantize(words, scales, scales, graph.Quantization{}, metal.Int32)
		},
		"ToFP8: operand is int32[2], want float32, float16 or bfloat16": func() { graph.ToFP8(ints(1, 2)) },
		"FromFP8: operand is float32[4 64], want uint8":                 func() { graph.FromFP8(w, f32) },
		`QQMM: mode is "affine", want nvfp4 or mxfp8`:                   func() { graph.QQMM(w, w, nil, nil, nil, graph.Quantization{Mode: graph.QuantAffine}) },
	} {
		require.ErrorContains(t, graph.Catch(fn), want)
	}
}
