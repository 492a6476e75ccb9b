package nn_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
	_ "github.com/ftmetal/ftmetal/metal/soft"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/nn/inits"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/stretchr/testify/require"
)

var ctx = context.Background()

func floats(t *testing.T, a *graph.Array) []float64 {
	t.Helper()
	v, err := graph.Floats(ctx, a)
	require.NoError(t, err)
	return v
}

type mlp struct {
	Layers []*nn.Linear
	Heads  map[string]nn.Layer
	Norm   *nn.BatchNorm
	Absent *nn.Linear
	Drop   *nn.Dropout
}

func newMLP(t *testing.T) *mlp {
	tied := nn.NewLinear(4, 2, false)
	m := &mlp{Layers: []*nn.Linear{nn.NewLinear(3, 4, true), tied}, Heads: map[string]nn.Layer{"b": tied, "a": nn.NewLinear(2, 1, true)},
		Norm: nn.NewBatchNorm(4, 1e-5, 0.1), Drop: nn.NewDropout(0.5)}
	require.NoError(t, nn.Init(ctx, m, 0))
	return m
}

func (m *mlp) Forward(x *graph.Array) *graph.Array {
	return m.Heads["a"].Forward(m.Layers[1].Forward(m.Norm.Forward(graph.Tanh(m.Layers[0].Forward(x)))))
}

func TestParameterNames(t *testing.T) {
	m := newMLP(t)
	all := []string{"heads.a.bias", "heads.a.weight", "layers.0.bias", "layers.0.weight", "layers.1.weight", "norm.bias",
		"norm.running_mean", "norm.running_var", "norm.weight"}
	trained := []string{"heads.a.bias", "heads.a.weight", "layers.0.bias", "layers.0.weight", "layers.1.weight", "norm.bias", "norm.weight"}
	require.Equal(t, all, nn.Parameters(m).Names())
	require.Equal(t, trained, nn.TrainableParameters(m).Names())

	require.Equal(t, 9, nn.Freeze(m))
	require.Empty(t, nn.TrainableParameters(m))
	require.Equal(t, 3, nn.Unfreeze(m, "bias"))
	require.Equal(t, []string{"heads.a.bias", "layers.0.bias", "norm.bias"}, nn.TrainableParameters(m).Names())
	require.Equal(t, 2, nn.Unfreeze(m.Layers[0]))
	require.Equal(t, 0, nn.Freeze(m, "wieght"))
	nn.Unfreeze(m)
	require.Equal(t, trained, nn.TrainableParameters(m).Names(), "buffers never train")
}

func TestModules(t *testing.T) {
	m := newMLP(t)
	names := func(parts []tree.Part) (all []string) {
		for _, p := range parts {
			all = append(all, p.Name)
		}
		return all
	}
	require.Equal(t, []string{"", "layers.0", "layers.1", "heads.a", "norm", "drop"}, names(nn.NamedModules(m)))
	require.Equal(t, []string{"layers.0", "layers.1", "heads.a", "norm", "drop"}, names(nn.LeafModules(m)))

	other := nn.NewSequential(nn.Identity{})
	nn.ReplaceModules(m, func(p tree.Part) any {
		if p.Name == "heads.a" {
			return other
		}
		return nil
	})
	require.Same(t, other, m.Heads["a"])
	err := graph.Catch(func() { nn.ReplaceModules(m, func(p tree.Part) any { return map[string]any{"norm": other}[p.Name] }) })
	require.ErrorContains(t, err, `the place of "norm" cannot hold a *nn.Sequential`)
}

func TestUpdateChecks(t *testing.T) {
	m := newMLP(t)
	fresh := graph.Ones([]int{4, 3}, metal.Float32)
	nn.Update(m, nn.Arrays{"layers.0.weight": fresh})
	require.Same(t, fresh, m.Layers[0].Weight.Array)
	err := graph.Catch(func() { nn.Update(m, nn.Arrays{"layers.0.scale": fresh}) })
	require.ErrorContains(t, err, `the module has no parameter "layers.0.scale"`)
	require.ErrorContains(t, err, "nn/module_test.go:", "the caller's line")
	err = graph.Catch(func() { nn.Update(m, nn.Arrays{"layers.0.bias": fresh}) })
	require.ErrorContains(t, err, `parameter "layers.0.bias" has shape [4], the new value is float32[4 3]`)
	nn.SetDType(m, metal.BFloat16)
	require.Equal(t, metal.BFloat16, m.Layers[0].Weight.Array.DType())
}

