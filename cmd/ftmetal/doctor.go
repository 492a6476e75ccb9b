package main

import (
	"encoding/json"
	"io"
	"os"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/internal/doctor"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func (a *app) doctorCommand() *cobra.Command {
	var opt doctor.Options
	var only []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [--device NAME] [--quick] [--only KERNELS] [--out FILE]",
		Short: "Check every kernel on the device, and write a report for a bug",
		Long: "Run every kernel on the device and compare the results with references in float64,\n" +
			"repeat what needs barriers, and measure a matrix product and memory.\n\n" +
			"A row of the table is a kernel in one dtype: error and allowed are of the element\n" +
			"that came closest to its bound, device is the time that the device gives. On an\n" +
			"Apple GPU each case also runs on the software device; as soft is the part of the\n" +
			"cases that have the same bits there, which float types need not.\n\n" +
			"The exit code is 1 when something fails. The report is a JSON file to attach to a\n" +
			"bug report.",
		Example: "  ftmetal doctor\n  ftmetal doctor --quick --out \"\"\n  ftmetal doctor --device metal --only gemm,rms_norm/bf16",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if opt.Cases, err = doctor.Select(only, opt.Quick); err != nil {
				return usageError{err}
			}
			opt.Device, opt.Partial, opt.Version, opt.Command = device(cmd), len(only) > 0, versionText(), a.args
			if !asJSON {
				opt.Text = a.out
				opt.Width, opt.Color = terminal(a.out)
			}
			report, err := doctor.Run(cmd.Context(), opt)
			if asJSON {
				enc := json.NewEncoder(a.out)
				enc.SetIndent("", "  ")
				if err := enc.Encode(report); err != nil {
					return err
				}
			}
			return err
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&opt.Out, "out", "ftmetal-doctor.json", `file of the report; "" writes none`)
	cmd.Flags().StringSliceVar(&only, "only", nil, "run only cases whose names begin so, such as gemm or rms_norm/bf16, and nothing else")
	cmd.Flags().BoolVar(&opt.Quick, "quick", false, "as few cases as launch every kernel, and short measurements")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report instead of the table")
	return cmd
}

// terminal is the width of w, 0 if it is no terminal, and whether to use colours
// there.
func terminal(w io.Writer) (width int, color bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width, !debug.NoColor()
	}
	return 80, !debug.NoColor()
}
