package graph

import (
	"context"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	_ "github.com/ftmetal/ftmetal/metal/all"
	"github.com/stretchr/testify/require"
)

// TestCompileCacheIsBounded calls a function with more shapes than it keeps
// plans for: the least recently used ones go, with their memory.
func TestCompileCacheIsBounded(t *testing.T) {
	ctx := context.Background()
	traced := 0
	f := Compile(func(in []*Array) []*Array {
		traced++
		return []*Array{Add(in[0], 1.0)}
	}, CompileOptions{ReuseOutputs: true})
	call := func(n int) {
		t.Helper()
		outs, err := f.Call(ctx, Zeros([]int{n}, metal.Float32))
		require.NoError(t, err)
		v, err := Floats(ctx, outs[0])
		require.NoError(t, err)
		require.Len(t, v, n)
		require.Equal(t, 1.0, v[n-1])
	}
	for n := 1; n <= 2*compileCache; n++ {
		call(n)
		require.LessOrEqual(t, len(f.plans), compileCache)
		call(1) // stays the most recent but one
	}
	require.Equal(t, 2*compileCache, traced, "one trace per shape: the shape in use was never dropped")
	call(2)
	require.Equal(t, 2*compileCache+1, traced, "a dropped shape is traced anew")
	bound := 0
	for _, c := range f.plans {
		if c.bound != nil {
			bound++
		}
	}
	require.LessOrEqual(t, bound, compileCache)
	f.Close()
	require.Empty(t, f.plans)
}