// Central differences of every trainable parameter.
func TestValueAndGrad(t *testing.T) {
	m := newMLP(t)
	nn.SetTraining(m, false)
	nn.Freeze(m.Layers[0], "bias")
	x := graph.FromSlice([]float32{0.5, -1, 2, 1, 0.25, -0.75}, 2, 3)
	loss := func(in ...*graph.Array) *graph.Array { return graph.Sum(graph.Square(m.Forward(in[0])), nil, false) }
	value, grads := nn.ValueAndGrad(m, loss)(x)
	require.InDelta(t, floats(t, loss(x))[0], floats(t, value)[0], 1e-6)
	require.Equal(t, nn.TrainableParameters(m).Names(), grads.Names())
	require.NotContains(t, grads, "layers.0.bias")
	for _, p := range nn.Params(m) {
		g := grads[p.Name]
		if g == nil {
			continue
		}
		held, values := p.Array, floats(t, p.Array)
		for i := range values {
			at := func(h float64) float64 {
				moved := make([]float32, len(values))
				for k, v := range values {
					moved[k] = float32(v)
				}
				moved[i] += float32(h)
				p.Array = graph.FromSlice(moved, p.Shape...)
				return floats(t, loss(x))[0]
			}
			slope := (at(1e-2) - at(-1e-2)) / 2e-2
			require.InDelta(t, slope, floats(t, g)[i], 2e-3, "%s[%d]", p.Name, i)
		}
		p.Array = held
	}
	checkpointed := nn.Checkpoint(m, func(in []*graph.Array) []*graph.Array { return []*graph.Array{loss(in...)} })
	_, again := nn.ValueAndGrad(m, func(in ...*graph.Array) *graph.Array { return checkpointed(in)[0] })(x)
	for name, g := range grads {
		require.Equal(t, floats(t, g), floats(t, again[name]), name)
	}
}

func TestWeightsGoRound(t *testing.T) {
	for _, file := range []string{"w.safetensors", "w.npz"} {
		t.Run(file, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), file)
			m, other := newMLP(t), newMLP(t)
			require.NoError(t, nn.Init(ctx, other, 1))
			require.NoError(t, nn.SaveWeights(ctx, m, path))
			require.NoError(t, nn.LoadWeights(other, path, true))
			want, got := nn.Parameters(m), nn.Parameters(other)
			require.Equal(t, want.Names(), got.Names())
			for name := range want {
				require.Equal(t, floats(t, want[name]), floats(t, got[name]), name)
			}
		})
	}
}

func TestLoadWeightsErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.npz")
	m := newMLP(t)
	arrays := nn.Parameters(m)
	delete(arrays, "norm.bias")
	arrays["extra"] = graph.Ones([]int{1}, metal.Float32)
	require.NoError(t, weights.Save(ctx, path, arrays))
	held := m.Layers[0].Weight.Array
	require.EqualError(t, nn.LoadWeights(m, path, true), path+": 1 parameters are not in the module: extra; 1 parameters of the module are missing: norm.bias")
	require.Same(t, held, m.Layers[0].Weight.Array, "nothing was changed")
	require.NoError(t, nn.LoadWeights(m, path, false))
	require.NotSame(t, held, m.Layers[0].Weight.Array)

	arrays["layers.0.bias"] = graph.Ones([]int{5}, metal.Float32)
	require.NoError(t, weights.Save(ctx, path, arrays))
	require.EqualError(t, nn.LoadWeights(m, path, false), path+": 1 parameters do not fit: layers.0.bias has shape [5], want [4]")

	require.ErrorContains(t, nn.LoadWeights(m, filepath.Join(t.TempDir(), "none.npz"), true), "no such file")
	require.ErrorContains(t, nn.SaveWeights(ctx, m, filepath.Join(t.TempDir(), "w.bin")), "want .safetensors or .npz")
	require.NoError(t, os.WriteFile(path, []byte("PK"), 0o644))
	require.ErrorContains(t, nn.LoadWeights(m, path, true), path+": not a zip archive")
}

