package optim_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	_ "github.com/ftmetal/ftmetal/metal/soft"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/train/optim"
	"github.com/stretchr/testify/require"
)

var ctx = context.Background()

func floats(t *testing.T, a *graph.Array) []float64 {
	t.Helper()
	v, err := graph.Floats(ctx, a)
	require.NoError(t, err)
	return v
}

type (
	values struct {
		Shape  []int
		DType  string
		Values []float64
	}
	namedValues map[string]values
)

// near wants MLX's values within eps of the largest of them.
func (want namedValues) near(t *testing.T, got map[string]*graph.Array, eps map[string]float64, when string) {
	t.Helper()
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), when)
	for name, w := range want {
		g := got[name]
		require.Equal(t, w.DType, g.DType().String(), "%s: %s", when, name)
		require.Equal(t, w.Shape, append([]int{}, g.Shape()...), "%s: %s", when, name)
		most := 1e-6
		for _, v := range w.Values {
			most = max(most, math.Abs(v))
		}
		require.InDeltaSlice(t, w.Values, floats(t, g), eps[w.DType]*most, "%s: %s", when, name)
	}
}

var (
	close1   = map[string]float64{"float32": 2e-6, "bfloat16": 1.0 / 256, "uint64": 0}
	summed   = map[string]float64{"float32": 2e-5, "bfloat16": 1.0 / 32, "uint64": 0} // sums and products of matrices in another order
	accuracy = map[string]map[string]float64{"muon": summed, "muon options": summed, "multi": summed, "adafactor": summed, "adafactor warmup": summed, "adafactor rate": summed}
)

// recorded is what tools/golden/optimizers.py wrote.
type recorded struct {
	Cases map[string]struct {
		Steps []namedValues
		State namedValues
	}
	At    []int
	Rates map[string][]float64
	Clips map[string]namedValues
}

