package main

import (
	"fmt"
	"io"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/spf13/cobra"
)

func (a *app) devicesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "devices",
		Short: "List the devices, and say which one is used and why",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return listDevices(a.out, device(cmd))
		},
	}
}

// listDevices describes every device of the build, and the one that Open(name)
// picks.
func listDevices(w io.Writer, name string) error {
	for _, n := range metal.Names() {
		dev, _, err := metal.Open(n)
		if err != nil {
			fmt.Fprintf(w, "%-6s not usable: %v\n", n, err)
			continue
		}
		info := dev.Info()
		fmt.Fprintf(w, "%-6s %s, memory: %s, largest buffer: %s\n", n, info.Name, size(info.MemoryBytes), size(info.MaxBuffer))
		if err := dev.Close(); err != nil {
			return err
		}
	}
	dev, choice, err := metal.Open(name)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Used: %s (%s)\n", choice.Name, choice.Reason)
	return dev.Close()
}

// size is a number of bytes; devices that hold nothing say that all fits.
func size(n int64) string {
	if n >= 1<<60 {
		return "no limit"
	}
	return metal.FormatBytes(n)
}
