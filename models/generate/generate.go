package generate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/tokenizer"
)

// prefillChunk is how many tokens of the prompt run at a time, as in mlx-lm.
const prefillChunk = 2048

// Options says how to generate.
type Options struct {
	MaxTokens int // tokens to make at most
	Sampler   Sampler
	Seed      uint64
	Stop      []int32 // token ids that end the text
}

// Stats counts what a generation took.
type Stats struct {
	PromptTokens, Tokens int
	PromptTime, Time     time.Duration
	Stopped              bool // by a stop token, not by MaxTokens
}

// Tokens continues prompt and hands every new token to emit, which may end the
// generation by returning false.
func Tokens(ctx context.Context, m models.Model, prompt []int32, opt Options, emit func(id int32) bool) (Stats, error) {
	st := Stats{PromptTokens: len(prompt)}
	if len(prompt) == 0 {
		return st, errors.New("generate: the prompt is empty")
	}
	err := graph.Try(func() error { return run(ctx, m, prompt, opt, emit, &st) })
	return st, err
}

func run(ctx context.Context, m models.Model, prompt []int32, opt Options, emit func(id int32) bool, st *Stats) error {
	rng := rand.New(rand.NewPCG(opt.Seed, 0x9e4))
	cache := m.NewCache()
	began := time.Now()
	logits, err := prefill(ctx, m, cache, prompt)
	if err != nil {
		return err
	}
	st.PromptTime = time.Since(began)
	began = time.Now()
	defer func() { st.Time = time.Since(began) }()
	d := decoder{model: m, cache: cache}
	defer d.close()
	for st.Tokens < opt.MaxTokens {
		id := opt.Sampler.Pick(logits, rng)
		if slices.Contains(opt.Stop, id) {
			st.Stopped = true
			return nil
		}
		st.Tokens++
		if !emit(id) {
			return nil
		}
		if st.Tokens == opt.MaxTokens {
			return nil
		}
		if logits, err = d.step(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// chunk runs some tokens of the prompt [1,n] and returns their hidden rows.
func chunk(m models.Model, cache *nn.KVCache, tokens *graph.Array) *graph.Array {
	return m.Hidden(nn.Input{Tokens: tokens, Cache: cache})
}

// lastLogits is the logits of the last row.
func lastLogits(m models.Model, hidden *graph.Array) *graph.Array {
	n := hidden.Dim(0)
	return graph.AsType(m.Logits(graph.SliceAxis(hidden, 0, n-1, n)), metal.Float32)
}

// PromptFLOPs is the useful arithmetic of running a prompt of n tokens, n at least
// 1, as Tokens does: logits of the last token only. Nothing is run.
func PromptFLOPs(m models.Model, n int) (int64, error) {
	f := graph.Compile(func(in []*graph.Array) []*graph.Array {
		cache := m.NewCache()
		at := 0
		for ; n-at > prefillChunk; at += prefillChunk {
			chunk(m, cache, graph.SliceAxis(in[0], 1, at, at+prefillChunk))
		}
		logits := lastLogits(m, chunk(m, cache, graph.SliceAxis(in[0], 1, at, n)))
		return append(cache.Arrays(), logits)
	}, graph.CompileOptions{})
	defer f.Close()
	plan, err := f.Plan([]*graph.Array{graph.Placeholder(metal.Int32, 1, n)})
	if err != nil {
		return 0, err
	}
	return plan.FLOPs(), nil
}

// prefill runs the prompt in chunks and returns the logits of its last token.
// Of all chunks but the last, only keys and values are computed.
func prefill(ctx context.Context, m models.Model, cache *nn.KVCache, prompt []int32) ([]float32, error) {
	for len(prompt) > prefillChunk {
		chunk(m, cache, graph.FromSlice(prompt[:prefillChunk], 1, prefillChunk))
		if err := graph.Eval(ctx, cache.Arrays()...); err != nil {
			return nil, err
		}
		prompt = prompt[prefillChunk:]
	}
	logits := lastLogits(m, chunk(m, cache, graph.FromSlice(prompt, 1, len(prompt))))
	if err := graph.Eval(ctx, append(cache.Arrays(), logits)...); err != nil {
		return nil, err
	}
	return graph.Read[float32](ctx, logits)
}

// Text continues a prompt given as text and writes the continuation to w as it
// comes.
func Text(ctx context.Context, m models.Model, tok *tokenizer.Tokenizer, prompt []int32, opt Options, w io.Writer) (Stats, error) {
	opt.Stop = append(slices.Clone(opt.Stop), tok.EOSAll()...)
	stream := tokenizer.NewStream(tok)
	var werr error
	st, err := Tokens(ctx, m, prompt, opt, func(id int32) bool {
		_, werr = io.WriteString(w, stream.Push(id))
		return werr == nil
	})
	if err == nil && werr == nil {
		_, werr = io.WriteString(w, stream.Flush())
	}
	if err == nil && werr != nil {
		err = fmt.Errorf("generate: %w", werr)
	}
	return st, err
}