func recording(t *testing.T) *recorded {
	t.Helper()
	f, err := os.Open("testdata/optimizers.json.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	r := &recorded{}
	require.NoError(t, json.NewDecoder(z).Decode(r))
	return r
}

func wave(step, scale float64, dt metal.DType, shape ...int) *graph.Array {
	n := 1
	for _, d := range shape {
		n *= d
	}
	a := graph.Multiply(graph.Sin(graph.Multiply(graph.Arange(0, float64(n), 1, metal.Float32), step)), scale)
	return graph.AsType(graph.Reshape(a, shape...), dt)
}

// block is a layer's parameters, or their gradients.
type block struct{ Weight, Bias, Filter *graph.Array }

type model struct{ Layers []*block }

func parameters(dt metal.DType) *model {
	return &model{[]*block{{wave(0.7, 1.5, dt, 4, 6), wave(1.7, 1.5, dt, 4), wave(2.7, 1.5, dt, 6, 2, 2)}}}
}

func gradients(t int, dt metal.DType) *model {
	step, scale := 0.3+0.11*float64(t), 0.5+0.2*float64(t)
	return &model{[]*block{{wave(step, scale, dt, 4, 6), wave(step+1, scale, dt, 4), wave(step+2, scale, dt, 6, 2, 2)}}}
}

// optimizer is what both kinds of optimizer do.
type optimizer interface {
	Init(params any)
	ApplyGradients(grads, params any) map[string]*graph.Array
	Update(params, grads any)
	State() map[string]*graph.Array
	SetState(map[string]*graph.Array) error
	SaveState(ctx context.Context, path string) error
	LoadState(path string) error
	SetLearningRate(lr float64)
}

func multi() optimizer {
	return optim.NewMultiOptimizer([]*optim.Optimizer{optim.NewMuon(0.02, nil), optim.NewAdamW(optim.LinearSchedule(0.01, 0.001, 3), nil)},
		func(_ string, a *graph.Array) bool { return a.NDim() == 2 })
}

var kinds = map[string]func() optimizer{
	"sgd":       func() optimizer { return optim.NewSGD(0.1, nil) },
	"sgd decay": func() optimizer { return optim.NewSGD(0.1, &optim.SGDOptions{WeightDecay: 0.05}) },
	"sgd momentum": func() optimizer {
		return optim.NewSGD(0.1, &optim.SGDOptions{Momentum: 0.9, Dampening: 0.3, WeightDecay: 0.1})
	},
	"sgd nesterov": func() optimizer {
		return optim.NewSGD(optim.CosineDecay(0.1, 3, 0.01), &optim.SGDOptions{Momentum: 0.8, Nesterov: true})
	},
	"rmsprop": func() optimizer { return optim.NewRMSprop(0.01, nil) },
	"rmsprop options": func() optimizer {
		return optim.NewRMSprop(optim.StepDecay(0.01, 0.5, 2), &optim.RMSpropOptions{Alpha: new(0.8), Eps: new(1e-3)})
	},
	"adagrad":         func() optimizer { return optim.NewAdagrad(0.1, nil) },
	"adagrad options": func() optimizer { return optim.NewAdagrad(0.1, &optim.AdagradOptions{Eps: new(1e-2)}) },
	"adadelta":        func() optimizer { return optim.NewAdaDelta(1, nil) },
	"adadelta options": func() optimizer {
		return optim.NewAdaDelta(optim.ExponentialDecay(1, 0.7), &optim.AdaDeltaOptions{Rho: new(0.7), Eps: new(1e-3)})
	},
	"adam": func() optimizer { return optim.NewAdam(0.01, nil) },
	"adam options": func() optimizer {
		return optim.NewAdam(0.01, &optim.AdamOptions{Betas: &[2]float64{0.8, 0.95}, Eps: new(1e-4), BiasCorrection: true})
	},
	"adamw": func() optimizer { return optim.NewAdamW(0.01, nil) },
	"adamw options": func() optimizer {
		return optim.NewAdamW(optim.LinearSchedule(0, 0.1, 3), &optim.AdamWOptions{Betas: &[2]float64{0.7, 0.9}, Eps: new(1e-3), WeightDecay: new(0.3), BiasCorrection: true})
	},
	"adamax": func() optimizer { return optim.NewAdamax(0.01, nil) },
	"adamax options": func() optimizer {
		return optim.NewAdamax(0.05, &optim.AdamaxOptions{Betas: &[2]float64{0.6, 0.8}, Eps: new(1e-3)})
	},
	"lion": func() optimizer { return optim.NewLion(0.01, nil) },
	"lion options": func() optimizer {
		return optim.NewLion(0.03, &optim.LionOptions{Betas: &[2]float64{0.5, 0.7}, WeightDecay: 0.4})
	},
	"adafactor": func() optimizer { return optim.NewAdafactor(0, nil) },
	"adafactor warmup": func() optimizer {
		return optim.NewAdafactor(0, &optim.AdafactorOptions{WarmupInit: true, Beta1: new(0.6), DecayRate: new(-0.5)})
	},
	"adafactor rate": func() optimizer {
		return optim.NewAdafactor(optim.ExponentialDecay(0.1, 0.5), &optim.AdafactorOptions{Eps: &[2]float64{1e-6, 1e-2}, ClipThreshold: new(0.5), WeightDecay: 0.1,
			ScaleParameter: new(false), RelativeStep: new(false)})
	},
	"muon": func() optimizer { return optim.NewMuon(0.02, nil) },
	"muon options": func() optimizer {
		return optim.NewMuon(0.05, &optim.MuonOptions{Momentum: new(0.6), WeightDecay: new(0.2), Nesterov: new(false), Steps: new(3)})
	},
	"multi": multi,
}

func TestOptimizersFollowMLX(t *testing.T) {
	r := recording(t)
	require.Len(t, r.Cases, 2*len(kinds))
	for name, make := range kinds {
		for _, dt := range []metal.DType{metal.Float32, metal.BFloat16} {
			t.Run(name+" "+dt.String(), func(t *testing.T) {
				want := r.Cases[name+" "+dt.String()]
				eps := accuracy[name]
				if eps == nil {
					eps = close1
				}
				opt, m := make(), parameters(dt)
				for i, step := range want.Steps {
					opt.Update(m, gradients(i, dt))
					require.NoError(t, tree.Eval(ctx, m, opt))
					step.near(t, tree.Named(m), eps, fmt.Sprint("step ", i))
				}
				want.State.near(t, opt.State(), eps, "state")
			})
		}
	}
}

func TestSchedulesFollowMLX(t *testing.T) {
	r := recording(t)
	schedules := map[string]optim.Schedule{
		"exponential": optim.ExponentialDecay(0.1, 0.9), "step": optim.StepDecay(0.1, 0.5, 7), "cosine": optim.CosineDecay(0.1, 20, 0),
		"cosine end": optim.CosineDecay(0.1, 13, 0.02), "linear": optim.LinearSchedule(0, 0.1, 10), "linear down": optim.LinearSchedule(0.3, 0.05, 17),
		"joined": optim.JoinSchedules([]optim.Schedule{optim.LinearSchedule(0, 0.1, 5), optim.CosineDecay(0.1, 9, 0.01), optim.ExponentialDecay(0.01, 0.8)}, []int{5, 14}),
		"warmup": optim.JoinSchedules([]optim.Schedule{optim.LinearSchedule(1e-7, 1e-5, 10), optim.CosineDecay(1e-5, 100, 1e-6)}, []int{11}),
	}
	require.Len(t, schedules, len(r.Rates))
	for name, s := range schedules {
		for i, n := range r.At {
			rate := s(graph.Scalar(float64(n), metal.Uint64))
			require.Equal(t, metal.Float32, rate.DType(), name)
			require.InEpsilon(t, 1+r.Rates[name][i]*1e3, 1+floats(t, rate)[0]*1e3, 1e-6, "%s at %d", name, n)
		}
	}
}

func TestClipGradNormFollowsMLX(t *testing.T) {
	dtypes := map[string][3]metal.DType{"f32": {metal.Float32, metal.Float32, metal.Float32}, "bf16": {metal.BFloat16, metal.BFloat16, metal.BFloat16},
		"mixed": {metal.BFloat16, metal.Float32, metal.BFloat16}}
	clips := recording(t).Clips
	require.Len(t, clips, 9)
	for name, dts := range dtypes {
		for _, limit := range []float64{0.5, 1e3, 0} {
			g := gradients(1, metal.Float32).Layers[0]
			g = &block{graph.AsType(g.Weight, dts[0]), graph.AsType(g.Bias, dts[1]), graph.AsType(g.Filter, dts[2])}
			clipped, norm := optim.ClipGradNorm(g, limit)
			got := tree.Named(clipped)
			got["norm"] = norm
			eps := close1
			if name == "mixed" { // MLX adds the squares of bfloat16 arrays in bfloat16
				eps = map[string]float64{"float32": 1.0 / 256, "bfloat16": 1.0 / 256}
			}
			clips[fmt.Sprintf("%s %g", name, limit)].near(t, got, eps, name)
		}
	}
	none, norm := optim.ClipGradNorm(nn.Arrays{}, 1)
	require.Empty(t, none)
	require.Equal(t, []float64{0}, floats(t, norm))
}

// A state that MLX saved after two steps continues as MLX's run did, and so does
// one that was saved here.
func TestStatesOfMLXContinue(t *testing.T) {
	for _, name := range []string{"adamw", "multi"} {
		want := recording(t).Cases[name+" float32"].Steps
		m := parameters(metal.Float32)
		first := kinds[name]()
		for i := range 2 {
			first.Update(m, gradients(i, metal.Float32))
		}
		path := t.TempDir() + "/state.npz"
		require.NoError(t, first.SaveState(ctx, path))
		for _, file := range []string{"testdata/" + name + ".safetensors", path} {
			again := kinds[name]()
			again.Init(m)
			require.NoError(t, again.LoadState(file))
			next := again.ApplyGradients(gradients(2, metal.Float32), m)
			eps := accuracy[name]
			if eps == nil {
				eps = close1
			}
			want[2].near(t, next, eps, file)
		}
	}
}

// A compiled training step is the same step.
func TestCompiledStep(t *testing.T) {
	for name, make := range kinds {
		t.Run(name, func(t *testing.T) {
			run := func(compiled bool) map[string]*graph.Array {
				opt, m := make(), parameters(metal.Float32)
				opt.Init(m)
				step := func(in ...*graph.Array) []*graph.Array {
					g := tree.Map(m, func(_ string, p *graph.Array) *graph.Array { return graph.Multiply(p, in[0]) })
					clipped, norm := optim.ClipGradNorm(g, 1)
					opt.Update(m, clipped)
					return []*graph.Array{norm}
				}
				c := tree.Compile(step, m, opt)
				for i := range 3 {
					scale := graph.FromSlice([]float32{float32(i) + 0.5})
					if compiled {
						_, err := c.Call(ctx, scale)
						require.NoError(t, err)
						continue
					}
					step(scale)
					require.NoError(t, tree.Eval(ctx, m, opt))
				}
				return tree.Named(struct{ P, S any }{m, opt})
			}
			want, got := run(false), run(true)
			require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
			for k := range want {
				require.InDeltaSlice(t, floats(t, want[k]), floats(t, got[k]), 1e-6, k)
			}
		})
	}
}

// The kernels and the rules of single ops are one arithmetic.
func TestFusedAgreesWithRules(t *testing.T) {
	g, p := wave(0.3, 0.4, metal.Float32, 5, 7), wave(0.7, 2, metal.Float32, 5, 7)
	m, v := wave(1.1, 0.1, metal.Float32, 5, 7), graph.Abs(wave(0.9, 0.1, metal.Float32, 5, 7))
	agree := func(what string, want, got []*graph.Array) {
		for i := range want {
			require.InDeltaSlice(t, floats(t, want[i]), floats(t, got[i]), 1e-6, "%s: output %d", what, i)
		}
	}
	lr, step := graph.Scalar(0.05, metal.Float32), graph.Scalar(3, metal.Uint64)
	for _, o := range []kernels.AdamWOptions{{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}, {Beta1: 0.7, Beta2: 0.8, Eps: 1e-3, WeightDecay: 0.2},
		{Beta1: 0.9, Beta2: 0.95, Eps: 1e-6, WeightDecay: 0.1, BiasCorrection: true}, {BiasCorrection: true, Eps: 1e-2}} {
		fused := o
		fused.DecayCount = p.Size()
		a, b, c := graph.AdamWUnfused(g, p, m, v, lr, step, o)
		for _, hyper := range []*graph.Array{graph.Hyper(lr, step, o), hyperOf(0.05, 3, o)} {
			agree(fmt.Sprint(o), []*graph.Array{a, b, c}, graph.AdamW(g, p, m, v, hyper, fused, metal.Float32))
		}
	}
	for _, o := range []kernels.SGDOptions{{Momentum: 0.9}, {Momentum: 0.8, Dampening: 0.3, WeightDecay: 0.1}, {Momentum: 0.5, Nesterov: true, WeightDecay: 0.3}} {
		a, b := graph.SGDUnfused(g, p, v, lr, o)
		agree(fmt.Sprint(o), []*graph.Array{a, b}, graph.SGD(g, p, v, graph.Hyper(lr, step, kernels.AdamWOptions{}), o))
	}
}

func hyperOf(lr float64, count int, o kernels.AdamWOptions) *graph.Array {
	h := kernels.Hyper(lr, count, 1, o)
	return graph.FromSlice(h[:])
}

// One flat array is updated as its parameters are one by one.
func TestFlatFollowsTheTree(t *testing.T) {
	flatten := func(m *model) *graph.Array {
		b := m.Layers[0]
		return graph.Concatenate([]*graph.Array{graph.Reshape(b.Weight, -1), graph.Reshape(b.Bias, -1), graph.Reshape(b.Filter, -1)}, 0)
	}
	in := optim.Layout{Tensors: []optim.Tensor{{Offset: 0, Shape: []int{4, 6}}, {Offset: 24, Shape: []int{4}}, {Offset: 28, Shape: []int{6, 2, 2}}}, Decay: 52}
	for name, make := range kinds {
		opt, ok := make().(*optim.Optimizer)
		if !ok || opt.Flat() == nil {
			require.Contains(t, []string{"multi", "adafactor", "adafactor warmup", "adafactor rate"}, name)
			continue
		}
		rule, m := opt.Flat(), parameters(metal.Float32)
		p := flatten(m)
		slots := []*graph.Array{graph.ZerosLike(p), graph.ZerosLike(p)}[:rule.FlatSlots()]
		var rounded *graph.Array
		for i := range 3 {
			opt.Update(m, gradients(i, metal.Float32))
			hyper := rule.Hyper(floats(t, opt.LearningRate)[0], i+1, 0.5)
			next := rule.ApplyFlat(graph.Multiply(flatten(gradients(i, metal.Float32)), 2), p, slots, graph.FromSlice(hyper[:]), in, metal.BFloat16)
			require.Len(t, next, 2+len(slots))
			p, slots, rounded = next[0], next[1:1+len(slots)], next[1+len(slots)]
		}
		require.InDeltaSlice(t, floats(t, flatten(m)), floats(t, p), 2e-6, name)
		require.Equal(t, floats(t, graph.AsType(p, metal.BFloat16)), floats(t, rounded), name)
	}
}

// A module's frozen parameters stay, and a rate that was set ends a schedule.
func TestUpdateOfModule(t *testing.T) {
	l := nn.NewLinear(2, 1, true)
	require.NoError(t, nn.Init(ctx, l, 0))
	nn.Freeze(l, "bias")
	x, bias := graph.Ones([]int{3, 2}, metal.Float32), l.Bias.Array
	loss := nn.ValueAndGrad(l, func(in ...*graph.Array) *graph.Array { return graph.Sum(l.Forward(in[0]), nil, false) })
	opt := optim.NewSGD(optim.LinearSchedule(1, 0, 4), nil)
	want := floats(t, l.Weight.Array)
	for _, rate := range []float64{1, 0.75, 0.5} {
		_, grads := loss(x)
		opt.Update(l, grads)
		require.InDelta(t, rate, floats(t, opt.LearningRate)[0], 1e-6)
		want[0], want[1] = want[0]-3*rate, want[1]-3*rate
	}
	opt.SetLearningRate(0)
	_, grads := loss(x)
	opt.Update(l, grads)
	require.InDeltaSlice(t, want, floats(t, l.Weight.Array), 1e-5)
	require.Same(t, bias, l.Bias.Array)
	require.Equal(t, []float64{4}, floats(t, opt.Step))
}

// signs is a rule of the caller's own.
type signs struct{}

func (signs) Init(*graph.Array) optim.Slots { return nil }

func (signs) Apply(g, p *graph.Array, _ optim.Slots, at *optim.Moment) *graph.Array {
	return graph.Subtract(p, graph.Multiply(at.LearningRate, graph.Sign(g)))
}

func TestOwnRule(t *testing.T) {
	opt, p := optim.New(0.5, signs{}), map[string]*graph.Array{"w": graph.FromSlice([]float32{1, 2})}
	opt.Update(p, map[string]*graph.Array{"w": graph.FromSlice([]float32{-3, 4})})
	require.Equal(t, []float64{1.5, 1.5}, floats(t, p["w"]))
}

func TestMistakes(t *testing.T) {
	two, three := graph.Ones([]int{2}, metal.Float32), graph.Ones([]int{3}, metal.Float32)
	arrays := func(name string, a *graph.Array) map[string]*graph.Array { return map[string]*graph.Array{name: a} }
	opt := optim.NewAdam(0.1, nil)
	opt.Init(arrays("w", two))
	for want, fn := range map[string]func(){
		"optim.NewSGD: the learning rate is -0.1, want a finite number from 0":            func() { optim.NewSGD(-0.1, nil) },
		"optim.NewAdamW: the learning rate is NaN":                                        func() { optim.NewAdamW(math.NaN(), nil) },
		"optim.SetLearningRate: the learning rate is -1":                                  func() { opt.SetLearningRate(-1) },
		"optim.NewLion: the learning rate is a nil schedule":                              func() { optim.NewLion(optim.Schedule(nil), nil) },
		"optim.Schedule: a learning rate is float32[2], want an array of one element":     func() { optim.NewLion(func(*graph.Array) *graph.Array { return two }, nil) },
		"optim.New: the rule is nil":                                                      func() { optim.New(1, nil) },
		"optim.NewSGD: Nesterov with momentum 0 and dampening 0, want a positive":         func() { optim.NewSGD(1, &optim.SGDOptions{Nesterov: true}) },
		"optim.NewAdam: betas are [0.9 1], want numbers in [0, 1)":                        func() { optim.NewAdam(1, &optim.AdamOptions{Betas: &[2]float64{0.9, 1}}) },
		"optim.NewAdamax: eps is -1, want at least 0":                                     func() { optim.NewAdamax(1, &optim.AdamaxOptions{Eps: new(-1.0)}) },
		"optim.NewRMSprop: eps is 0, want a positive number":                              func() { optim.NewRMSprop(1, &optim.RMSpropOptions{Eps: new(0.0)}) },
		"optim.NewRMSprop: alpha is -1, want at least 0":                                  func() { optim.NewRMSprop(1, &optim.RMSpropOptions{Alpha: new(-1.0)}) },
		"optim.NewAdaDelta: rho is -1, want at least 0":                                   func() { optim.NewAdaDelta(1, &optim.AdaDeltaOptions{Rho: new(-1.0)}) },
		"optim.NewAdafactor: the learning rate is 0, want a positive one":                 func() { optim.NewAdafactor(0, &optim.AdafactorOptions{RelativeStep: new(false)}) },
		"optim.NewMuon: 101 Newton-Schulz steps, want 0 to 100":                           func() { optim.NewMuon(1, &optim.MuonOptions{Steps: new(101)}) },
		"optim.NewMultiOptimizer: 0 filters for 2 optimizers, want one less":              func() { optim.NewMultiOptimizer([]*optim.Optimizer{opt, opt}) },
		"optim.StepDecay: size is 0, want at least 1":                                     func() { optim.StepDecay(1, 1, 0) },
		"optim.CosineDecay: steps is -1, want at least 1":                                 func() { optim.CosineDecay(1, -1, 0) },
		"optim.LinearSchedule: steps is 0, want at least 1":                               func() { optim.LinearSchedule(1, 1, 0) },
		"optim.JoinSchedules: no schedules, want at least one":                            func() { optim.JoinSchedules(nil, nil) },
		"optim.JoinSchedules: 2 boundaries for 1 schedules, want 0":                       func() { optim.JoinSchedules([]optim.Schedule{optim.StepDecay(1, 1, 1)}, []int{1, 2}) },
		"optim.ClipGradNorm: the norm is limited to -1, want at least 0":                  func() { optim.ClipGradNorm(two, -1) },
		`there is a gradient for "v", which the parameters do not have`:                   func() { opt.Update(arrays("w", two), arrays("v", two)) },
		`there is a gradient for "v", which is not among the 1 parameters that the state`: func() { opt.Update(arrays("v", two), arrays("v", two)) },
		`optim.Init: parameter "w" is uint32[2], want floating point`:                     func() { opt.Init(arrays("w", graph.AsType(two, metal.Uint32))) },
		`the gradient of "w" is float32[3], the parameter float32[2], want one shape`:     func() { opt.Update(arrays("w", two), arrays("w", three)) },
		`the gradient of "w" is int32[2], the parameter float32[2], want floating point`:  func() { opt.Update(arrays("w", two), arrays("w", graph.AsType(two, metal.Int32))) },
		`leaf "weight" lies in a value that was passed by copy; pass a pointer to it`: func() {
			optim.NewSGD(1, nil).Update(block{Weight: two}, block{Weight: two})
		},
	} {
		err := graph.Catch(fn)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "(optim/optim_test.go:", want)
	}
}

