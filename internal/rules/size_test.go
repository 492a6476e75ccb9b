package rules

import (
	"go/ast"
	"go/format"
	"go/token"
	"strings"
	"testing"
)

const (
	maxFile     = 600 // lines
	maxFunction = 80  // lines
	maxAgents   = 60  // lines of AGENTS.md
)

func TestFilesAreShort(t *testing.T) {
	sources(t, []string{".go", ".metal", ".h", ".cpp", ".m", ".py", ".sh"}, func(path, text string) {
		if n := strings.Count(text, "\n"); n > maxFile && !strings.Contains(text, "Code generated") {
			t.Errorf("%s has %d lines, at most %d: split it by what it does", path, n, maxFile)
		}
	})
	sources(t, []string{"AGENTS.md"}, func(path, text string) {
		if n := strings.Count(text, "\n"); n > maxAgents {
			t.Errorf("%s has %d lines, at most %d", path, n, maxAgents)
		}
	})
}

func TestFunctionsAreShort(t *testing.T) {
	parsed(t, func(path string, set *token.FileSet, f *ast.File) {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			begin := set.Position(fn.Pos()).Line
			if n := set.Position(fn.End()).Line - begin + 1; n > maxFunction {
				t.Errorf("%s:%d: %s has %d lines, at most %d", path, begin, fn.Name.Name, n, maxFunction)
			}
		}
	})
}

func TestFilesAreFormatted(t *testing.T) {
	sources(t, []string{".go"}, func(path, text string) {
		want, err := format.Source([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", path, err)
		} else if string(want) != text {
			t.Errorf("%s is not formatted: gofmt -w %s", path, path)
		}
	})
}
