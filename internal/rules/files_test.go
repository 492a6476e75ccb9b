package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// own is the folder of this package: its patterns are not faults.
const own = "internal/rules/"

// sources calls visit for every file of the repository whose name ends in one
// of the suffixes, with its path from the root. Test data is left out.
func sources(t *testing.T, suffixes []string, visit func(path, text string)) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") && path != root && name != ".ci" {
				return filepath.SkipDir
			}
			return nil
		}
		for _, s := range suffixes {
			if !strings.HasSuffix(name, s) {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			n++
			visit(strings.TrimPrefix(filepath.ToSlash(path), root+"/"), string(text))
			break
		}
		return nil
	})
	require.NoError(t, err)
	require.NotZero(t, n, "no file of the kind was found")
}

// parsed calls visit for every Go file.
func parsed(t *testing.T, visit func(path string, set *token.FileSet, f *ast.File)) {
	t.Helper()
	sources(t, []string{".go"}, func(path, text string) {
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, text, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		visit(path, set, f)
	})
}

func isTest(path string) bool { return strings.HasSuffix(path, "_test.go") }
