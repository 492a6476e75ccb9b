package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/generate"
	"github.com/ftmetal/ftmetal/train"
	"github.com/ftmetal/ftmetal/train/data"
)

// generation is what to generate, and with what.
type generation struct {
	model, adapter, device string
	budget                 int64
	prompt, system         string
	plain                  bool // no chat template
	maxTokens              int
	sampler                generate.Sampler
	seed                   uint64
}

// generationStats is what it took; peak is device memory in bytes, weights the
// bytes that a token reads of them.
type generationStats struct {
	generate.Stats
	peak, weights int64
}

// generateText loads a model and writes the continuation of the prompt to w.
func generateText(ctx context.Context, g generation, w io.Writer) (st generationStats, err error) {
	rt, err := graph.NewRuntime(g.device, g.budget)
	if err != nil {
		return st, err
	}
	defer rt.Close()
	graph.SetDefault(rt)
	folder, err := models.Load(g.model, rt)
	if err != nil {
		return st, err
	}
	defer folder.Close()
	if err := folder.Hold(ctx, folder.DType); err != nil {
		return st, err
	}
	if g.adapter != "" {
		if err := graph.Try(func() error { return train.LoadAdapter(folder.Model, g.adapter) }); err != nil {
			return st, err
		}
	}
	enc, err := train.NewEncoder(g.model)
	if err != nil {
		return st, err
	}
	ids, err := promptTokens(enc, g)
	if err != nil {
		return st, err
	}
	st.Stats, err = generate.Text(ctx, folder.Model, enc.Tokenizer(), ids, generate.Options{MaxTokens: g.maxTokens, Sampler: g.sampler, Seed: g.seed}, w)
	st.peak, st.weights = rt.Pool.Usage().Peak, folder.TokenBytes()
	return st, err
}

// promptTokens encodes the prompt as a conversation, or as it is when the model
// has no chat template.
func promptTokens(enc train.Encoder, g generation) ([]int32, error) {
	if g.plain {
		return enc.Encode(g.prompt, true), nil
	}
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	messages := []message{{"user", g.prompt}}
	if g.system != "" {
		messages = []message{{"system", g.system}, {"user", g.prompt}}
	}
	raw, err := json.Marshal(messages)
	if err != nil {
		return nil, err
	}
	text, err := enc.Prompt(raw)
	switch {
	case errors.Is(err, data.ErrNoChatTemplate) && g.system != "":
		return nil, fmt.Errorf("system_prompt: model %s has no chat template", g.model)
	case errors.Is(err, data.ErrNoChatTemplate):
		return enc.Encode(g.prompt, true), nil
	case err != nil:
		return nil, err
	}
	return enc.Encode(text, false), nil
}
