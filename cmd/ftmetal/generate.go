package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ftmetal/ftmetal/models/generate"
	"github.com/ftmetal/ftmetal/train"
	"github.com/spf13/cobra"
)

func (a *app) generateCommand() *cobra.Command {
	g := generation{sampler: generate.Sampler{TopP: 1}}
	var memory string
	cmd := &cobra.Command{
		Use:   "generate --model DIR [--adapter-path DIR] --prompt TEXT",
		Short: "Continue a prompt",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := g.complete(a.in, memory); err != nil {
				return err
			}
			g.device = device(cmd)
			st, err := a.generate(cmd.Context(), g, a.out)
			if st.Tokens > 0 {
				fmt.Fprintln(a.out)
			}
			if err != nil {
				return err
			}
			fmt.Fprint(a.err, st)
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&g.model, "model", "", "folder of the model")
	f.StringVar(&g.adapter, "adapter-path", "", "folder of an adapter")
	f.StringVarP(&g.prompt, "prompt", "p", "", "the prompt; - reads it from the standard input")
	f.StringVar(&g.system, "system-prompt", "", "system message before the prompt")
	f.BoolVar(&g.plain, "ignore-chat-template", false, "take the prompt as it is")
	f.IntVarP(&g.maxTokens, "max-tokens", "m", 100, "tokens to make at most")
	f.Float64Var(&g.sampler.Temp, "temp", 0, "temperature; 0 always takes the most likely token")
	f.Float64Var(&g.sampler.TopP, "top-p", 1, "keep the most likely tokens whose probabilities sum to this")
	f.Float64Var(&g.sampler.MinP, "min-p", 0, "keep tokens at least this likely, relative to the most likely one")
	f.IntVar(&g.sampler.TopK, "top-k", 0, "keep this many of the most likely tokens; 0: all")
	f.Uint64Var(&g.seed, "seed", 0, "seed of the sampling")
	f.StringVar(&memory, "memory-limit", "", "most device memory to use, such as 8GiB")
	return cmd
}

// complete checks the flags and reads a prompt from in when it is "-".
func (g *generation) complete(in io.Reader, memory string) error {
	var err error
	if g.budget, err = train.ParseBytes(memory); err != nil {
		return usageError{err}
	}
	switch {
	case g.model == "":
		return usageError{errors.New("model is missing: give the folder of a model with --model DIR")}
	case g.prompt == "":
		return usageError{errors.New("prompt is missing: give it with --prompt TEXT, or --prompt - to read it")}
	case g.plain && g.system != "":
		return usageError{errors.New("system_prompt needs the chat template that ignore_chat_template leaves out")}
	case g.maxTokens < 1:
		return usageError{fmt.Errorf("max_tokens is %d, want at least 1", g.maxTokens)}
	}
	if err := g.sampler.Validate(); err != nil {
		return usageError{err}
	}
	if g.prompt == "-" {
		text, err := io.ReadAll(in)
		if err != nil {
			return fmt.Errorf("prompt: %w", err)
		}
		if g.prompt = string(text); strings.TrimSpace(g.prompt) == "" {
			return errors.New("prompt: the standard input is empty")
		}
	}
	return nil
}

// String is the rates as mlx-lm prints them, and that of reading weights.
func (s generationStats) String() string {
	rate := func(n int, d time.Duration) float64 { return float64(n) / max(d.Seconds(), 1e-9) }
	return fmt.Sprintf("Prompt: %d tokens, %.3f tokens-per-sec\nGeneration: %d tokens, %.3f tokens-per-sec (weights at %.1f GB/s)\nPeak memory: %.3f GB\n",
		s.PromptTokens, rate(s.PromptTokens, s.PromptTime), s.Tokens, rate(s.Tokens, s.Time), rate(s.Tokens, s.Time)*float64(s.weights)/1e9, float64(s.peak)/1e9)
}
