package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

var wanted = regexp.MustCompile("// want `([^`]*)`")

// unmet compares the findings of a fixture with its "want" comments, and
// returns what is missing and what is too much.
func unmet(s *source) []string {
	var wrong []string
	met := make([]bool, len(s.found))
	for i, line := range strings.Split(s.text, "\n") {
		for _, w := range wanted.FindAllStringSubmatch(line, -1) {
			hit := false
			for k, f := range s.found {
				if f.line == i+1 && strings.Contains(f.what, w[1]) {
					met[k], hit = true, true
				}
			}
			if !hit {
				wrong = append(wrong, fmt.Sprintf("%s:%d: the fault is not found: %s", s.path, i+1, w[1]))
			}
		}
	}
	for k, f := range s.found {
		if !met[k] {
			wrong = append(wrong, "unexpected: "+f.String())
		}
	}
	return wrong
}

// fixtures compiles files with planted faults: clang must see all of them, and
// nothing else.
func (c *clang) fixtures(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.metal"))
	if err != nil || len(paths) == 0 {
		return fmt.Errorf("no fixtures in %s", dir)
	}
	for _, p := range paths {
		s, err := (&loader{root: "kernels", files: map[string]*source{}}).load(p)
		if err != nil {
			return err
		}
		if err := c.check(s); err != nil {
			return err
		}
		if wrong := unmet(s); wrong != nil {
			return fmt.Errorf("a planted fault passes:\n%s", strings.Join(wrong, "\n"))
		}
	}
	fmt.Printf("%d files with planted faults: clang finds every one\n", len(paths))
	return nil
}
