package rules

import (
	"go/ast"
	"go/token"
	"path"
	"strings"
	"testing"
)

const module = "github.com/ftmetal/ftmetal/"

// rank orders the packages: one imports only packages of a lower rank, or of
// its own tree where that is given here once. Devices see metal and kernels,
// never graph. A package below a named one has its rank.
var rank = map[string]int{
	"internal/atomicfile": 0,
	"internal/debug":      0,
	"internal/half":       0,
	"metal":               1,
	"kernels":             2,
	"internal/ref":        3,
	"metal/null":          3,
	"metal/check":         3,
	"metal/soft":          3,
	"metal/darwin":        4, // checks dispatches by what soft knows of the kernels
	"metal/all":           5,
	"kernels/kerneltest":  4,
	"graph":               5,
	"models":              6,
	"internal/parity":     7,
	"train":               8,
	"internal/ui":         9,
	"graph/graphtest":     9,
	"internal/doctor":     9,
	"internal/rules":      10,
	"cmd":                 10,
	"bench":               10,
	"tools":               10,
}

// rankOf is the rank of a package, and the entry of the table that gives it.
func rankOf(pkg string) (r int, tree string, ok bool) {
	for p := pkg; p != "."; p = path.Dir(p) {
		if r, ok := rank[p]; ok {
			return r, p, true
		}
	}
	return 0, "", false
}

func TestImportsGoDownOnly(t *testing.T) {
	parsed(t, func(file string, _ *token.FileSet, f *ast.File) {
		pkg := path.Dir(file)
		from, tree, ok := rankOf(pkg)
		if !ok {
			t.Errorf("%s: package %s has no place in the import order; give it one in internal/rules", file, pkg)
			return
		}
		if isTest(file) {
			return
		}
		for _, imp := range f.Imports {
			target, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module)
			if !ours {
				continue
			}
			to, other, ok := rankOf(target)
			if ok && to >= from && other != tree {
				t.Errorf("%s imports %s, which is not below %s: cmd → train → models → graph → kernels → metal", file, target, pkg)
			}
		}
	})
}

// Only the Apple device may see darwinkit, so that everything else builds
// everywhere.
func TestDarwinkitHasOneImporter(t *testing.T) {
	parsed(t, func(file string, _ *token.FileSet, f *ast.File) {
		for _, imp := range f.Imports {
			if strings.Contains(imp.Path.Value, "darwinkit") && !strings.HasPrefix(file, "metal/darwin/") {
				t.Errorf("%s imports %s: only metal/darwin does", file, imp.Path.Value)
			}
		}
	})
}
