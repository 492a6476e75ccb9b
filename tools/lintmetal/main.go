package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	rulesOnly := flag.Bool("rules", false, "leave clang out")
	compiler := flag.String("clang", "clang", "the compiler")
	flag.Parse()
	if err := run(flag.Args(), *rulesOnly, *compiler); err != nil {
		fmt.Fprintln(os.Stderr, "lintmetal:", err)
		os.Exit(1)
	}
}

// run checks the named files, or all kernels, from the root of the repository.
func run(paths []string, rulesOnly bool, compiler string) error {
	if len(paths) == 0 {
		all, err := filepath.Glob("kernels/*.metal")
		if err != nil || len(all) == 0 {
			return fmt.Errorf("no kernels/*.metal here: run it in the root of the repository")
		}
		paths = all
	}
	l := &loader{root: "kernels", files: map[string]*source{}}
	files, err := lint(l, paths)
	if err != nil {
		return err
	}
	if !rulesOnly {
		c, err := newClang(compiler)
		if err != nil {
			return err
		}
		defer c.close()
		if err := c.fixtures("tools/lintmetal/testdata/clang"); err != nil {
			return err
		}
		for _, p := range paths {
			if err := c.check(l.files[p]); err != nil {
				return err
			}
		}
	}
	total := 0
	for _, s := range files {
		fmt.Printf("%-32s %s\n", s.path, verdict(len(s.found)))
		for _, f := range s.found {
			fmt.Println(f)
		}
		total += len(s.found)
	}
	if total > 0 {
		return fmt.Errorf("%d broken rules; docs/kernel-dialect.md has them", total)
	}
	return nil
}

func verdict(n int) string {
	if n == 0 {
		return "ok"
	}
	return "FAIL"
}