func TestLoadStateMistakes(t *testing.T) {
	opt := optim.NewAdam(0.1, nil)
	err := opt.LoadState("testdata/adamw.safetensors")
	require.ErrorContains(t, err, "testdata/adamw.safetensors: the optimizer, initialised for other parameters or not at all, has no layers.0.bias.m, layers.0.bias.v")
	opt.Init(parameters(metal.Float32))
	good := opt.State()
	with := func(name string, a *graph.Array) map[string]*graph.Array {
		m := maps.Clone(good)
		m[name] = a
		if a == nil {
			delete(m, name)
		}
		return m
	}
	for want, arrays := range map[string]map[string]*graph.Array{
		"the optimizer state lacks step":                                                with("step", nil),
		"the optimizer state lacks layers.0.weight.v":                                   with("layers.0.weight.v", nil),
		"the optimizer state does not fit: layers.0.bias.m has shape [2], want [4]":     with("layers.0.bias.m", graph.Ones([]int{2}, metal.Float32)),
		"the optimizer state does not fit: step is float32, want uint64":                with("step", graph.Scalar(1, metal.Float32)),
		"the optimizer state does not fit: layers.0.bias.m is int32, want float32":      with("layers.0.bias.m", graph.Ones([]int{4}, metal.Int32)),
		"the optimizer, initialised for other parameters or not at all, has no momenta": with("momenta", graph.Scalar(1, metal.Float32)),
	} {
		require.EqualError(t, opt.SetState(arrays), want)
	}
	require.Equal(t, good, opt.State(), "nothing was changed")
	require.ErrorContains(t, opt.LoadState("testdata/none.npz"), "no such file")
}

