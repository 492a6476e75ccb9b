package nn_test

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/stretchr/testify/require"
)

// values is an array in testdata.
type values struct {
	Shape  []int
	Values []float32
}

func (v *values) array() *graph.Array {
	if v == nil {
		return nil
	}
	return graph.FromSlice(v.Values, append([]int{}, v.Shape...)...)
}

// layerCase is what a layer of mlx.nn returned: tools/golden/layers.py.
type layerCase struct {
	Inputs, Outputs []*values
	Grad            *values // of Σ output·cotangent in the first input
}

// layerSeed is the seed that layers.py set before it made a layer.
const layerSeed = 11

type forward = func(in []*graph.Array) []*graph.Array

// of is the test of a layer of one input and one output.
func of(l nn.Layer) (any, forward) {
	return l, func(in []*graph.Array) []*graph.Array { return []*graph.Array{l.Forward(in[0])} }
}

// ofBatchNorm also returns the running statistics.
func ofBatchNorm(l *nn.BatchNorm, training bool) (any, forward) {
	return l, func(in []*graph.Array) []*graph.Array {
		l.SetTraining(training)
		y := l.Forward(in[0])
		if !training {
			return []*graph.Array{y}
		}
		return []*graph.Array{y, l.RunningMean.Array, l.RunningVar.Array}
	}
}

// without takes the bias of a convolution away.
func without(l *nn.Conv1d) *nn.Conv1d {
	l.Bias = nil
	return l
}

var (
	stride2 = graph.ConvOptions{Stride: []int{2}, Padding: []int{1}}
	spread2 = graph.ConvOptions{Stride: []int{2}, Padding: []int{1}, OutputPadding: []int{1}}
	torch   = func() *nn.GroupNorm {
		l := nn.NewGroupNorm(2, 4, 1e-5)
		l.PyTorchCompatible = true
		return l
	}
	window = nn.Pool{Kernel: []int{3}, Stride: []int{2}, Padding: []int{1}}
)

func upsampled(mode nn.UpsampleMode, scale ...float64) *nn.Upsample {
	return &nn.Upsample{Mode: mode, Scale: scale}
}

