// Package ui shows the events of a training run: a progress bar on a terminal,
// mlx-lm's lines of text when the output is a file or a pipe, and one JSON
// object per event in a log.
//
// Every text is a pure function of events and the time; Display and Log only
// write it. Start at display.go.
package ui
