package nn_test

import (
	"compress/gzip"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/stretchr/testify/require"
)

// typed is an array in testdata with its dtype.
type typed struct {
	Shape  []int
	DType  string
	Values []float64
}

func (v *typed) array() *graph.Array {
	if v == nil {
		return nil
	}
	if v.DType == "uint32" { // beyond what float32 holds
		words := make([]uint32, len(v.Values))
		for i, w := range v.Values {
			words[i] = uint32(w)
		}
		return graph.FromSlice(words, v.Shape...)
	}
	return graph.AsType(graph.FromSlice(v.float32s(), v.Shape...), map[string]metal.DType{"float32": metal.Float32, "bfloat16": metal.BFloat16, "uint8": metal.Uint8}[v.DType])
}

func (v *typed) float32s() []float32 {
	out := make([]float32, len(v.Values))
	for i, f := range v.Values {
		out[i] = float32(f)
	}
	return out
}

// equal wants the same dtype, shape and bits.
func (v *typed) equal(t *testing.T, got *graph.Array, what string) {
	t.Helper()
	if v == nil {
		require.Nil(t, got, what)
		return
	}
	require.Equal(t, v.DType, got.DType().String(), what)
	require.Equal(t, v.Shape, got.Shape(), what)
	require.Equal(t, floats(t, v.array()), floats(t, got), what)
}

// near wants the same dtype and shape, and values within eps of the largest.
func (v *typed) near(t *testing.T, got *graph.Array, what string) {
	t.Helper()
	require.Equal(t, v.DType, got.DType().String(), what)
	require.Equal(t, v.Shape, got.Shape(), what)
	eps := map[string]float64{"float32": 3e-6, "bfloat16": 1.0 / 128}[v.DType]
	most := 1.0
	for _, w := range v.Values {
		most = max(most, w, -w)
	}
	require.InDeltaSlice(t, v.Values, floats(t, got), eps*most, what)
}

// packedCase is a quantised matrix and what its layer returned:
// tools/golden/quantized.py.
type packedCase struct{ Weight, Scales, Biases, Output, Grad, AsLinear, Training, Unpacked *typed }

