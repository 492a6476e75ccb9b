package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/train"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// option is the flag of a setting. It keeps the text, and checks it when it is
// parsed; train.Resolve reads it when the defaults are known.
type option struct {
	train.Option
	text string
}

// String implements pflag.Value.
func (o *option) String() string { return o.text }

// Set implements pflag.Value.
func (o *option) Set(text string) error {
	o.text = text
	return train.Set(new(train.Config), o.Name, text)
}

// Type implements pflag.Value.
func (o *option) Type() string {
	switch o.Value.(type) {
	case *int:
		return "int"
	case *float64:
		return "float"
	case *bool:
		return "bool"
	case *[]string, *[]float64:
		return "a,b,..."
	}
	return "text"
}

// flagName is an option's name on the command line.
func flagName(name string) string { return strings.ReplaceAll(name, "_", "-") }

// addOptions adds a flag for each named option. Help shows the defaults of a
// run without compat.
func addOptions(flags *pflag.FlagSet, names ...string) {
	flags.SortFlags = false
	c := train.DefaultConfig("")
	for _, o := range c.Options() {
		if !slices.Contains(names, o.Name) {
			continue
		}
		f := flags.VarPF(&option{o, train.Text(o)}, flagName(o.Name), "", o.Help)
		switch {
		case o.Name == "grad_checkpoint": // mlx-lm's is a switch
			f.NoOptDefVal = "on"
		case f.Value.Type() == "bool":
			f.NoOptDefVal = "true"
		}
	}
}

// optionsExcept lists all options but those named and the global ones.
func optionsExcept(names ...string) []string {
	var out []string
	for _, o := range new(train.Config).Options() {
		if o.Name != "device" && !slices.Contains(names, o.Name) {
			out = append(out, o.Name)
		}
	}
	return out
}

// addSettings adds -c and the flags of options.
func addSettings(cmd *cobra.Command, names []string) {
	cmd.Flags().StringP("config", "c", "", "YAML file with settings; flags override it")
	addOptions(cmd.Flags(), names...)
}

// settings resolves the configuration of a command with addSettings.
func settings(cmd *cobra.Command) (cfg *train.Config, given map[string]bool, err error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, nil, err
	}
	var flags []train.Setting
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if o, ok := f.Value.(*option); ok {
			flags = append(flags, train.Setting{Name: o.Name, Value: o.text})
		}
	})
	if cfg, given, err = train.Resolve(path, flags); err != nil {
		return nil, nil, usageError{err}
	}
	if cfg.Device == "" {
		cfg.Device = debug.Device()
	}
	return cfg, given, nil
}

// validSettings is settings for commands that need a complete configuration.
func validSettings(cmd *cobra.Command) (*train.Config, error) {
	cfg, _, err := settings(cmd)
	if err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, usageError{err}
	}
	return cfg, nil
}

// device is the value of the global flag, or of the environment.
func device(cmd *cobra.Command) string {
	if f := cmd.Flag("device"); f != nil && f.Changed {
		return f.Value.String()
	}
	return debug.Device()
}

// converted are the names that mlx_lm.convert has for flags of quantize.
var converted = map[string]string{"hf-path": "model", "mlx-path": "save-path", "q-bits": "bits", "q-group-size": "group-size", "q-mode": "mode", "quant-predicate": "recipe"}

// normalizeFlag makes the other names of options, and underscores, work on the
// command line.
func normalizeFlag(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if o, ok := new(train.Config).Lookup(name); ok {
		name = o.Name
	}
	if n, ok := converted[flagName(name)]; ok {
		name = n
	}
	return pflag.NormalizedName(flagName(name))
}

// flagError turns pflag's errors into usage errors, with a suggestion where a
// name was misspelt.
func flagError(cmd *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	if !errors.As(err, &missing) || missing.GetSpecifiedShortnames() != "" {
		return usageError{err}
	}
	var known []string
	add := func(f *pflag.Flag) {
		known = append(known, f.Name)
		if o, ok := f.Value.(*option); ok {
			known = append(append(known, o.Name), o.Aliases...)
		}
	}
	cmd.Flags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	slices.Sort(known)
	return usageError{train.Unknown(missing.GetSpecifiedName(), known)}
}
