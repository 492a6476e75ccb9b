package darwin

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/kernels"
)

// Metal compiles one string, without files to include. So a kernel file's
// headers are put in its place of each include, once, with #line directives so
// that errors keep their file and line.

var (
	include = regexp.MustCompile(`^\s*#\s*include\s+"([^"]+)"`)
	once    = regexp.MustCompile(`^\s*#\s*pragma\s+once\b`)
)

// Source is the kernel file stem.metal as Metal's compiler gets it. tensor tells
// the file whether the device has tensor operations: TENSOR_OPS is 1
// then, else 0.
func Source(stem string, tensor bool) (string, error) {
	in := newInliner(tensor)
	if err := in.file(stem + ".metal"); err != nil {
		return "", err
	}
	return in.out.String(), nil
}

type inliner struct {
	out  strings.Builder
	seen map[string]bool
}

func newInliner(tensor bool) *inliner {
	in := &inliner{seen: map[string]bool{}}
	fmt.Fprintf(&in.out, "#define TENSOR_OPS %d\n", tensorOps(tensor))
	return in
}

// tensorOps is the value of TENSOR_OPS.
func tensorOps(tensor bool) int {
	if tensor {
		return 1
	}
	return 0
}

func (in *inliner) file(name string) error {
	text, err := kernels.Files.ReadFile(name)
	if err != nil {
		return fmt.Errorf("kernel source %s: %w", name, err)
	}
	in.seen[name] = true
	return in.text(name, string(text))
}

func (in *inliner) text(name, text string) error {
	fmt.Fprintf(&in.out, "#line 1 %q\n", name)
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		m := include.FindStringSubmatch(line)
		switch {
		case once.MatchString(line):
			in.out.WriteString("\n")
		case m == nil || !embedded(m[1]):
			// What is not among the kernels is for other compilers: kernel.h
			// includes the software device's library where Metal is not.
			in.out.WriteString(line + "\n")
		case in.seen[m[1]]:
			in.out.WriteString("\n")
		default:
			if err := in.file(m[1]); err != nil {
				return err
			}
			fmt.Fprintf(&in.out, "#line %d %q\n", i+2, name)
		}
	}
	return nil
}

func embedded(name string) bool {
	info, err := fs.Stat(kernels.Files, path.Clean(name))
	return err == nil && !info.IsDir()
}

// Stems lists the kernel files.
func Stems() []string {
	files, err := fs.Glob(kernels.Files, "*.metal")
	if err != nil {
		panic(err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(f, ".metal")
	}
	slices.Sort(files)
	return files
}