// layersByCase makes the layer of each case.
var layersByCase = map[string]func() (any, forward){
	"upsample nearest up":   func() (any, forward) { return of(upsampled(nn.UpsampleNearest, 2)) },
	"upsample nearest odd":  func() (any, forward) { return of(upsampled(nn.UpsampleNearest, 1.5, 2.3)) },
	"upsample nearest down": func() (any, forward) { return of(upsampled(nn.UpsampleNearest, 0.5, 0.4)) },
	"upsample linear up":    func() (any, forward) { return of(upsampled(nn.UpsampleLinear, 2)) },
	"upsample linear odd":   func() (any, forward) { return of(upsampled(nn.UpsampleLinear, 1.5, 2.3)) },
	"upsample linear down":  func() (any, forward) { return of(upsampled(nn.UpsampleLinear, 0.5, 0.4)) },
	"upsample linear corners": func() (any, forward) {
		return of(&nn.Upsample{Mode: nn.UpsampleLinear, Scale: []float64{2, 0.6}, AlignCorners: true})
	},
	"upsample linear smooth": func() (any, forward) {
		return of(&nn.Upsample{Mode: nn.UpsampleLinear, Scale: []float64{0.5, 1.4}, AntiAlias: true})
	},
	"upsample cubic up":   func() (any, forward) { return of(upsampled(nn.UpsampleCubic, 2)) },
	"upsample cubic odd":  func() (any, forward) { return of(upsampled(nn.UpsampleCubic, 1.5, 2.3)) },
	"upsample cubic down": func() (any, forward) { return of(upsampled(nn.UpsampleCubic, 0.5, 0.4)) },
	"upsample cubic corners": func() (any, forward) {
		return of(&nn.Upsample{Mode: nn.UpsampleCubic, Scale: []float64{2, 0.6}, AlignCorners: true})
	},
	"upsample cubic smooth": func() (any, forward) {
		return of(&nn.Upsample{Mode: nn.UpsampleCubic, Scale: []float64{0.5, 1.4}, AntiAlias: true})
	},
	"upsample line":   func() (any, forward) { return of(upsampled(nn.UpsampleLinear, 3)) },
	"upsample volume": func() (any, forward) { return of(upsampled(nn.UpsampleCubic, 2, 1, 0.5)) },

	"batch norm":           func() (any, forward) { return ofBatchNorm(nn.NewBatchNorm(3, 1e-5, 0.1), true) },
	"batch norm evaluated": func() (any, forward) { return ofBatchNorm(nn.NewBatchNorm(3, 1e-5, 0.1), false) },
	"batch norm rows":      func() (any, forward) { return ofBatchNorm(nn.NewBatchNorm(6, 1e-3, 0.3), true) },
	"instance norm":        func() (any, forward) { return of(nn.NewInstanceNorm(3, 1e-5, true)) },
	"group norm":           func() (any, forward) { return of(nn.NewGroupNorm(2, 4, 1e-5)) },
	"group norm torch":     func() (any, forward) { return of(torch()) },

	"max pool": func() (any, forward) { return of(nn.MaxPool2d{Pool: window}) },
	"max pool sizes": func() (any, forward) {
		return of(nn.MaxPool2d{Pool: nn.Pool{Kernel: []int{2, 3}, Stride: []int{2, 1}}})
	},
	"avg pool":        func() (any, forward) { return of(nn.AvgPool2d{Pool: window}) },
	"avg pool line":   func() (any, forward) { return of(nn.AvgPool1d{Pool: nn.Pool{Kernel: []int{2}, Stride: []int{1}}}) },
	"max pool volume": func() (any, forward) { return of(nn.MaxPool3d{Pool: nn.Pool{Kernel: []int{2}, Stride: []int{1}}}) },
	"avg pool volume": func() (any, forward) { return of(nn.AvgPool3d{Pool: nn.Pool{Kernel: []int{2}}}) },

	"dropout":    func() (any, forward) { return of(nn.NewDropout(0.3)) },
	"dropout 2d": func() (any, forward) { return of(nn.NewDropout2d(0.5)) },
	"dropout 3d": func() (any, forward) { return of(nn.NewDropout3d(0.5)) },

	"bilinear": func() (any, forward) {
		l := nn.NewBilinear(3, 2, 4, true)
		return l, func(in []*graph.Array) []*graph.Array { return []*graph.Array{l.Forward(in[0], in[1])} }
	},
	"conv": func() (any, forward) { return of(nn.NewConv2d(3, 4, [2]int{2, 3}, stride2)) },
	"conv groups": func() (any, forward) {
		return of(without(nn.NewConv1d(4, 6, 3, graph.ConvOptions{Dilation: []int{2}, Groups: 2})))
	},
	"conv volume":    func() (any, forward) { return of(nn.NewConv3d(2, 3, [3]int{2, 2, 2}, graph.ConvOptions{})) },
	"conv transpose": func() (any, forward) { return of(nn.NewConvTranspose2d(3, 2, [2]int{3, 3}, spread2)) },
	"conv transpose line": func() (any, forward) {
		return of(nn.NewConvTranspose1d(2, 3, 2, graph.ConvOptions{Dilation: []int{2}}))
	},
	"conv transpose volume": func() (any, forward) { return of(nn.NewConvTranspose3d(2, 1, [3]int{1, 2, 2}, graph.ConvOptions{})) },

	"alibi": func() (any, forward) {
		return nn.ALiBi{}, func(in []*graph.Array) []*graph.Array { return []*graph.Array{nn.ALiBi{}.Forward(in[0], 3, nil)} }
	},
	"attention": func() (any, forward) {
		l := nn.NewMultiHeadAttention(nn.AttentionOptions{Dims: 8, Heads: 2, KeyInputDims: 6, ValueDims: 4, ValueOutputDims: 5, Bias: true})
		return l, func(in []*graph.Array) []*graph.Array { return []*graph.Array{l.Forward(in[0], in[1], in[2], nil)} }
	},
	"encoder": func() (any, forward) {
		l := nn.NewTransformerEncoder(nn.TransformerOptions{Layers: 2, Dims: 8, Heads: 2, MLPDims: 12, Checkpoint: true})
		return l, func(in []*graph.Array) []*graph.Array { return []*graph.Array{l.Forward(in[0], in[1])} }
	},
	"encoder dropout": func() (any, forward) {
		l := nn.NewTransformerEncoder(nn.TransformerOptions{Layers: 1, Dims: 8, Heads: 2, Dropout: 0.2, NormLast: true, Activation: nn.GELU{}})
		return l, func(in []*graph.Array) []*graph.Array { return []*graph.Array{l.Forward(in[0], in[1])} }
	},
	"decoder": func() (any, forward) {
		l := nn.NewTransformerDecoder(nn.TransformerOptions{Layers: 1, Dims: 8, Heads: 4, NormLast: true, Checkpoint: true})
		return l, func(in []*graph.Array) []*graph.Array { return []*graph.Array{l.Forward(in[0], in[1], in[2], in[3])} }
	},
	"transformer": func() (any, forward) {
		l := nn.NewTransformer(nn.TransformerOptions{Layers: 1, Dims: 8, Heads: 2, MLPDims: 16})
		return l, func(in []*graph.Array) []*graph.Array {
			return []*graph.Array{l.Forward(in[0], in[1], in[2], in[3], in[4])}
		}
	},
}

