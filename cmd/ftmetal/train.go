package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ftmetal/ftmetal/train"
	"github.com/spf13/cobra"
)

func (a *app) trainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "train --model DIR --data DIR [-c run.yaml]",
		Short: "Fine-tune a model with LoRA, or all of its weights",
		Long: "Fine-tune a model with LoRA, or all of its weights.\n\n" +
			"Flags and YAML keys are mlx-lm's; the names of Hugging Face and Axolotl work too.\n" +
			"Ctrl-C saves a checkpoint and prints the command that goes on from it.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := validSettings(cmd)
			if err != nil {
				return err
			}
			if cfg.DryRun {
				return a.dryRun(cmd.Context(), cfg)
			}
			return a.runTraining(cmd.Context(), cfg)
		},
	}
	addSettings(cmd, optionsExcept())
	return cmd
}

// dryRun prints the settings and the plan, together a settings file.
func (a *app) dryRun(ctx context.Context, cfg *train.Config) error {
	fmt.Fprint(a.out, cfg.YAML())
	plan, err := a.predict(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, "\n# "+strings.ReplaceAll(plan.String(), "\n", "\n# "))
	return nil
}

// runTraining runs with a display and a log.
func (a *app) runTraining(ctx context.Context, cfg *train.Config) error {
	log, closeLog, err := openLog(cfg.LogJSON, cfg.Resume != "")
	if err != nil {
		return err
	}
	show, stopped := display(a.out), &interruption{}
	err = a.train(ctx, cfg, func(e train.Event) {
		stopped.Report(e)
		log(e)
		show.Report(e)
	})
	show.Close()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = stopped.error(a.args, err)
	} else if err != nil && stopped.saved.Path != "" {
		err = fmt.Errorf("%w; the checkpoint of iteration %d in %s is whole; to go on: %s", err, stopped.saved.Iter, stopped.saved.Path, resumeCommand(a.args))
	}
	if logErr := closeLog(); err == nil {
		err = logErr
	}
	return err
}
