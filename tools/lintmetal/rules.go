package main

import "sort"

// rules are the checks that need no compiler. Those of kernels see .metal files
// only.
var rules = []struct {
	kernels bool
	check   func(*source)
}{
	{false, words},
	{false, spaces},
	{false, flow},
	{false, headers},
	{false, memory},
	{true, signatures},
	{true, names},
}

// lint runs the rules on the files and on what they include. The findings are
// in the files, in the order of their lines.
func lint(l *loader, paths []string) ([]*source, error) {
	var kernels []*source
	for _, p := range paths {
		s, err := l.load(p)
		if err != nil {
			return nil, err
		}
		kernels = append(kernels, s)
	}
	isKernel := map[*source]bool{}
	files := append([]*source{}, kernels...)
	for _, s := range kernels {
		isKernel[s] = true
	}
	for _, s := range l.files {
		if !isKernel[s] {
			files = append(files, s)
		}
	}
	for _, s := range files {
		for _, r := range rules {
			if !r.kernels || isKernel[s] {
				r.check(s)
			}
		}
	}
	unique(kernels)
	sort.Slice(files, func(i, j int) bool { return files[i].path < files[j].path })
	for _, s := range files {
		sort.SliceStable(s.found, func(i, j int) bool { return s.found[i].line < s.found[j].line })
	}
	return files, nil
}
