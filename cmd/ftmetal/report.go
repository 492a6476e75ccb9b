package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/internal/ui"
	"github.com/ftmetal/ftmetal/train"
	"golang.org/x/term"
)

// display shows events on w: as a progress bar if that is a terminal.
func display(w io.Writer) *ui.Display {
	opt := ui.Options{Color: !debug.NoColor()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		opt.Width = func() int {
			if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
				return width
			}
			return 80
		}
	}
	return ui.New(w, opt)
}

// openLog opens the event log of a run ("" for none). A resumed run appends to
// it. close reports what went wrong while writing.
func openLog(path string, resumed bool) (report train.Reporter, close func() error, err error) {
	if path == "" {
		return func(train.Event) {}, func() error { return nil }, nil
	}
	mode := os.O_TRUNC
	if resumed {
		mode = os.O_APPEND
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|mode, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("log_json: %w", err)
	}
	log := ui.NewLog(f, nil)
	return log.Report, func() error {
		if err := errors.Join(log.Err(), f.Close()); err != nil {
			return fmt.Errorf("log_json: %w", err)
		}
		return nil
	}, nil
}
