package nn_test

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/nn/inits"
)

// layersAnyhow are the constructors of layers, and layers that are structs alone.
var layersAnyhow = map[string]any{
	"AvgPool1d": func(p nn.Pool) any { return nn.AvgPool1d{Pool: p} }, "MaxPool2d": func(p nn.Pool) any { return nn.MaxPool2d{Pool: p} },
	"MaxPool3d": func(p nn.Pool) any { return nn.MaxPool3d{Pool: p} }, "Upsample": func(u nn.Upsample) any { return &u },
	"ALiBi": func(l nn.ALiBi) any { return l }, "RoPE": func(l nn.RoPE) any { return &l }, "GLU": func(l nn.GLU) any { return l }, "GELU": func(l nn.GELU) any { return l },
	"CELU": func(l nn.CELU) any { return l }, "Sequential": func(a, b nn.Layer) any { return nn.NewSequential(a, b) },
	"BatchNorm": nn.NewBatchNorm, "Bilinear": nn.NewBilinear, "Conv1d": nn.NewConv1d, "Conv2d": nn.NewConv2d, "Conv3d": nn.NewConv3d,
	"ConvTranspose1d": nn.NewConvTranspose1d, "ConvTranspose2d": nn.NewConvTranspose2d, "ConvTranspose3d": nn.NewConvTranspose3d, "Dropout": nn.NewDropout,
	"Dropout2d": nn.NewDropout2d, "Dropout3d": nn.NewDropout3d, "Embedding": nn.NewEmbedding, "GroupNorm": nn.NewGroupNorm, "InstanceNorm": nn.NewInstanceNorm,
	"LayerNorm": nn.NewLayerNorm, "Linear": nn.NewLinear, "MultiHeadAttention": nn.NewMultiHeadAttention, "NewRoPE": nn.NewRoPE, "PReLU": nn.NewPReLU,
	"QQLinear": nn.NewQQLinear, "QuantizedEmbedding": nn.NewQuantizedEmbedding, "QuantizedLinear": nn.NewQuantizedLinear, "RMSNorm": nn.NewRMSNorm,
	"SinusoidalPositionalEncoding": nn.NewSinusoidalPositionalEncoding, "Transformer": nn.NewTransformer, "TransformerDecoder": nn.NewTransformerDecoder,
	"TransformerDecoderLayer": nn.NewTransformerDecoderLayer, "TransformerEncoder": nn.NewTransformerEncoder, "TransformerEncoderLayer": nn.NewTransformerEncoderLayer,
}

// arguments makes arguments at random, right and wrong ones.
type arguments struct{ *rand.Rand }

func oneOf[T any](a arguments, from ...T) T { return from[a.IntN(len(from))] }

var (
	arrayType = reflect.TypeFor[*graph.Array]()
	layerType = reflect.TypeFor[nn.Layer]()
	dtypeType = reflect.TypeFor[metal.DType]()
	quantType = reflect.TypeFor[graph.Quantization]()
)

func (a arguments) array() *graph.Array {
	shape := oneOf(a, []int{2, 4}, []int{2, 3, 4}, []int{2, 5, 64}, []int{2, 4, 4, 4}, []int{1, 2, 3, 4, 2}, []int{4}, []int{}, []int{0, 4}, []int{64}, []int{3, 8}, []int{2, 3, 8})
	return graph.AsType(wave(0.7, 3, shape...), oneOf(a, metal.Float32, metal.Float32, metal.Float32, metal.Int32, metal.BFloat16, metal.Uint32, metal.Bool))
}

func (a arguments) value(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch {
	case t == arrayType:
		if a.IntN(12) > 0 {
			return reflect.ValueOf(a.array())
		}
		return v
	case t == layerType:
		v.Set(reflect.ValueOf(oneOf[nn.Layer](a, nn.ReLU{}, nn.NewLinear(4, 4, true), nn.Identity{}, nn.NewLinear(8, 2, false))))
		return v
	case t == dtypeType:
		return reflect.ValueOf(oneOf(a, metal.Float32, metal.Int32, metal.BFloat16))
	case t == quantType:
		return reflect.ValueOf(graph.Quantization{Mode: graph.QuantMode(oneOf(a, "", "affine", "nvfp4", "mxfp8", "mxfp4", "int4")), Bits: oneOf(a, 0, 0, 4, 8, 7), GroupSize: oneOf(a, 0, 0, 32, 16, 1)})
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(a.IntN(2) == 0)
	case reflect.Int:
		v.SetInt(int64(oneOf(a, 4, 4, 4, 2, 3, 1, 8, 64, 0, -1, -2)))
	case reflect.Float64:
		v.SetFloat(oneOf(a, 0.5, 1e-5, 1, 0, -1, 2, 1e30))
	case reflect.String:
		v.SetString(oneOf(a, "nearest", "linear", "cubic", "", "other"))
	case reflect.Array:
		for i := range t.Len() {
			v.Index(i).Set(a.value(t.Elem()))
		}
	case reflect.Slice:
		for range a.IntN(4) {
			v = reflect.Append(v, a.value(t.Elem()))
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				v.Field(i).Set(a.value(t.Field(i).Type))
			}
		}
	}
	return v // nil pointers, functions and maps
}

