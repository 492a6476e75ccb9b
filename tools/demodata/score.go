package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/generate"
	"github.com/ftmetal/ftmetal/models/tokenizer"
	"github.com/ftmetal/ftmetal/train"

	_ "github.com/ftmetal/ftmetal/metal/all"
)

// maxAnswer is more tokens than any answer of the demo has.
const maxAnswer = 120

// scoring says what to score.
type scoring struct {
	model, adapter, data, log *string
	rows                      *int
	least                     *float64
}

func scoreFlags(f *flag.FlagSet) *scoring {
	return &scoring{f.String("model", "", "folder of the model"), f.String("adapter", "", "folder of the adapter"),
		f.String("data", "", "file of conversations with one answer"), f.String("log", "", "log of the training (log_json), to check that the loss fell"),
		f.Int("n", 40, "rows to score, from the start of the file"), f.Float64("min", 0, "least percentage of exact answers with the adapter")}
}

// score counts exact answers without and with the adapter, and fails when they
// are too few or the validation loss did not fall.
func score(ctx context.Context, o scoring, w io.Writer) error {
	rows, err := readRows(*o.data, *o.rows)
	if err != nil {
		return err
	}
	rt, err := graph.NewRuntime(debug.Device(), 0)
	if err != nil {
		return err
	}
	defer rt.Device.Close()
	graph.SetDefault(rt)
	folder, err := models.Load(*o.model, rt)
	if err != nil {
		return err
	}
	defer folder.Close()
	enc, err := train.NewEncoder(*o.model)
	if err != nil {
		return err
	}
	s := &scorer{folder.Model, enc, rows}
	before, err := s.percentage(ctx)
	if err != nil {
		return err
	}
	if *o.adapter == "" {
		fmt.Fprintf(w, "exact match on %d rows: %.4g %%\n", len(rows), before)
		return nil
	}
	if err := graph.Try(func() error { return train.LoadAdapter(folder.Model, *o.adapter) }); err != nil {
		return err
	}
	after, err := s.percentage(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "exact match on %d held-out rows: %.4g %% before, %.4g %% after\n", len(rows), before, after)
	if after < *o.least {
		return fmt.Errorf("score: %.4g %% of the answers are exact, want at least %.4g %%", after, *o.least)
	}
	return checkLog(*o.log, w)
}

// scorer asks a model the questions of rows.
type scorer struct {
	model models.Model
	enc   train.Encoder
	rows  []row
}

// percentage is the share of rows that the model answers exactly.
func (s *scorer) percentage(ctx context.Context) (float64, error) {
	exact := 0
	for _, r := range s.rows {
		ok, err := s.exact(ctx, r)
		if err != nil {
			return 0, err
		}
		if ok {
			exact++
		}
	}
	return 100 * float64(exact) / float64(len(s.rows)), nil
}

// exact compares the greedy answer with the row's last message, and stops
// generating where they part.
func (s *scorer) exact(ctx context.Context, r row) (bool, error) {
	last := len(r.Messages) - 1
	raw, err := json.Marshal(r.Messages[:last])
	if err != nil {
		return false, err
	}
	prompt, err := s.enc.Prompt(raw)
	if err != nil {
		return false, err
	}
	tok := s.enc.Tokenizer()
	want, got, stream := r.Messages[last].Content, "", tokenizer.NewStream(tok)
	st, err := generate.Tokens(ctx, s.model, s.enc.Encode(prompt, false), generate.Options{MaxTokens: maxAnswer, Stop: tok.EOSAll()}, func(id int32) bool {
		got += stream.Push(id)
		return strings.HasPrefix(want, got)
	})
	return st.Stopped && got+stream.Flush() == want, err
}

// readRows reads the first n conversations of a file.
func readRows(path string, n int) ([]row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rows []row
	for lines := bufio.NewScanner(f); len(rows) < n && lines.Scan(); {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil || len(r.Messages) < 2 {
			return nil, fmt.Errorf("%s:%d: want a row with messages", path, len(rows)+1)
		}
		rows = append(rows, r)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s: no rows", path)
	}
	return rows, nil
}

// checkLog prints the first and the last validation loss of a training log, and
// fails unless the last is less than half of the first. An empty path has none.
func checkLog(path string, w io.Writer) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var losses []float64
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e struct {
			Type string   `json:"type"`
			Loss *float64 `json:"loss"`
			Test bool     `json:"test"`
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if e.Type == "validated" && !e.Test && e.Loss != nil {
			losses = append(losses, *e.Loss)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(losses) < 2 {
		return fmt.Errorf("%s: %d validations, want at least 2", path, len(losses))
	}
	first, last := losses[0], losses[len(losses)-1]
	fmt.Fprintf(w, "validation loss: %.3f before, %.3f after\n", first, last)
	if !(last < first/2) {
		return fmt.Errorf("%s: the validation loss went from %.3f to %.3f, want less than half", path, first, last)
	}
	return nil
}
