package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/train"
	"github.com/spf13/cobra"
)

// app is the program: its streams, and the functions that do the work.
type app struct {
	in       io.Reader
	out, err io.Writer
	args     []string // the command line, for repeating it

	train    func(context.Context, *train.Config, train.Reporter) error
	predict  func(context.Context, *train.Config) (train.PlanReport, error)
	measure  func(context.Context, *train.Config, int) (train.BenchReport, error)
	evaluate func(context.Context, *train.Config) (train.Evaluation, error)
	fuse     func(context.Context, train.FuseOptions) (models.SaveReport, error)
	quantize func(context.Context, string, models.QuantizeOptions) (models.SaveReport, error)
	generate func(context.Context, generation, io.Writer) (generationStats, error)
}

func newApp(in io.Reader, out, err io.Writer) *app {
	return &app{in: in, out: out, err: err, train: train.Run, predict: train.Predict, measure: train.MeasureTraining, evaluate: train.Evaluate,
		fuse: train.Fuse, quantize: quantizeModel, generate: generateText}
}

// usageError is a mistake in the command line or the settings file.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run executes a command line, args[0] being the program, and returns the exit
// code.
func (a *app) run(args []string) int {
	a.args = args
	ctx, release := a.interruptible()
	defer release()
	root := a.rootCommand()
	root.SetArgs(args[1:])
	err := debug.Check()
	if err != nil {
		err = usageError{err}
	} else {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	fmt.Fprintln(a.err, "ftmetal: "+strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "ftmetal",
		Short:         "Fine-tune language models on Metal, or on its software device",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(flagError)
	root.SetGlobalNormalizationFunc(normalizeFlag)
	addOptions(root.PersistentFlags(), "device")
	root.AddCommand(a.trainCommand(), a.evalCommand(), a.generateCommand(), a.fuseCommand(), a.quantizeCommand(), a.planCommand(), a.benchCommand(), a.doctorCommand(), a.devicesCommand(), a.versionCommand())
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		text := fmt.Sprintf("unknown command %q", args[0])
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		if near := train.Nearest(args[0], names); near != "" {
			text += fmt.Sprintf(" (did you mean %q?)", near)
		}
		return usageError{errors.New(text)}
	}
	return root
}

// noArguments refuses arguments that are not flags.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	switch args[0] {
	case "true", "false", "on", "off", "auto":
		return usageError{fmt.Errorf("unexpected argument %q: flags that switch something take their value after =, such as --packing=false", args[0])}
	}
	return usageError{fmt.Errorf("unexpected argument %q", args[0])}
}
