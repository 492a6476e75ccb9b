package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ftmetal/ftmetal/train"
)

// interruptible is a context that ends at Ctrl-C or SIGTERM. From then on the
// signals have their usual effect, so that a second one ends the process.
func (a *app) interruptible() (context.Context, func()) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	quiet := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			stop()
			fmt.Fprintln(a.err, "\nftmetal: stopping; Ctrl-C again quits at once")
		case <-quiet:
		}
	}()
	return ctx, func() {
		close(quiet)
		stop()
	}
}

// interruption follows a run, to tell what became of it when it was interrupted.
type interruption struct {
	started, finished bool
	saved             train.Saved
}

// Report is a train.Reporter.
func (i *interruption) Report(e train.Event) {
	switch e := e.(type) {
	case train.Started:
		i.started = true
	case train.Saved:
		i.saved = e
	case train.Finished:
		i.finished = true
	}
}

// error says where an interrupted run can go on, and how; cause is what the run
// returned.
func (i *interruption) error(args []string, cause error) error {
	switch {
	case !i.started:
		return errors.New("interrupted before training began: nothing was saved")
	case !i.finished:
		return fmt.Errorf("interrupted: %v", cause)
	}
	return fmt.Errorf("interrupted; a checkpoint of iteration %d was saved in %s; to go on: %s", i.saved.Iter, i.saved.Path, resumeCommand(args))
}

// resumeCommand is the command line that continues a run from its last
// checkpoint.
func resumeCommand(args []string) string {
	out := []string{}
	for i := 0; i < len(args); i++ {
		name, _, joined := strings.Cut(args[i], "=")
		if long, ok := strings.CutPrefix(name, "--"); ok && normalizeFlag(nil, long) == "resume" {
			if !joined {
				i++
			}
			continue
		}
		out = append(out, shellQuote(args[i]))
	}
	return strings.Join(append(out, "--resume", "auto"), " ")
}

// shellQuote writes an argument as a POSIX shell reads it.
func shellQuote(s string) string {
	special := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_./-=,:+@%", r))
	}
	if s != "" && strings.IndexFunc(s, special) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
