package typecheck

import (
	"go/ast"
	"go/types"
	"strings"
	"testing"
)

// Methods of darwinkit that compile and fail when they run: those that hand a
// struct to objc.WrapAsProtocol, which panics on anything but an interface; those
// that make a block, whose argument types lie on a dead stack from Go 1.25 on; and
// those with fewer than three arguments, for which libffi reads a stack that may
// have moved. The last are half of all: the driver calls no generated method.
func TestHazards(t *testing.T) {
	fset, pkgs := load(t, "arm64", "github.com/ftmetal/ftmetal/...")
	why := map[types.Object]string{}
	for path, p := range pkgs {
		if strings.HasPrefix(path, kit+"macos/") {
			methods(p, func(_ string, m types.Object, fd *ast.FuncDecl) {
				if reason := hazard(m.Type().(*types.Signature), fd); reason != "" {
					why[m] = reason
				}
			})
		}
	}
	for _, p := range pkgs {
		for sel, s := range p.info.Selections {
			if reason := why[s.Obj()]; reason != "" && !p.DepOnly {
				t.Errorf("%s: %s: %s", fset.Position(sel.Sel.Pos()), sel.Sel.Name, reason)
			}
		}
	}
	if len(why) < 5000 {
		t.Errorf("only %d hazards known: has darwinkit changed?", len(why))
	}
}

// hazard is what is wrong with a method, "" for nothing.
func hazard(sig *types.Signature, fd *ast.FuncDecl) string {
	iface, reason := map[string]bool{}, ""
	for v := range sig.Params().Variables() {
		iface[v.Name()] = types.IsInterface(v.Type())
		if _, ok := v.Type().Underlying().(*types.Signature); ok {
			reason = "it makes a block"
		}
	}
	ast.Inspect(fd.Body, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok && types.ExprString(c.Fun) == "objc.WrapAsProtocol" && !iface[types.ExprString(c.Args[1])] {
			reason = "it panics: objc.WrapAsProtocol takes interface types only"
		}
		if call, _ := generic(n, "objc.Call"); call != nil && len(call.Args) < 5 && reason == "" {
			reason = "it passes fewer than three arguments, and libffi the address of a stack that may move"
		}
		return true
	})
	return reason
}
