package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) planCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan --model DIR [-c run.yaml]",
		Short: "Predict the peak memory and the time of a training step without running it",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := settings(cmd)
			if err != nil {
				return err
			}
			if err := cfg.ValidateModel(); err != nil {
				return usageError{err}
			}
			plan, err := a.predict(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.out, plan.String())
			return nil
		},
	}
	addSettings(cmd, optionsExcept("dry_run", "log_json", "profile", "resume", "save_gradients"))
	return cmd
}
