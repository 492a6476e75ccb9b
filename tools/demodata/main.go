package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/ftmetal/ftmetal/internal/atomicfile"
	"github.com/ftmetal/ftmetal/models/tokenizer"
)

// Streams of the generator: what is made from one seed by different commands
// has nothing in common.
const (
	streamTrain = iota + 1
	streamValid
	streamTokenizer
	streamOrders
)

// validRows is the size of the corpus's valid.jsonl.
const validRows = 400

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demodata:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("want corpus, tokenizer, orders or score")
	}
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	out := f.String("out", "", "folder or file to write")
	seed := f.Uint64("seed", 1, "seed")
	switch args[0] {
	case "corpus":
		rows := f.Int("rows", 160_000, "conversations")
		return parsed(f, args, func() error { return writeCorpus(*out, *seed, *rows) })
	case "tokenizer":
		rows := f.Int("rows", 60_000, "conversations to learn from")
		size := f.Int("vocab-size", 2048, "tokens")
		return parsed(f, args, func() error { return writeTokenizer(*out, *seed, *rows, *size) })
	case "orders":
		train, valid, test := f.Int("train", 480, "training rows"), f.Int("valid", 48, "validation rows"), f.Int("test", 200, "test rows")
		return parsed(f, args, func() error { return writeSplits(*out, orderSplits(*seed, *train, *valid, *test)) })
	case "score":
		o := scoreFlags(f)
		return parsed(f, args, func() error { return score(ctx, *o, os.Stdout) })
	}
	return fmt.Errorf("unknown command %q, want corpus, tokenizer, orders or score", args[0])
}

// parsed runs do when the flags are in order.
func parsed(f *flag.FlagSet, args []string, do func() error) error {
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%s: unexpected argument %q", args[0], f.Arg(0))
	}
	if o := f.Lookup("out"); args[0] != "score" && o.Value.String() == "" {
		return fmt.Errorf("%s: -out is missing", args[0])
	}
	return do()
}

func writeCorpus(dir string, seed uint64, rows int) error {
	splits := map[string][]row{}
	for _, s := range []struct {
		name   string
		stream uint64
		n      int
	}{{"train", streamTrain, rows}, {"valid", streamValid, validRows}} {
		c := newCorpus(seed, s.stream)
		for range s.n {
			splits[s.name] = append(splits[s.name], c.next())
		}
	}
	return writeSplits(dir, splits)
}

// writeSplits writes one file of rows for each split.
func writeSplits(dir string, splits map[string][]row) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, rows := range splits {
		if err := writeRows(filepath.Join(dir, name+".jsonl"), rows); err != nil {
			return err
		}
	}
	return nil
}

func writeRows(path string, rows []row) error {
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		for _, r := range rows {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// specials are the tokens of the chat template, ids 0, 1 and 2.
var specials = []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}

// writeTokenizer trains on what the messages say, with a line break before each
// as the chat template has it.
func writeTokenizer(path string, seed uint64, rows, size int) error {
	c := newCorpus(seed, streamTokenizer)
	texts := func(yield func(string) bool) {
		for range rows {
			for _, m := range c.next().Messages {
				if !yield(m.Role+"\n") || !yield(m.Content) {
					return
				}
			}
		}
	}
	raw, err := tokenizer.Train(texts, tokenizer.TrainOptions{VocabSize: size, SpecialTokens: specials, Pattern: tokenizer.PatternQwen2})
	if err != nil {
		return err
	}
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
}
