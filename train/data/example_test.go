package data_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ftmetal/ftmetal/train/data"
)

// Three examples of token ids packed into one row of eight tokens.
func Example() {
	dir, err := os.MkdirTemp("", "data")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	rows := `{"input_ids":[11,12,13],"prompt_length":1}
{"input_ids":[21,22],"prompt_length":0}
{"input_ids":[31,32],"prompt_length":1}
`
	if err := os.WriteFile(filepath.Join(dir, "train.jsonl"), []byte(rows), 0o600); err != nil {
		panic(err)
	}

	ctx := context.Background()
	files, err := data.Find(dir)
	if err != nil {
		panic(err)
	}
	corpus, err := data.Load(ctx, files.Train, nil, data.Options{VocabSize: 40, MaxTokens: 8})
	if err != nil {
		panic(err)
	}
	packed, err := data.NewPacked(corpus, data.PackedConfig{Rows: 1, SeqLen: 8, Epochs: 1, InOrder: true})
	if err != nil {
		panic(err)
	}
	batches := data.Prefetch(ctx, packed, 2)
	defer batches.Close()
	b, err := batches.Next(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println(b.Tokens)
	fmt.Println(b.Targets)
	fmt.Println(b.Positions)
	fmt.Println(b.Segments)
	fmt.Println(b.RealTokens, b.SupervisedTokens, b.Processed)
	// Output:
	// [11 12 13 21 22 31 32 0]
	// [12 13 -1 22 -1 32 -1 -1]
	// [0 1 2 0 1 0 1 0]
	// [1 1 1 2 2 3 3 0]
	// 7 4 8
}
