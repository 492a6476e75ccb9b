// Command parity turns a golden trajectory of mlx-lm (a folder with case.json
// and init.safetensors, see docs/parity.md) into what `ftmetal train` reads, and
// compares what that wrote with the recording.
//
//	go run ./tools/parity CASE OUT            # writes OUT/{model,data,adapter.safetensors,run.yaml}
//	go run ./tools/parity -compare CASE OUT   # after ftmetal train --config OUT/run.yaml
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/ftmetal/ftmetal/internal/parity"
)

func main() {
	compare := flag.Bool("compare", false, "compare OUT with CASE instead of making it")
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: parity [-compare] CASE OUT") }
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*compare, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "parity:", err)
		os.Exit(1)
	}
}

func run(compare bool, dir, out string) error {
	if !compare {
		return parity.Convert(dir, out)
	}
	r, err := parity.Compare(dir, out)
	if err != nil {
		return err
	}
	fmt.Println(r)
	if !r.OK() {
		return fmt.Errorf("%s is beyond the tolerance", out)
	}
	return nil
}