func (a arguments) call(fn reflect.Value) []reflect.Value {
	var in []reflect.Value
	for i := range fn.Type().NumIn() {
		in = append(in, a.value(fn.Type().In(i)))
	}
	if fn.Type().IsVariadic() {
		return fn.CallSlice(in)
	}
	return fn.Call(in)
}

// mistake runs fn, which may panic with a *graph.Error, and returns what else it
// panicked with.
func mistake(fn func()) (crash string) {
	defer func() {
		if r := recover(); r != nil {
			crash = fmt.Sprintf("%v\n%s", r, debug.Stack())
		}
	}()
	_ = graph.Catch(fn)
	return ""
}

// Whatever sizes a layer is made with, and whatever it is called with, the answer
// is a result or an error that can be caught.
func TestNoLayerCrashes(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(layersAnyhow)) {
		t.Run(name, func(t *testing.T) {
			made := 0
			for i := range 60 {
				if makeAndTry(t, name, i) {
					made++
				}
			}
			if made == 0 {
				t.Error("no arguments were right")
			}
		})
	}
}

// makeAndTry makes a layer from the i-th arguments, and calls it if that works.
func makeAndTry(t *testing.T, name string, i int) bool {
	h := fnv.New64()
	h.Write([]byte(name))
	a := arguments{rand.New(rand.NewPCG(h.Sum64(), uint64(i)))}
	var layer any
	crash := mistake(func() {
		layer = a.call(reflect.ValueOf(layersAnyhow[name]))[0].Interface()
		if a.IntN(8) > 0 && nn.Init(ctx, layer, 1) != nil {
			layer = nil
			return
		}
		if a.IntN(3) == 0 {
			nn.SetTraining(layer, false)
		}
		if a.IntN(6) == 0 {
			nn.SetDType(layer, metal.BFloat16)
		}
	})
	if crash != "" {
		t.Errorf("try %d: %s", i, crash)
	}
	if layer == nil {
		return false
	}
	for range 4 {
		tryMethods(t, a, fmt.Sprintf("%+v, try %d", layer, i), reflect.ValueOf(layer))
	}
	return true
}

// tryMethods calls what computes something of arrays, and evaluates it.
func tryMethods(t *testing.T, a arguments, what string, layer reflect.Value) {
	for m := range layer.NumMethod() {
		method, name := layer.Method(m), layer.Type().Method(m).Name
		if method.Type().NumOut() == 0 || method.Type().Out(0) != arrayType || strings.HasSuffix(name, "Dense") {
			continue
		}
		crash := mistake(func() {
			y := a.call(method)[0].Interface().(*graph.Array)
			_ = tree.Eval(ctx, y)
			_ = graph.Eval(ctx, y)
		})
		if crash != "" {
			t.Errorf("%s: %s: %s", what, name, crash)
		}
	}
}

// What is not a module, or lacks data, is no crash either.
func TestNoModuleFunctionCrashes(t *testing.T) {
	bare, made := nn.NewLinear(4, 2, true), nn.NewLinear(4, 2, true)
	if err := nn.Init(ctx, made, 0); err != nil {
		t.Fatal(err)
	}
	for i, m := range []any{nil, 3, "x", nn.Linear{}, &nn.Linear{}, (*nn.Linear)(nil), []nn.Layer{nil, made}, map[string]nn.Layer{"a": nil}, bare, made,
		struct{ A any }{made}, nn.Identity{}, &struct{ P *nn.Param }{nn.NewParam(-1)}} {
		for name, fn := range map[string]func(){
			"Parameters":     func() { nn.Parameters(m) },
			"Init":           func() { _ = nn.Init(ctx, m, 1) },
			"SetDType":       func() { nn.SetDType(m, metal.Int32) },
			"Freeze":         func() { nn.Freeze(m, ""); nn.Unfreeze(m) },
			"Quantize":       func() { nn.Quantize(m, nn.QuantizeOptions{}) },
			"ReplaceModules": func() { nn.ReplaceModules(m, func(tree.Part) any { return 3 }) },
			"LeafModules":    func() { nn.LeafModules(m) },
			"Update":         func() { nn.Update(m, nn.Arrays{"weight": nil}) },
			"SetWeights":     func() { _ = nn.SetWeights(m, nn.Arrays{"weight": nil, "": nil}, false) },
			"SaveWeights":    func() { _ = nn.SaveWeights(ctx, m, t.TempDir()+"/w.npz") },
			"ValueAndGrad": func() {
				nn.ValueAndGrad(m, func(in ...*graph.Array) *graph.Array { return nil })(nil)
			},
			"Checkpoint": func() { nn.Checkpoint(m, func(in []*graph.Array) []*graph.Array { return in })(nil) },
		} {
			if crash := mistake(fn); crash != "" {
				t.Errorf("module %d (%T): %s: %s", i, m, name, crash)
			}
		}
	}
	for _, init := range []inits.Initializer{inits.GlorotNormal(1, metal.Float32), inits.Orthogonal(1, metal.Float32), inits.Sparse(2, 0, 1, metal.Float32), inits.HeUniform(7, 1, metal.Float32)} {
		for _, shape := range [][]int{nil, {3}, {2, 0}, {-1, 2}, {2, 3, 4}} {
			if crash := mistake(func() { _, _ = init(ctx, shape, graph.NewKeySequence(1)) }); crash != "" {
				t.Errorf("an initializer of shape %v: %s", shape, crash)
			}
		}
	}
}