// MLX's values after mx.random.seed(7): nn.Linear(3, 2), nn.Embedding(2, 3) and
// a mask of nn.Dropout(0.5).
func TestInitDrawsMLXsNumbers(t *testing.T) {
	m := &struct {
		L *nn.Linear
		E *nn.Embedding
		D *nn.Dropout
	}{nn.NewLinear(3, 2, true), nn.NewEmbedding(2, 3), nn.NewDropout(0.5)}
	require.NoError(t, nn.Init(ctx, m, 7))
	require.InDeltaSlice(t, []float64{0.14001107215881348, -0.2655473053455353, 0.37597203254699707, 0.35946834087371826, -0.10616102814674377, -0.3541716933250427},
		floats(t, m.L.Weight.Array), 1e-7)
	require.InDeltaSlice(t, []float64{0.3479040265083313, -0.36438924074172974}, floats(t, m.L.Bias.Array), 1e-7)
	require.InDeltaSlice(t, []float64{-1.1689757108688354, 0.9779869318008423, 0.0229965653270483, -1.3648476600646973, -0.7401125431060791, -0.10163989663124084},
		floats(t, m.E.Weight.Array), 1e-6)
	require.Equal(t, []float64{2, 2, 2, 2, 0, 0, 2, 2}, floats(t, m.D.Forward(graph.Ones([]int{8}, metal.Float32))))
}

// MLX's values after mx.random.seed(3), drawn one after the other.
func TestInitializers(t *testing.T) {
	keys := graph.NewKeySequence(3)
	for _, c := range []struct {
		name  string
		init  inits.Initializer
		shape []int
		want  []float64
	}{
		{"glorot_normal", inits.GlorotNormal(1, metal.Float32), []int{2, 3}, []float64{0.7882646918296814, -0.3619178235530853, -0.9383773803710938, 0.0868837833404541, -0.8725170493125916, 0.20158623158931732}},
		{"glorot_uniform", inits.GlorotUniform(1, metal.Float32), []int{2, 3}, []float64{0.28775250911712646, -0.5015344023704529, -0.9878808259963989, 0.024915575981140137, 0.4849914312362671, -0.5536714792251587}},
		{"he_normal", inits.HeNormal(inits.FanIn, 1, metal.Float32), []int{2, 3}, []float64{-0.011984141543507576, 0.470475435256958, 0.09963706135749817, -0.04822103679180145, 0.26345789432525635, -1.057555079460144}},
		{"he_uniform", inits.HeUniform(inits.FanIn, 1, metal.Float32), []int{2, 3}, []float64{0.4603463411331177, 0.39219558238983154, -0.6005547642707825, -0.370503306388855, 0.3683508634567261, -0.09584873914718628}},
		{"sparse", inits.Sparse(0.5, 0, 1, metal.Float32), []int{2, 3}, []float64{0, 0.8102480173110962, 0, 0, 1.2239890098571777, 0}},
		{"orthogonal", inits.Orthogonal(1, metal.Float32), []int{2, 3}, []float64{0.0008362531661987305, -0.5968357920646667, 0.8023629188537598, -0.2557893693447113, -0.7757983803749084, -0.5768091082572937}},
		{"he_uniform fan_out", inits.HeUniform(inits.FanOut, 2, metal.Float32), []int{2, 3}, []float64{-1.743337631225586, 0.1547555923461914, 0.10835671424865723, -1.874998688697815, -2.0626018047332764, 1.6253139972686768}},
		{"orthogonal gain", inits.Orthogonal(2, metal.Float32), []int{3, 2}, []float64{0.30800771713256836, -1.811344027519226, -1.524573802947998, -0.726534366607666, 1.2573013305664062, -0.4372442364692688}},
		{"identity", inits.Identity(metal.Float16), []int{2, 2}, []float64{1, 0, 0, 1}},
		{"constant", inits.Constant(3, metal.Float32), []int{2}, []float64{3, 3}},
	} {
		a, err := c.init(ctx, c.shape, keys)
		require.NoError(t, err)
		require.InDeltaSlice(t, c.want, floats(t, a), 2e-6, c.name)
	}
	err := graph.Catch(func() { inits.Identity(metal.Float32)(ctx, []int{2, 3}, keys) })
	require.ErrorContains(t, err, "shape [2 3], want a square matrix")
}
