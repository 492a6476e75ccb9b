package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module      = "github.com/ftmetal/ftmetal/"
	maxFile     = 600 // lines
	maxFunction = 80  // lines
)

// level orders the packages: one may import only lower ones. The longest prefix
// of a package's path counts.
var level = map[string]int{
	"metal": 0, "metal/null": 1, "metal/check": 1, "kernels": 1, "metal/soft": 2, "kernels/kerneltest": 2,
	"graph": 3, "models": 4, "train": 5, "cmd": 6, "bench": 6, "tools": 6, "demo": 6,
}

func levelOf(pkg string) (int, bool) {
	for p := pkg; p != "."; p = filepath.Dir(p) {
		if l, ok := level[p]; ok {
			return l, true
		}
	}
	return 0, false
}

// sources calls visit for every file of the repository with one of the
// extensions, with its path from the root.
func sources(t *testing.T, exts []string, visit func(path string, text []byte)) {
	t.Helper()
	n := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (name == "testdata" || (strings.HasPrefix(name, ".") && name != ".." && name != ".")) {
			return filepath.SkipDir
		}
		for _, ext := range exts {
			if !d.IsDir() && strings.HasSuffix(name, ext) {
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				n++
				visit(strings.TrimPrefix(filepath.ToSlash(path), "../../"), text)
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, n, 5, "the walk found hardly any file")
}

func TestImportsGoDownOnly(t *testing.T) {
	sources(t, []string{".go"}, func(path string, text []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
		require.NoError(t, err)
		own, ranked := levelOf(filepath.Dir(path))
		for _, imp := range f.Imports {
			target, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module)
			if !ours || !ranked {
				continue
			}
			other, ok := levelOf(target)
			sameTree := strings.Split(target, "/")[0] == strings.Split(path, "/")[0]
			if ok && other >= own && !(sameTree && own >= 3) {
				t.Errorf("%s imports %s, which is not below it", path, target)
			}
		}
	})
}

func TestFilesAreShort(t *testing.T) {
	sources(t, []string{".go", ".metal", ".h", ".cpp", ".py", ".m"}, func(path string, text []byte) {
		if n := strings.Count(string(text), "\n"); n > maxFile && !strings.Contains(string(text), "Code generated") {
			t.Errorf("%s has %d lines, at most %d: split it by what it does", path, n, maxFile)
		}
	})
}

func TestFunctionsAreShort(t *testing.T) {
	sources(t, []string{".go"}, func(path string, text []byte) {
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, text, 0)
		require.NoError(t, err)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				if n := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line; n > maxFunction {
					t.Errorf("%s: %s has %d lines, at most %d", path, fn.Name.Name, n, maxFunction)
				}
			}
		}
	})
}

func TestEnvironmentIsReadInOnePlace(t *testing.T) {
	read := regexp.MustCompile(`os\.(Getenv|LookupEnv|Environ)\(`)
	sources(t, []string{".go"}, func(path string, text []byte) {
		if !strings.HasPrefix(path, "internal/") && !strings.HasSuffix(path, "_test.go") && read.Match(text) {
			t.Errorf("%s reads the environment; declare the variable in internal/debug", path)
		}
	})
}

func TestPackagesHaveDocs(t *testing.T) {
	documented, packages := map[string]bool{}, map[string]bool{}
	sources(t, []string{".go"}, func(path string, text []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments|parser.PackageClauseOnly)
		require.NoError(t, err)
		dir := filepath.Dir(path)
		packages[dir] = true
		documented[dir] = documented[dir] || f.Doc != nil
	})
	for dir := range packages {
		if !documented[dir] {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

// TestNothingIsLeftUnfinished looks for the words that mark it.
func TestNothingIsLeftUnfinished(t *testing.T) {
	marks := regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b|not (yet )?implemented|unimplemented|t\.Skip\(|t\.SkipNow\(|t\.Skipf\(`)
	sources(t, []string{".go", ".metal", ".h", ".cpp"}, func(path string, text []byte) {
		if path == "internal/rules/rules_test.go" {
			return
		}
		if m := marks.Find(text); m != nil {
			t.Errorf("%s has %q", path, m)
		}
	})
}
