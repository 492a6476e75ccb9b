package main

import (
	"fmt"
	"math"

	"github.com/spf13/cobra"
)

// evalOptions are the settings that an evaluation reads.
var evalOptions = []string{"model", "data", "adapter_path", "compat", "batch_size", "max_seq_length", "truncate", "packing", "mask_prompt", "train_on_all",
	"test_batches", "memory_limit", "seed", "prompt_feature", "completion_feature", "text_feature", "chat_feature", "sort_by_length", "dtype"}

func (a *app) evalCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "eval --model DIR [--adapter-path DIR] --data DIR",
		Short: "Measure the loss and perplexity of a model on the test split",
		Long:  "Measure the loss and perplexity of a model, with an adapter or without, on\ntest.jsonl of a folder, else valid.jsonl, else on the file that --data is.",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, given, err := settings(cmd)
			if err != nil {
				return err
			}
			if !given["adapter_path"] {
				cfg.AdapterPath = "" // the default is for training
			}
			if err := cfg.Validate(); err != nil {
				return usageError{err}
			}
			ev, err := a.evaluate(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s: loss %.4f, perplexity %.4f (%d batches)\n", ev.File, ev.Loss, math.Exp(ev.Loss), ev.Batches)
			return nil
		},
	}
	addSettings(cmd, evalOptions)
	cmd.Flag("adapter-path").DefValue = ""
	return cmd
}
