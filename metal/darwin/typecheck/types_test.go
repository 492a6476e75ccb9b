package typecheck

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pkg is a package of the darwin build, checked.
type pkg struct {
	ImportPath, Dir   string
	GoFiles, CgoFiles []string
	ImportMap         map[string]string
	DepOnly, Standard bool
	Error             *struct{ Err string }

	files []*ast.File
	types *types.Package
	info  *types.Info
}

// loaded imports from what was checked before.
type loaded struct {
	done map[string]*pkg
	real map[string]string // import paths that mean others, in vendored std
}

func (l loaded) Import(path string) (*types.Package, error) {
	if to, ok := l.real[path]; ok {
		path = to
	}
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	if p := l.done[path]; p != nil {
		return p.types, nil
	}
	return nil, errors.New("not loaded: " + path)
}

// The whole module type-checks for both architectures.
func TestTypes(t *testing.T) {
	for _, arch := range []string{"arm64", "amd64"} {
		t.Run(arch, func(t *testing.T) { load(t, arch, "github.com/ftmetal/ftmetal/...") })
	}
}

// load checks the packages that match pattern, and what they import.
func load(t *testing.T, arch, pattern string) (*token.FileSet, map[string]*pkg) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Dir,GoFiles,CgoFiles,ImportMap,DepOnly,Standard,Error", pattern)
	cmd.Env = append(os.Environ(), "GOOS=darwin", "GOARCH="+arch, "CGO_ENABLED=1", "GOFLAGS=")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	done := map[string]*pkg{}
	fset, dec := token.NewFileSet(), json.NewDecoder(strings.NewReader(string(out)))
	for { // go list -deps prints dependencies first
		p := &pkg{info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}}
		if err := dec.Decode(p); err == io.EOF {
			return fset, done
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Error != nil && !p.Standard {
			t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
		}
		p.check(t, fset, arch, done)
		done[p.ImportPath] = p
	}
}

func (p *pkg) check(t *testing.T, fset *token.FileSet, arch string, done map[string]*pkg) {
	for _, name := range append(p.GoFiles, p.CgoFiles...) {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
		}
		p.files = append(p.files, f)
	}
	conf := types.Config{
		Importer:         loaded{done, p.ImportMap},
		FakeImportC:      true, // C.x is unknown, not an error
		IgnoreFuncBodies: p.DepOnly,
		Sizes:            types.SizesFor("gc", arch),
		Error: func(err error) {
			// A broken dependency would hide mistakes of ours; what follows from
			// the unknown types of C is none.
			if !p.Standard && !strings.Contains(err.Error(), "invalid type") {
				t.Error(err)
			}
		},
	}
	p.types, _ = conf.Check(p.ImportPath, fset, p.files, p.info)
}
