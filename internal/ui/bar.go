package ui

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/train"
)

// Bar is the state of the progress line.
type Bar struct {
	iter, iters int
	loss        float64
	trend       string // ▼ or ▲: the last report against the one before
	report      *train.Progress
	first       *train.Step // of this process; a resumed run starts late
	eta         time.Duration
	known       bool // whether eta is
}

// Update takes an event into account.
func (b *Bar) Update(e train.Event) {
	switch e := e.(type) {
	case train.Started:
		*b = Bar{iter: e.FirstIter, iters: e.Iters}
	case train.Step:
		b.iter, b.iters = e.Iter, e.Iters
		if b.report == nil {
			b.loss = e.Loss
		}
		if b.first == nil {
			b.first = &e
		}
		if done := e.Iter - b.first.Iter; done > 0 {
			per := float64(e.Elapsed-b.first.Elapsed) / float64(done)
			b.eta, b.known = time.Duration(per*float64(e.Iters-e.Iter)), true
		}
	case train.Progress:
		if b.report != nil {
			b.trend = "▼"
			if e.Loss > b.report.Loss {
				b.trend = "▲"
			}
		}
		b.loss, b.report = e.Loss, &e
	}
}

// ANSI styles.
const (
	green, red, dim, plain = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"
)

// part is a piece of the line. Parts of a lower rank stay longer when space is
// short; rank 0 always stays.
type part struct {
	text, style string
	rank        int
}

// Line draws the bar in at most width columns.
func (b *Bar) Line(width int, color bool) string {
	parts := b.parts()
	const least = 6 // columns of the bar with its ends and a space, at least
	for rank := 5; rank > 0 && columns(parts)+least > width; rank-- {
		kept := parts[:0]
		for _, p := range parts {
			if p.rank != rank {
				kept = append(kept, p)
			}
		}
		parts = kept
	}
	var s strings.Builder
	if cells := min(width-columns(parts)-3, 30); cells >= least-3 {
		paint(&s, part{text: gauge(b.iter, b.iters, cells), style: green}, color)
		s.WriteByte(' ')
	}
	for i, p := range parts {
		if i > 0 {
			s.WriteByte(' ')
		}
		paint(&s, p, color)
	}
	return s.String()
}

// parts are the pieces right of the bar, in the order in which they are shown.
func (b *Bar) parts() []part {
	parts := []part{{text: fmt.Sprintf("%d/%d", b.iter, b.iters)}}
	if b.iter > 0 && (b.report != nil || b.first != nil) {
		parts = append(parts, part{text: fmt.Sprintf("loss %.3f", b.loss), rank: 1})
	}
	if b.trend != "" {
		style := green
		if b.trend == "▲" {
			style = red
		}
		parts = append(parts, part{b.trend, style, 1})
	}
	if r := b.report; r != nil {
		parts = append(parts, part{text: Grouped(int64(r.ProcessedPerSec+0.5)) + " tok/s", rank: 3},
			part{fmt.Sprintf("(real %s, supervised %s)", Grouped(int64(r.RealPerSec+0.5)), Grouped(int64(r.SupervisedPerSec+0.5))), dim, 5},
			part{text: "peak " + metal.FormatBytes(r.PeakBytes), rank: 4})
		if f := r.Frozen; f.Kept+f.Computed > 0 {
			parts = append(parts, part{fmt.Sprintf("cached %.0f%%", 100*float64(f.Kept)/float64(f.Kept+f.Computed)), dim, 5})
		}
	}
	if b.known {
		parts = append(parts, part{text: "ETA " + Short(b.eta), rank: 2})
	}
	return parts
}

// columns is the width of parts with spaces between them.
func columns(parts []part) int {
	n := len(parts) - 1
	for _, p := range parts {
		n += utf8.RuneCountInString(p.text)
	}
	return n
}

func paint(s *strings.Builder, p part, color bool) {
	if color && p.style != "" {
		s.WriteString(p.style + p.text + plain)
		return
	}
	s.WriteString(p.text)
}

// gauge is a bar of cells columns between ▕ and ▏, filled to an eighth of a
// column.
func gauge(done, of, cells int) string {
	eighths := 0
	if of > 0 {
		eighths = min(max(done, 0), of) * 8 * cells / of
	}
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return "▕" + s + strings.Repeat(" ", cells-utf8.RuneCountInString(s)) + "▏"
}
