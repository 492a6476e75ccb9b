package generate

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	_ "github.com/ftmetal/ftmetal/metal/soft"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/stretchr/testify/require"
)

const tiny = `{"model_type":"llama","hidden_size":32,"intermediate_size":48,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,
"head_dim":16,"vocab_size":101,"rms_norm_eps":1e-5,"rope_theta":10000,"max_position_embeddings":4096,"tie_word_embeddings":true}`

// random is a small model with large weights, whose next tokens vary.
func random(t *testing.T) (models.Model, *graph.Runtime) {
	rt, err := graph.NewRuntime("soft", 0)
	require.NoError(t, err)
	graph.SetDefault(rt)
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, []byte(tiny), 0o644))
	f, err := models.Random(path, rt, 5)
	require.NoError(t, err)
	for _, p := range nn.Params(f.Model) {
		if len(p.Shape) > 1 {
			p.Array = graph.Multiply(p.Array, 12)
			require.NoError(t, graph.Eval(context.Background(), p.Array))
		}
	}
	t.Cleanup(func() {
		graph.SetDefault(nil)
		f.Close()
		require.NoError(t, rt.Close())
	})
	return f.Model, rt
}

// uncached is the logits after tokens, by the whole forward pass.
func uncached(t *testing.T, m models.Model, tokens []int32) []float32 {
	h := m.Hidden(nn.Input{Tokens: graph.FromSlice(tokens, 1, len(tokens))})
	logits := m.Logits(graph.SliceAxis(h, 0, len(tokens)-1, len(tokens)))
	v, err := graph.Read[float32](context.Background(), logits)
	require.NoError(t, err)
	return v
}

// The tokens are those of the model without a cache, also where the cache grows
// and where the prompt ends with it full.
func TestTokensAreThoseOfTheUncachedModel(t *testing.T) {
	m, _ := random(t)
	for _, c := range []struct{ prompt, tokens int }{{1, 40}, {cacheStep - 5, 10}, {cacheStep, 3}} {
		prompt := make([]int32, c.prompt)
		for i := range prompt {
			prompt[i] = int32(i * 37 % 101)
		}
		var got []int32
		st, err := Tokens(context.Background(), m, prompt, Options{MaxTokens: c.tokens}, func(id int32) bool {
			got = append(got, id)
			return true
		})
		require.NoError(t, err)
		require.Equal(t, c.tokens, st.Tokens)
		kinds := map[int32]bool{}
		all := prompt
		for i, id := range got {
			require.Equal(t, Sampler{}.Pick(uncached(t, m, all), nil), id, "prompt of %d, token %d", c.prompt, i)
			all = append(all, id)
			kinds[id] = true
		}
		require.Greater(t, len(kinds), min(c.tokens, 8)/2, "the tokens hardly vary: %v", got)
	}
}

// The logits of a step are those of the whole forward pass.
func TestLogitsOfAStep(t *testing.T) {
	ctx := context.Background()
	m, _ := random(t)
	cache := m.NewCache()
	tokens := []int32{3, 1, 4, 15, 92, 65}
	_, err := prefill(ctx, m, cache, tokens)
	require.NoError(t, err)
	d := decoder{model: m, cache: cache}
	defer d.close()
	for i := range 5 {
		id := int32(10 * i)
		tokens = append(tokens, id)
		got, err := d.step(ctx, id)
		require.NoError(t, err)
		require.InDeltaSlice(t, uncached(t, m, tokens), got, 1e-4)
	}
}

// A token makes no plan, copies no cache and leaves next to nothing on Go's heap.
func TestAStepAllocatesLittle(t *testing.T) {
	ctx := context.Background()
	m, rt := random(t)
	cache := m.NewCache()
	_, err := prefill(ctx, m, cache, []int32{1, 2, 3})
	require.NoError(t, err)
	d := decoder{model: m, cache: cache}
	defer d.close()
	for range 2 {
		_, err = d.step(ctx, 7)
		require.NoError(t, err)
	}
	used := rt.Pool.Usage().Peak
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const steps = 50
	for range steps {
		_, err = d.step(ctx, 7)
		require.NoError(t, err)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/steps, uint64(20_000))
	require.Equal(t, used, rt.Pool.Usage().Peak)

	p, err := d.compiled.Plan(append([]*graph.Array{d.token, d.at, d.visible}, d.keep...))
	require.NoError(t, err)
	require.NotContains(t, p.String(), "copy_f32_f32")
	require.Equal(t, metal.Float32, d.keep[0].DType())
}

// A prompt's arithmetic is its products, attention over the tokens that each sees,
// and the logits of one token; the rest is less than logits of all tokens would be.
// Of a chunk that others follow, the last layer makes keys and values alone.
func TestPromptFLOPs(t *testing.T) {
	m, _ := random(t)
	const d, q, kv, inner, vocab, heads, dim = 32, 64, 32, 48, 101, 4, 16
	for _, c := range []struct{ n, before int64 }{{256, 0}, {prefillChunk + 300, prefillChunk}} {
		got, err := PromptFLOPs(m, int(c.n))
		require.NoError(t, err)
		pairs := func(n int64) int64 { return 4 * dim * heads * n * (n + 1) / 2 }
		const keys, rest = 2 * 2 * d * kv, 2 * (2*d*q + 3*d*inner)
		least := c.n*(keys+rest) + pairs(c.n) + c.n*keys + (c.n-c.before)*rest + pairs(c.n) - pairs(c.before) + 2*vocab*d
		require.GreaterOrEqual(t, got, least)
		require.Less(t, got, least+2*(c.n-1)*vocab*d)
	}
}
