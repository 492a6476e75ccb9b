package rules

import (
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated parts of docs")

// A package opens with doc.go; one of a single file may open with that.
func TestPackagesHaveDocs(t *testing.T) {
	files, documented := map[string][]string{}, map[string]string{}
	parsed(t, func(file string, _ *token.FileSet, f *ast.File) {
		if isTest(file) {
			return
		}
		dir := path.Dir(file)
		files[dir] = append(files[dir], file)
		if f.Doc != nil {
			documented[dir] = path.Base(file)
		}
	})
	for dir, all := range files {
		switch {
		case documented[dir] == "":
			t.Errorf("package %s has no package comment: add doc.go", dir)
		case len(all) > 1 && documented[dir] != "doc.go":
			t.Errorf("package %s has its comment in %s: move it to doc.go", dir, documented[dir])
		}
	}
}

// Exported names have comments; the method of the error interface needs none.
func TestExportedNamesHaveDocs(t *testing.T) {
	parsed(t, func(file string, set *token.FileSet, f *ast.File) {
		if isTest(file) || f.Name.Name == "main" {
			return
		}
		missing := func(n ast.Node, name string) {
			t.Errorf("%s:%d: %s has no comment", file, set.Position(n.Pos()).Line, name)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Doc == nil && d.Name.IsExported() && d.Name.Name != "Error" && receiverIsExported(d) {
					missing(d, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if name := undocumented(d, s); name != "" {
						missing(s, name)
					}
				}
			}
		}
	})
}

func receiverIsExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	x := d.Recv.List[0].Type
	for {
		switch e := x.(type) {
		case *ast.StarExpr:
			x = e.X
		case *ast.IndexExpr:
			x = e.X
		case *ast.IndexListExpr:
			x = e.X
		case *ast.Ident:
			return e.IsExported()
		default:
			return true
		}
	}
}

// undocumented is the exported name of s without a comment, "" for none. A
// comment on a group covers constants and variables, not types.
func undocumented(d *ast.GenDecl, s ast.Spec) string {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && s.Comment == nil && (d.Doc == nil || d.Lparen.IsValid()) {
			return s.Name.Name
		}
	case *ast.ValueSpec:
		if s.Names[0].IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
			return s.Names[0].Name
		}
	}
	return ""
}

// The table of environment variables in docs/debugging.md is what internal/debug
// declares.
func TestDebuggingListsTheVariables(t *testing.T) {
	var table strings.Builder
	table.WriteString("| variable | default | effect |\n|---|---|---|\n")
	for _, v := range debug.Variables() {
		def := v.Default
		if def == "" {
			def = "empty"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", v.Name, def, v.Help)
	}
	generated(t, "docs/debugging.md", table.String())
}

// generated compares the generated part of a document with text, or writes it.
func generated(t *testing.T, name, text string) {
	t.Helper()
	const begin, end = "<!-- written by go test ./internal/rules -update -->\n", "<!-- end -->\n"
	file := filepath.Join(root, name)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(data), begin)
	require.True(t, ok, "%s has no line %s", name, begin)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no line %s", name, end)
	want := before + begin + text + end + after
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.True(t, want == string(data), "%s is not what the source says: run make generate", name)
}

// Every variable that a document, a script or a message names is declared.
func TestNamedVariablesExist(t *testing.T) {
	declared := map[string]bool{}
	for _, v := range debug.Variables() {
		declared[v.Name] = true
	}
	each(t, everything, `\bFTMETAL_[A-Z_]+\b`, "internal/debug declares no such variable", func(path, match string) bool {
		return declared[match] || isTest(path) && strings.HasPrefix(match, "FTMETAL_TEST_")
	})
}

// Files, make targets and packages that documents name exist.
func TestDocsNameWhatExists(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	target := regexp.MustCompile(`\bmake ([a-z][a-z-]+)`)
	file := regexp.MustCompile("`([a-z_]+/[A-Za-z0-9_./-]+\\.(go|metal|h|cpp|md|sh|yaml|py))`")
	sources(t, []string{".md"}, func(path, text string) {
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			if inCode(text, m[0]) && !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s: there is no `make %s`", path, m[1])
			}
		}
		for _, m := range file.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s: there is no file %s", path, m[1])
			}
		}
	})
}

// inCode reports whether a command stands in a code span or an indented line.
func inCode(text, command string) bool {
	return strings.Contains(text, "`"+command) || strings.Contains(text, "\n    "+command)
}
