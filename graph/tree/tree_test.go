package tree_test

import (
	"context"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
	_ "github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

func array(v ...float32) *graph.Array { return graph.FromSlice(v) }

func floats(t *testing.T, a *graph.Array) []float64 {
	t.Helper()
	v, err := graph.Floats(context.Background(), a)
	require.NoError(t, err)
	return v
}

type inner struct {
	KVCache *graph.Array
	Skipped *graph.Array `name:"-"`
	private *graph.Array
}

type outer struct {
	inner
	W      *graph.Array `name:"weight"`
	Absent *graph.Array
	Layers []*inner
	Fixed  [2]inner
	ByName map[string]*graph.Array
	ByRank map[int]inner
	Any    []any
	Values []float64
	Scale  float64
}

func example() *outer {
	part := &inner{KVCache: array(2), Skipped: array(9), private: array(9)}
	return &outer{
		inner: inner{KVCache: array(1)}, W: array(3), Layers: []*inner{part, nil, {KVCache: array(4)}}, Fixed: [2]inner{{KVCache: array(5)}},
		ByName: map[string]*graph.Array{"b": array(7), "a": array(6)}, ByRank: map[int]inner{10: {KVCache: array(9)}, 2: {KVCache: array(8)}},
		Any: []any{part, inner{KVCache: array(10)}, array(11), nil, "text"}, Values: []float64{1}, Scale: 2,
	}
}

// Names follow utils.tree_flatten; a shared part has one name.
func TestFlatten(t *testing.T) {
	var names []string
	var values []float64
	for _, l := range tree.Flatten(example()) {
		names, values = append(names, l.Name), append(values, floats(t, l.Array)...)
	}
	require.Equal(t, []string{"weight", "layers.0.kv_cache", "layers.2.kv_cache", "fixed.0.kv_cache", "by_name.a", "by_name.b",
		"by_rank.2.kv_cache", "by_rank.10.kv_cache", "any.1.kv_cache", "any.2"}, names)
	require.Equal(t, []float64{3, 2, 4, 5, 6, 7, 8, 9, 10, 11}, values)
	require.Empty(t, tree.Flatten(nil))
}

func TestMapCopies(t *testing.T) {
	from := example()
	to := tree.Map(from, func(name string, a *graph.Array) *graph.Array {
		if name == "weight" {
			return array(0)
		}
		return graph.Multiply(a, 10)
	})
	for i, l := range tree.Flatten(to) {
		want := floats(t, tree.Arrays(from)[i])[0] * 10
		if l.Name == "weight" {
			want = 0
		}
		require.Equal(t, []float64{want}, floats(t, l.Array), l.Name)
	}
	require.Equal(t, 2.0, to.Scale)
	require.Same(t, to.Layers[0], to.Any[0], "what was shared is shared in the copy")
	require.Equal(t, []float64{9}, floats(t, to.Layers[0].private))
}

func TestSetThroughEveryKindOfPlace(t *testing.T) {
	root := example()
	for i, l := range tree.Flatten(root) {
		l.Set(array(float32(100 + i)))
	}
	for i, a := range tree.Arrays(root) {
		require.Equal(t, []float64{float64(100 + i)}, floats(t, a))
	}
	err := graph.Catch(func() { tree.Flatten(inner{KVCache: array(1)})[0].Set(array(2)) })
	require.ErrorContains(t, err, `leaf "kv_cache" lies in a value that was passed by copy`)
}

type linear struct{ W, B *graph.Array }

// d/dw Σ(wx+b)² = 2(wx+b)x and so on, over a struct that holds a map and a slice.
func TestValueAndGradOfStructsMapsSlices(t *testing.T) {
	type model struct {
		First map[string]linear
		Rest  []linear
	}
	m := model{map[string]linear{"l": {array(2), array(1)}}, []linear{{array(3), nil}}}
	loss := func(m model) *graph.Array {
		h := graph.Add(graph.Multiply(m.First["l"].W, 5), m.First["l"].B) // 11
		return graph.Sum(graph.Square(graph.Multiply(h, m.Rest[0].W)), nil, false)
	}
	value, grads := tree.ValueAndGrad(loss)(m)
	require.Equal(t, []float64{33 * 33}, floats(t, value))
	require.Equal(t, []float64{2 * 33 * 3 * 5}, floats(t, grads.First["l"].W))
	require.Equal(t, []float64{2 * 33 * 3}, floats(t, grads.First["l"].B))
	require.Equal(t, []float64{2 * 33 * 11}, floats(t, grads.Rest[0].W))
	require.Nil(t, grads.Rest[0].B)
	require.Equal(t, []float64{2}, floats(t, m.First["l"].W), "the argument is unchanged")

	second := tree.Grad(func(w []*graph.Array) *graph.Array {
		return tree.Grad(func(w []*graph.Array) *graph.Array { return graph.Sum(graph.Power(w[0], 3), nil, false) })(w)[0]
	})([]*graph.Array{graph.Scalar(2, metal.Float32)})
	require.Equal(t, []float64{12}, floats(t, second[0]))
}

// A compiled function reads and replaces the state that lies in trees.
func TestCompileState(t *testing.T) {
	state := map[string]*graph.Array{"n": array(0), "kept": array(7)}
	traces := 0
	step := tree.Compile(func(in ...*graph.Array) []*graph.Array {
		traces++
		state["n"] = graph.Add(state["n"], in[0])
		return []*graph.Array{graph.Multiply(state["n"], state["kept"])}
	}, state)
	for i := 1; i <= 3; i++ {
		out, err := step.Call(context.Background(), array(2))
		require.NoError(t, err)
		require.Equal(t, []float64{float64(2 * i)}, floats(t, state["n"]))
		require.Equal(t, []float64{float64(14 * i)}, floats(t, out[0]))
	}
	require.Equal(t, 1, traces)
	require.Equal(t, []float64{7}, floats(t, state["kept"]))
	_, err := tree.Compile(func(...*graph.Array) []*graph.Array { state["new"] = array(1); return nil }, state).Call(context.Background())
	require.ErrorContains(t, err, "leaves 3 arrays of state, there were 2")
}