// Whatever trees an optimizer gets, the answer is a result or an error that can be
// caught.
func TestNoUpdateCrashes(t *testing.T) {
	odd := []any{nil, 3, "x", map[string]*graph.Array{}, map[string]*graph.Array{"w": nil}, &model{}, nn.Identity{}, parameters(metal.Float16), parameters(metal.Int32),
		map[string]*graph.Array{"w": graph.Ones([]int{2, 3}, metal.Float32)}, map[string]*graph.Array{"w": graph.Ones(nil, metal.Float32)},
		map[string]*graph.Array{"w": graph.Zeros([]int{0, 3}, metal.BFloat16)}, map[string]*graph.Array{"w": graph.Ones([]int{2, 3}, metal.Complex64)},
		map[string]*graph.Array{"w": graph.Ones([]int{2, 3}, metal.Float64)}, []*graph.Array{graph.Ones([]int{2}, metal.Float32)}, map[int]*graph.Array{7: graph.Ones([]int{2}, metal.Float32)}}
	for name, make := range kinds {
		for i, params := range odd {
			for k, grads := range odd {
				require.NotPanics(t, func() {
					opt := make()
					_ = graph.Catch(func() { opt.Init(params) })
					_ = graph.Catch(func() { opt.Update(params, grads) })
					if i == k {
						_ = graph.Catch(func() { _, _ = optim.ClipGradNorm(grads, 1) })
						_ = tree.Eval(ctx, params, opt)
					}
				}, "%s, trees %d and %d", name, i, k)
			}
		}
	}
}