func (c *packedCase) UnmarshalJSON(b []byte) error {
	m := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	for name, p := range map[string]**typed{"weight": &c.Weight, "scales": &c.Scales, "biases": &c.Biases, "output": &c.Output, "grad": &c.Grad,
		"as_linear": &c.AsLinear, "training": &c.Training, "unpacked": &c.Unpacked} {
		if raw := m[name]; raw != nil {
			if err := json.Unmarshal(raw, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// arrays are the parameters by MLX's names.
func (c *packedCase) arrays() nn.Arrays {
	all := nn.Arrays{"weight": c.Weight.array(), "scales": c.Scales.array(), "biases": c.Biases.array()}
	maps.DeleteFunc(all, func(_ string, a *graph.Array) bool { return a == nil })
	return all
}

type quantizedCase struct {
	Mode        graph.QuantMode
	Bits, Group int
	Linear      *packedCase
	Embedding   *packedCase
	QQ          *packedCase
}

func quantizedCases(t *testing.T) map[string]quantizedCase {
	t.Helper()
	f, err := os.Open("testdata/quantized.json.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var cases map[string]quantizedCase
	require.NoError(t, json.NewDecoder(z).Decode(&cases))
	return cases
}

// wave is the array of that name in layers.py.
func wave(step, scale float64, shape ...int) *graph.Array {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return graph.Reshape(graph.Multiply(graph.Sin(graph.Multiply(graph.Arange(0, float64(n), 1, metal.Float32), step)), scale), shape...)
}

// Layers made of floats hold MLX's bits, and layers with MLX's bits give its
// values and gradients. The mx modes' scales are compared through graph's golden
// values: PyPI's MLX rounds them otherwise.
func TestQuantizedLayersFollowMLX(t *testing.T) {
	x := wave(0.11, 1.5, 3, 128)
	for name, c := range quantizedCases(t) {
		if name == "drawn" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			q := graph.Quantization{Mode: c.Mode, Bits: c.Bits, GroupSize: c.Group}
			bits := c.Mode == graph.QuantAffine || c.Mode == graph.QuantNVFP4
			dense := &nn.Linear{Weight: nn.ParamOf(wave(0.37, 0.8, 6, 128)), Bias: nn.ParamOf(wave(1.1, 1.5, 6))}
			table := &nn.Embedding{Weight: nn.ParamOf(graph.AsType(wave(0.37, 0.8, 5, 128), metal.BFloat16))}
			l, e := dense, table
			l.Quantize(q)
			e.Quantize(q)
			require.Equal(t, []string{"bias"}, nn.TrainableParameters(l).Names())
			require.Empty(t, nn.TrainableParameters(e))
			for _, held := range []struct {
				layer any
				want  *packedCase
			}{{l, c.Linear}, {e, c.Embedding}} {
				if got := nn.Parameters(held.layer); bits {
					held.want.Weight.equal(t, got["weight"], "weight")
					held.want.Scales.equal(t, got["scales"], "scales")
					held.want.Biases.equal(t, got["biases"], "biases")
				}
				require.NoError(t, nn.SetWeights(held.layer, held.want.arrays(), false))
			}
			c.Linear.Output.near(t, l.Forward(x), "linear")
			cot := graph.Reshape(graph.Cos(graph.Multiply(graph.Arange(0, 18, 1, metal.Float32), 0.3)), 3, 6)
			_, grads := graph.VJP(func(in []*graph.Array) []*graph.Array { return []*graph.Array{l.Forward(in[0])} }, []*graph.Array{x}, []*graph.Array{cot})
			c.Linear.Grad.near(t, grads[0], "gradient")
			c.Embedding.Output.equal(t, e.Forward(graph.FromSlice([]int32{4, 0, 2, 4}, 2, 2)), "embedding")
			c.Embedding.AsLinear.near(t, e.AsLinear(x), "as_linear")
		})
	}
}

func TestQQLinearFollowsMLX(t *testing.T) {
	x := wave(0.11, 1.5, 3, 128)
	c := quantizedCases(t)["nvfp4 4 16"]
	l := nn.QQLinearOf(&nn.Linear{Weight: nn.ParamOf(wave(0.37, 0.8, 6, 128))}, graph.Quantization{})
	require.Equal(t, []string{"weight"}, nn.TrainableParameters(l).Names())
	c.QQ.Training.near(t, l.Forward(x), "training")
	_, grads := nn.ValueAndGrad(l, func(in ...*graph.Array) *graph.Array { return graph.Sum(l.Forward(in[0]), nil, false) })(x)
	require.Equal(t, []int{6, 128}, grads["weight"].Shape())

	nn.SetTraining(l, false)
	require.Empty(t, nn.TrainableParameters(l))
	c.QQ.Weight.equal(t, nn.Parameters(l)["weight"], "weight")
	c.QQ.Scales.equal(t, nn.Parameters(l)["scales"], "scales")
	c.QQ.Training.near(t, l.Forward(x), "evaluating")
	nn.SetTraining(l, false)
	nn.SetTraining(l, true)
	require.Equal(t, []string{"weight"}, nn.Parameters(l).Names())
	c.QQ.Unpacked.equal(t, l.Weight.Array, "unpacked")
}

// Init draws a quantised layer's floats as MLX does.
func TestInitOfQuantizedLayers(t *testing.T) {
	c := quantizedCases(t)["drawn"]
	q := graph.Quantization{GroupSize: 32}
	m := &struct {
		L *nn.Linear
		E *nn.Embedding
	}{nn.NewQuantizedLinear(64, 3, true, q), nn.NewQuantizedEmbedding(3, 64, q)}
	require.NoError(t, nn.Init(ctx, m, 11))
	require.Empty(t, nn.TrainableParameters(m))
	got := nn.Parameters(m)
	c.Linear.Weight.equal(t, got["l.weight"], "weight")
	c.Linear.Scales.near(t, got["l.scales"], "scales")
	c.Linear.Biases.near(t, got["l.biases"], "biases")
	require.Equal(t, []float64{0, 0, 0}, floats(t, got["l.bias"]))
	c.Embedding.Weight.equal(t, got["e.weight"], "table")
	require.Equal(t, []int{2, 3}, m.L.Forward(graph.Ones([]int{2, 64}, metal.Float32)).Shape())
}

type tower struct {
	Embed  nn.Layer
	Layers []nn.Layer
	Norm   *nn.RMSNorm
}

func newTower(t *testing.T) *tower {
	m := &tower{Embed: nn.NewEmbedding(10, 64), Layers: []nn.Layer{nn.NewLinear(64, 64, true), nn.NewLinear(64, 48, true)}, Norm: nn.NewRMSNorm(48, 1e-5)}
	require.NoError(t, nn.Init(ctx, m, 1))
	return m
}

func (m *tower) Forward(ids *graph.Array) *graph.Array {
	x := m.Embed.Forward(ids)
	for _, l := range m.Layers {
		x = l.Forward(x)
	}
	return m.Norm.Forward(x)
}

func TestQuantize(t *testing.T) {
	m := newTower(t)
	ids := graph.FromSlice([]int32{3, 9}, 2)
	before := floats(t, m.Forward(ids))
	nn.Quantize(m, nn.QuantizeOptions{
		Quantization: graph.Quantization{Bits: 8},
		Choose: func(name string, _ nn.Quantizable, opt nn.QuantizeOptions) (nn.QuantizeOptions, bool) {
			if name == "layers.0" {
				opt.GroupSize = 32
			}
			return opt, name != "layers.1"
		},
	})
	require.NoError(t, tree.Eval(ctx, m))
	require.Equal(t, []string{"embed.biases", "embed.scales", "embed.weight", "layers.0.bias", "layers.0.biases", "layers.0.scales", "layers.0.weight",
		"layers.1.bias", "layers.1.weight", "norm.weight"}, nn.Parameters(m).Names())
	require.Equal(t, 32, m.Layers[0].(*nn.Linear).Packed.As.GroupSize)
	require.Equal(t, 64, m.Embed.(*nn.Embedding).Packed.As.GroupSize)
	require.InDeltaSlice(t, before, floats(t, m.Forward(ids)), 0.03)

	// Files hold MLX's names and dtypes and go round.
	for _, file := range []string{"w.safetensors", "w.npz"} {
		path := filepath.Join(t.TempDir(), file)
		require.NoError(t, nn.SaveWeights(ctx, m, path))
		saved, err := weights.Load(path)
		require.NoError(t, err)
		require.Equal(t, metal.Uint32, saved["layers.0.weight"].DType())
		other := newTower(t)
		nn.Quantize(other, nn.QuantizeOptions{Quantization: graph.Quantization{Bits: 8}, Choose: func(name string, _ nn.Quantizable, opt nn.QuantizeOptions) (nn.QuantizeOptions, bool) {
			if name == "layers.0" {
				opt.GroupSize = 32
			}
			return opt, name != "layers.1"
		}})
		nn.Apply(other, graph.ZerosLike)
		require.NoError(t, nn.LoadWeights(other, path, true))
		require.Equal(t, floats(t, m.Forward(ids)), floats(t, other.Forward(ids)))
	}
	nn.SetDType(m, metal.BFloat16) // scales and biases follow, and so do rows
	require.Equal(t, metal.BFloat16, m.Embed.Forward(ids).DType())
	require.Equal(t, metal.BFloat16, m.Forward(ids).DType())
	require.ErrorContains(t, nn.SetWeights(m, nn.Parameters(newTower(t)), false), "2 parameters do not fit: embed.weight has shape [10 64], want [10 16]")
}

func TestQuantizeMistakes(t *testing.T) {
	input := nn.QuantizeOptions{Quantization: graph.Quantization{Mode: graph.QuantNVFP4}, Input: true}
	odd := func() *tower {
		return &tower{Embed: nn.NewEmbedding(3, 64), Layers: []nn.Layer{nn.NewLinear(48, 2, true)}}
	}
	for want, fn := range map[string]func(){
		`nn.Quantize: layer "layers.0": nn.QuantizedLinear: rows of 48 elements, want a multiple of the group size 64`: func() { nn.Quantize(odd(), nn.QuantizeOptions{}) },
		`nn.Quantize: bits are 7, affine has [2 3 4 5 6 8]`:                                                            func() { nn.Quantize(odd(), nn.QuantizeOptions{Quantization: graph.Quantization{Bits: 7}}) },
		`the place of "l" cannot hold a *nn.QQLinear`: func() {
			nn.Quantize(&struct{ L *nn.Linear }{nn.NewLinear(64, 2, false)}, input)
		},
		`layer "embed": nn.QQLinear: the input of a *nn.Embedding cannot be quantised`: func() { nn.Quantize(odd(), input) },
		`nn.QuantizedLinear: the weight is quantised already`:                          func() { nn.NewQuantizedLinear(64, 2, true, graph.Quantization{}).Quantize(graph.Quantization{}) },
		`nn.QQLinear: mode is "affine", want nvfp4 or mxfp8`:                           func() { nn.NewQQLinear(64, 2, graph.Quantization{Mode: graph.QuantAffine}) },
		`nn.QQLinear: the layer has a bias or a LoRA`:                                  func() { nn.QQLinearOf(nn.NewLinear(64, 2, true), graph.Quantization{}) },
		`nn.QuantizedEmbedding: rows of 20 elements, want a multiple`:                  func() { nn.NewQuantizedEmbedding(2, 20, graph.Quantization{}) },
	} {
		err := graph.Catch(fn)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "(nn/quantized_test.go:", want)
	}
}
