package ui

import (
	"io"
	"strings"
	"time"

	"github.com/ftmetal/ftmetal/train"
)

// redrawEvery is the least time between two drawings of the bar.
const redrawEvery = 100 * time.Millisecond

// Options says what a Display writes to.
type Options struct {
	Width func() int       // columns of the terminal; nil: not a terminal
	Color bool             // whether to use colours
	Now   func() time.Time // the clock; nil: time.Now
}

// Display writes the events of a run to a terminal, a file or a pipe.
type Display struct {
	w     io.Writer
	opt   Options
	bar   Bar
	shown bool // whether the bar is on the screen
	drawn time.Time
}

// New makes a Display that writes to w.
func New(w io.Writer, opt Options) *Display {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Display{w: w, opt: opt}
}

// Report shows an event; it is a train.Reporter. Failures to write to a
// terminal are of no interest to a run.
func (d *Display) Report(e train.Event) {
	if d.opt.Width == nil {
		for _, line := range Classic(e) {
			io.WriteString(d.w, line+"\n")
		}
		return
	}
	d.bar.Update(e)
	switch e := e.(type) {
	case train.Step:
		if now := d.opt.Now(); now.Sub(d.drawn) >= redrawEvery || e.Iter == e.Iters {
			d.draw()
		}
	case train.Progress:
		d.draw()
	case train.Finished:
		d.print(Classic(e))
	default:
		again := d.shown
		d.print(Classic(e))
		if again {
			d.draw()
		}
	}
}

// Close takes the bar off the screen, so that other text can follow.
func (d *Display) Close() { d.print(nil) }

// print writes lines that stay, in place of the bar.
func (d *Display) print(lines []string) {
	var s strings.Builder
	if d.shown {
		s.WriteString("\r\x1b[K")
	}
	for _, line := range lines {
		s.WriteString(line + "\n")
	}
	io.WriteString(d.w, s.String())
	d.shown = false
}

// draw puts the bar on the screen, one column short of the edge, where some
// terminals would wrap.
func (d *Display) draw() {
	io.WriteString(d.w, "\r"+d.bar.Line(max(d.opt.Width()-1, 1), d.opt.Color)+"\x1b[K")
	d.shown, d.drawn = true, d.opt.Now()
}
