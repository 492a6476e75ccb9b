package graph_test

import (
	"context"
	"math"
	"math/cmplx"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/graphtest"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// Long transforms of every kind of length (one pass, two, a chirp): a few
// elements against the sum that defines them, and the way back.
func TestLongFourierTransforms(t *testing.T) {
	ctx := context.Background()
	for _, n := range []int{2048, 3001, 8192} {
		x := graphtest.Rand(uint64(n), -1, 1, 2, n)
		v, err := graph.Floats(ctx, x)
		require.NoError(t, err)
		half := graph.RFFT(x, 0, -1, graph.FFTBackward)
		got, err := graph.Read[complex64](ctx, half)
		require.NoError(t, err)
		for _, k := range []int{0, 1, 7, n / 3, n / 2} {
			var want complex128
			for j := range n {
				want += complex(v[n+j], 0) * cmplx.Exp(complex(0, -2*math.Pi*float64(j*k%n)/float64(n)))
			}
			require.InDelta(t, 0, cmplx.Abs(complex128(got[n/2+1+k])-want), 2e-6*math.Sqrt(float64(n))*10, "element %d of %d", k, n)
		}
		back, err := graph.Floats(ctx, graph.IRFFT(half, n, -1, graph.FFTBackward))
		require.NoError(t, err)
		require.InDeltaSlice(t, v, back, 2e-6)
	}
}

// The transform is linear: its push-forward is itself, and a map over slices is
// one call.
func TestFourierTransformsOfTransforms(t *testing.T) {
	ctx := context.Background()
	for _, n := range []int{8, 6} {
		x, dx := graphtest.Rand(1, -1, 1, 3, n), graphtest.Rand(2, -1, 1, 3, n)
		fn := func(in []*graph.Array) []*graph.Array {
			return []*graph.Array{graph.RFFT(in[0], 0, -1, graph.FFTOrtho)}
		}
		_, pushed := graph.JVP(fn, []*graph.Array{x}, []*graph.Array{dx})
		nearComplex(t, readComplex(t, fn([]*graph.Array{dx})[0]), pushed[0], "jvp")
		nearComplex(t, readComplex(t, fn([]*graph.Array{x})[0]), graph.VMap(fn, nil, nil)([]*graph.Array{x})[0], "vmap")
		energy := func(in []*graph.Array) *graph.Array {
			return graph.Sum(graph.Square(graph.Abs(graph.FFT(graph.Square(in[0]), 0, -1, graph.FFTOrtho))), nil, false)
		}
		second := graph.Grad(func(in []*graph.Array) *graph.Array {
			return graph.Sum(graph.Grad(energy)(in)[0], nil, false)
		})([]*graph.Array{x})
		v, err := graph.Floats(ctx, x) // Parseval: the energy is Σ x⁴
		require.NoError(t, err)
		got, err := graph.Floats(ctx, second[0])
		require.NoError(t, err)
		for i := range v {
			require.InDelta(t, 12*v[i]*v[i], got[i], 1e-5)
		}
	}
}

func readComplex(t *testing.T, a *graph.Array) []complex64 {
	v, err := graph.Read[complex64](context.Background(), a)
	require.NoError(t, err)
	return v
}

func TestFourierMistakes(t *testing.T) {
	x := graph.Ones([]int{2, 3}, metal.Float32)
	for msg, fn := range map[string]func(){
		`FFT: norm is "none", want "backward", "ortho" or "forward"`:            func() { graph.FFT(x, 0, -1, "none") },
		"RFFT: -1 elements along axis 1 of [2 3], want at least 1":              func() { graph.RFFT(x, -1, 1, graph.FFTOrtho) },
		"IRFFT: 0 elements along axis 0 of [1], want at least 1":                func() { graph.IRFFT(graph.FromSlice([]float32{3}), 0, 0, graph.FFTOrtho) },
		"IFFT: axis 2 is out of range for 2 axes":                               func() { graph.IFFT(x, 0, 2, graph.FFTOrtho) },
		"FFTN: there are sizes [4] without axes":                                func() { graph.FFTN(x, []int{4}, nil, graph.FFTOrtho) },
		"RFFTN: sizes [4] and axes [0 1] differ in number":                      func() { graph.RFFTN(x, []int{4}, []int{0, 1}, graph.FFTOrtho) },
		"IFFTN: axis 0 is repeated in [0 -2]":                                   func() { graph.IFFTN(x, nil, []int{0, -2}, graph.FFTOrtho) },
		"FFT2: axis -2 is out of range for 1 axes":                              func() { graph.FFT2(graph.Arange(0, 3, 1, metal.Float32), nil, nil, graph.FFTOrtho) },
		"IRFFT2: 0 elements along axis 1, want at least 1":                      func() { graph.IRFFT2(x, []int{2, 0}, []int{0, 1}, graph.FFTOrtho) },
		"FFT: 4194305 elements along axis 0, want at most 2097152 (4194304 for": func() { graph.FFT(graph.Ones([]int{1}, metal.Float32), 1<<22+1, 0, graph.FFTOrtho) },
		"FFTFreq: length is 0, want a positive number":                          func() { graph.FFTFreq(0, 1) },
		"RFFTFreq: the distance of the samples is 0":                            func() { graph.RFFTFreq(4, 0) },
		"FFTShift: axis 2 is out of range for 2 axes":                           func() { graph.FFTShift(x, []int{2}) },
	} {
		err := graph.Catch(fn)
		require.ErrorContains(t, err, msg)
		require.ErrorContains(t, err, "graph/fft_test.go:")
	}
}
