package graph_test

import (
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/graphtest"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// convCases have every option, and the three ways a product is made: unfolded,
// folded, and directly.
func convCases() []gradCase {
	general := func(opt graph.ConvGeneralOptions) graphtest.Func {
		return f2(func(x, w *graph.Array) *graph.Array { return graph.ConvGeneral(x, w, opt) })
	}
	by := func(fn func(x, w *graph.Array, opt graph.ConvOptions) *graph.Array, opt graph.ConvOptions) graphtest.Func {
		return f2(func(x, w *graph.Array) *graph.Array { return fn(x, w, opt) })
	}
	arrays2 := func(x, w []int) arrays { return in(rnd(-1, 1, x...), graphtest.Rand(8, -1, 1, w...)) }
	return []gradCase{
		{"conv1d", arrays2([]int{2, 5, 2}, []int{3, 2, 2}), by(graph.Conv1d, graph.ConvOptions{Stride: []int{2}, Padding: []int{1}})},
		{"conv2d", arrays2([]int{1, 3, 4, 2}, []int{2, 2, 2, 2}), by(graph.Conv2d, graph.ConvOptions{Padding: []int{1, 0}, Dilation: []int{2, 1}})},
		{"conv2d groups", arrays2([]int{1, 3, 2, 4}, []int{4, 2, 1, 2}), by(graph.Conv2d, graph.ConvOptions{Groups: 2})},
		{"conv2d depthwise", arrays2([]int{1, 3, 3, 2}, []int{4, 2, 2, 1}), by(graph.Conv2d, graph.ConvOptions{Groups: 2, Stride: []int{1, 2}, Padding: []int{1}})},
		{"conv3d", arrays2([]int{1, 2, 3, 2, 1}, []int{5, 2, 2, 1, 1}), by(graph.Conv3d, graph.ConvOptions{Stride: []int{1, 2, 1}})},
		{"conv point", arrays2([]int{2, 3, 2}, []int{3, 1, 2}), by(graph.Conv1d, graph.ConvOptions{})},
		{"conv transpose1d", arrays2([]int{1, 3, 2}, []int{3, 2, 2}), by(graph.ConvTranspose1d, graph.ConvOptions{Stride: []int{3}, Padding: []int{1}, OutputPadding: []int{2}})},
		{"conv transpose2d groups", arrays2([]int{1, 2, 2, 4}, []int{2, 2, 3, 2}), by(graph.ConvTranspose2d, graph.ConvOptions{Stride: []int{2, 1}, Dilation: []int{1, 2}, Groups: 2})},
		{"conv general", arrays2([]int{1, 4, 3, 1}, []int{5, 2, 2, 1}), general(graph.ConvGeneralOptions{Stride: []int{2, 1}, PadLow: []int{1, -1}, PadHigh: []int{0, 2},
			KernelDilation: []int{1, 2}, InputDilation: []int{2, 3}, Flip: true})},
		{"convolve", in(rnd(-1, 1, 3), graphtest.Rand(8, -1, 1, 4)), f2(func(a, v *graph.Array) *graph.Array { return graph.Convolve(a, v, graph.ConvolveSame) })},
	}
}

// TestConvSecondDerivatives differentiates the gradients, which are the other
// two products.
func TestConvSecondDerivatives(t *testing.T) {
	for _, c := range convCases() {
		t.Run(c.name, func(t *testing.T) { graphtest.CheckGrad(t, graphtest.GradOf(c.fn), c.in...) })
	}
}

// TestConvolve holds the three modes against numpy.convolve of [1, 2, 3] and
// [0, 1, 0.5, 2].
func TestConvolve(t *testing.T) {
	a, v := graph.FromSlice([]float32{1, 2, 3}), graph.FromSlice([]float32{0, 1, 0.5, 2})
	for mode, want := range map[graph.ConvolveMode][]float64{
		graph.ConvolveFull: {0, 1, 2.5, 6, 5.5, 6}, graph.ConvolveSame: {1, 2.5, 6, 5.5}, graph.ConvolveValid: {2.5, 6},
	} {
		require.Equal(t, want, read(t, graph.Convolve(a, v, mode)))
		require.Equal(t, want, read(t, graph.Convolve(v, a, mode)), "operands exchanged")
	}
}

// TestConvShapes has the shapes and dtypes that MLX 0.32.2 gives.
func TestConvShapes(t *testing.T) {
	at := func(shape ...int) *graph.Array { return graph.Zeros(shape, metal.Float32) }
	half, brain := graph.AsType(at(1, 4, 2), metal.Float16), graph.AsType(at(3, 2, 2), metal.BFloat16)
	for _, c := range []struct {
		got  *graph.Array
		want string
	}{
		{graph.Conv1d(half, brain, graph.ConvOptions{}), "float32[1 3 3]"},
		{graph.Conv1d(half, graph.Zeros([]int{3, 2, 2}, metal.Int32), graph.ConvOptions{}), "float16[1 3 3]"},
		{graph.Conv1d(at(0, 4, 2), at(3, 2, 2), graph.ConvOptions{}), "float32[0 3 3]"},
		{graph.Conv1d(at(2, 0, 2), at(3, 2, 2), graph.ConvOptions{Padding: []int{1}}), "float32[2 1 3]"},
		{graph.Conv2d(at(1, 4, 4, 2), at(3, 2, 2, 2), graph.ConvOptions{Padding: []int{-1}}), "float32[1 1 1 3]"},
		{graph.ConvGeneral(at(1, 4, 4, 2), at(3, 2, 2, 2), graph.ConvGeneralOptions{Stride: []int{1, 2}, PadLow: []int{1, 2}, PadHigh: []int{3, 4},
			KernelDilation: []int{2}, InputDilation: []int{3}}), "float32[1 12 7 3]"},
		{graph.ConvGeneral(at(1, 4, 4, 2), at(3, 2, 2, 2), graph.ConvGeneralOptions{PadLow: []int{-1, 2}, PadHigh: []int{3, -1}}), "float32[1 5 4 3]"},
		{graph.ConvTranspose1d(at(2, 5, 4), at(6, 3, 4), graph.ConvOptions{Stride: []int{2}, Padding: []int{3}, OutputPadding: []int{1}}), "float32[2 6 6]"},
		{graph.ConvTranspose1d(at(2, 5, 4), at(6, 3, 2), graph.ConvOptions{Stride: []int{2}, Padding: []int{1}, OutputPadding: []int{1}, Groups: 2, Dilation: []int{2}}), "float32[2 12 6]"},
		{graph.ConvTranspose1d(at(2, 5, 4), at(6, 3, 4), graph.ConvOptions{OutputPadding: []int{3}}), "float32[2 10 6]"},
	} {
		require.Equal(t, c.want, c.got.String())
		require.NotPanics(t, func() { read(t, c.got) })
	}
}

// TestConvMistakes checks what a caller's mistake says.
func TestConvMistakes(t *testing.T) {
	at := func(shape ...int) *graph.Array { return graph.Zeros(shape, metal.Float32) }
	conv1 := func(x, w *graph.Array, opt graph.ConvOptions) func() { return func() { graph.Conv1d(x, w, opt) } }
	for msg, fn := range map[string]func(){
		"Conv1d: x has shape [1 4 4 2], want [N, 1 spatial axes, C]":                             conv1(at(1, 4, 4, 2), at(3, 2, 2), graph.ConvOptions{}),
		"Conv1d: w has shape [3 2], want [O, 1 spatial axes, C/groups]":                          conv1(at(1, 4, 2), at(3, 2), graph.ConvOptions{}),
		"Conv1d: operand is int32[1 4 2], want float32, float16 or bfloat16":                     conv1(graph.Zeros([]int{1, 4, 2}, metal.Int32), at(3, 2, 2), graph.ConvOptions{}),
		"Conv1d: axis 1 of x [1 4 2] is 4 with padding, shorter than the kernel's 5 (w [3 5 2])": conv1(at(1, 4, 2), at(3, 5, 2), graph.ConvOptions{}),
		"Conv1d: 3 outputs of w [3 2 2] do not divide into 2 groups":                             conv1(at(1, 4, 4), at(3, 2, 2), graph.ConvOptions{Groups: 2}),
		"Conv1d: x has 4 channels, w of shape [4 2 4] in 2 groups wants 8":                       conv1(at(1, 4, 4), at(4, 2, 4), graph.ConvOptions{Groups: 2}),
		"Conv1d: -1 groups": conv1(at(1, 4, 4), at(4, 2, 4), graph.ConvOptions{Groups: -1}),
		"Conv1d: Stride has 2 values for 1 spatial axes":                           conv1(at(1, 4, 4), at(4, 2, 4), graph.ConvOptions{Stride: []int{1, 2}}),
		"Conv1d: Stride is [0], want values from 1":                                conv1(at(1, 4, 4), at(4, 2, 4), graph.ConvOptions{Stride: []int{0}}),
		"Conv1d: OutputPadding [1] is for transposed":                              conv1(at(1, 4, 4), at(4, 2, 4), graph.ConvOptions{OutputPadding: []int{1}}),
		"Conv1d: w has shape [3 0 2]: an empty kernel":                             conv1(at(1, 4, 2), at(3, 0, 2), graph.ConvOptions{}),
		"Conv1d: x has 0 channels":                                                 conv1(at(1, 4, 0), at(3, 2, 0), graph.ConvOptions{}),
		"ConvGeneral: x has shape [1 2 2 2 2 1], want [N, 1 to 3 spatial axes, C]": func() { graph.ConvGeneral(at(1, 2, 2, 2, 2, 1), at(1, 2, 2, 2, 2, 1), graph.ConvGeneralOptions{}) },
		"ConvTranspose1d: axis 1 of x [2 5 4] is -5 with padding": func() {
			graph.ConvTranspose1d(at(2, 5, 4), at(6, 3, 4), graph.ConvOptions{Stride: []int{2}, Padding: []int{9}})
		},
		"Convolve: operands have shapes [0] and [3], want two vectors with elements": func() { graph.Convolve(at(0), at(3), graph.ConvolveFull) },
	} {
		require.ErrorContains(t, graph.Catch(fn), msg)
	}
}
