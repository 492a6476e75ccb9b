package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) planCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan --model DIR --data DIR [-c run.yaml]",
		Short: "Predict the memory and the work of a training step without running it",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := validSettings(cmd)
			if err != nil {
				return err
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