func near(t *testing.T, want *values, got *graph.Array) {
	t.Helper()
	require.Equal(t, want.Shape, append([]int{}, got.Shape()...))
	require.Equal(t, metal.Float32, got.DType())
	have := floats(t, got)
	for i, w := range want.Values {
		require.InDelta(t, w, have[i], 1e-5*max(1, float64(max(w, -w))), "element %d", i)
	}
}

// Layers with the parameters that follow from the seed give MLX's values and
// gradients.
func TestLayersFollowMLX(t *testing.T) {
	f, err := os.Open("testdata/layers.json.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var cases map[string]layerCase
	require.NoError(t, json.NewDecoder(z).Decode(&cases))
	require.Len(t, layersByCase, len(cases))
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, layersByCase, name)
			l, call := layersByCase[name]()
			require.NoError(t, nn.Init(ctx, l, layerSeed))
			var in []*graph.Array
			for _, v := range c.Inputs {
				in = append(in, v.array())
			}
			for i, out := range call(in) {
				near(t, c.Outputs[i], out)
			}
			if c.Grad == nil {
				return
			}
			cot := graph.Cos(graph.Multiply(graph.Arange(0, float64(len(c.Outputs[0].Values)), 1, metal.Float32), 0.3))
			_, grads := graph.VJP(func(x []*graph.Array) []*graph.Array {
				return call(append([]*graph.Array{x[0]}, in[1:]...))[:1]
			}, in[:1], []*graph.Array{graph.Reshape(cot, c.Outputs[0].Shape...)})
			near(t, c.Grad, grads[0])
		})
	}
}

// A recomputed layer drops what it dropped before, and counts a batch once.
func TestCheckpointRepeatsItself(t *testing.T) {
	m := nn.NewSequential(nn.NewLinear(4, 4, true), nn.NewDropout(0.5), nn.NewBatchNorm(4, 1e-5, 0.5))
	x := graph.Normal([]int{6, 4}, metal.Float32, 0.0, 1.0, graph.Key(1))
	gradients := func(checkpoint bool) (nn.Arrays, []float64) {
		require.NoError(t, nn.Init(ctx, m, 3))
		run := func(in []*graph.Array) []*graph.Array { return []*graph.Array{m.Forward(in[0])} }
		if checkpoint {
			run = nn.Checkpoint(m, run)
		}
		_, grads := nn.ValueAndGrad(m, func(in ...*graph.Array) *graph.Array {
			return graph.Sum(graph.Power(run(in)[0], 3), nil, false)
		})(x)
		for _, g := range grads {
			floats(t, g)
		}
		return grads, floats(t, m.Layers[2].(*nn.BatchNorm).RunningMean.Array)
	}
	want, mean := gradients(false)
	got, again := gradients(true)
	for name := range want {
		require.InDeltaSlice(t, floats(t, want[name]), floats(t, got[name]), 1e-5, name)
	}
	require.Equal(t, mean, again)
}

func TestLayerMistakes(t *testing.T) {
	x := graph.Ones([]int{2, 3, 4}, metal.Float32)
	for want, fn := range map[string]func(){
		"nn.GroupNorm: 3 groups do not divide 4 channels":                      func() { nn.NewGroupNorm(3, 4, 1e-5) },
		"nn.Dropout: probability 1, want [0, 1)":                               func() { nn.NewDropout(1) },
		"nn.Dropout: the layer has no random keys":                             func() { nn.NewDropout(0.5).Forward(x) },
		"nn.Conv1d: 4 input channels, want a positive multiple of the 3 group": func() { nn.NewConv1d(4, 3, 2, graph.ConvOptions{Groups: 3}) },
		"nn.MaxPool2d: input is float32[2 3 4], want [N, 2 spatial axes, C]":   func() { nn.MaxPool2d{Pool: window}.Forward(x) },
		"nn.AvgPool1d: Kernel has 2 values for 1 spatial axes":                 func() { nn.AvgPool1d{Pool: nn.Pool{Kernel: []int{1, 2}}}.Forward(x) },
		"nn.AvgPool1d: input is float32[2 3 4] with padding, smaller":          func() { nn.AvgPool1d{Pool: nn.Pool{Kernel: []int{4}}}.Forward(x) },
		"nn.BatchNorm: input is float32[2 3 4], want 2 to 4 axes, the last of": func() { nn.NewBatchNorm(5, 1e-5, 0.1).Forward(x) },
		"nn.Upsample: scale 0.1 of 3 elements, want a positive result":         func() { upsampled(nn.UpsampleLinear, 0.1).Forward(x) },
		"nn.MultiHeadAttention: 8 features for 3 heads, want a multiple":       func() { nn.NewMultiHeadAttention(nn.AttentionOptions{Dims: 8, Heads: 3}) },
	} {
		err := graph.Catch(fn)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "(nn/layers_test.go:", want)
	}
}
