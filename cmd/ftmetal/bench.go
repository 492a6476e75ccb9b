package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) benchCommand() *cobra.Command {
	var runs int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench --model DIR [--data DIR] [-c run.yaml]",
		Short: "Measure training: tokens a second, MFU, memory, energy",
		Long: "Measure the training that the settings describe, without keeping anything of it.\n\n" +
			"A run is a pass over the data, or one step on random tokens without data; one run\n" +
			"warms up. MFU is against a matrix product measured on the spot, in the same dtype.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := settings(cmd)
			if err != nil {
				return err
			}
			if err := cfg.ValidateModel(); err != nil {
				return usageError{err}
			}
			if runs < 1 {
				return usageError{fmt.Errorf("runs is %d, want at least 1", runs)}
			}
			report, err := a.measure(cmd.Context(), cfg, runs)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(a.out)
				enc.SetIndent("", "  ")
				return enc.Encode(report)
			}
			fmt.Fprint(a.out, report)
			return nil
		},
	}
	addSettings(cmd, optionsExcept("dry_run", "log_json", "profile", "resume", "save_gradients", "iters", "num_epochs", "max_steps", "val_batches", "test_batches",
		"steps_per_report", "steps_per_eval", "save_every", "save_total_limit", "early_stopping_patience", "test", "train", "adapter_path"))
	cmd.Flags().IntVar(&runs, "runs", 3, "runs to measure")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
