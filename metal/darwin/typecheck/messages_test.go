package typecheck

import (
	"go/ast"
	"go/types"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	kit    = "github.com/progrium/darwinkit/"
	driver = "github.com/ftmetal/ftmetal/metal/darwin"
)

// beyond lists the messages that darwinkit does not bind, from the documentation
// of Metal and Foundation: selector to (parameters) result.
var beyond = map[string]string{
	"new":                            "() object",
	"setMathMode:":                   "(int) objc.Void",
	"setMathFloatingPointFunctions:": "(int) objc.Void",
	"localizedDescription":           "() string",
	"domain":                         "() string",
	"code":                           "() int",
	"fileURLWithPath:":               "(string) object",
	"respondsToSelector:":            "(objc.Selector) bool",
}

// signatures are the messages that darwinkit's generated methods send.
func signatures(pkgs map[string]*pkg) map[string]map[string]bool {
	known := map[string]map[string]bool{}
	for sel, sig := range beyond {
		known[sel] = map[string]bool{sig: true}
	}
	for _, path := range []string{kit + "macos/foundation", kit + "macos/metal"} {
		p := pkgs[path]
		methods(p, func(_ string, m types.Object, fd *ast.FuncDecl) {
			sig := m.Type().(*types.Signature)
			var args []types.Type
			for v := range sig.Params().Variables() {
				args = append(args, v.Type())
			}
			result := "objc.Void"
			if sig.Results().Len() == 1 {
				result = plain(sig.Results().At(0).Type())
			}
			ast.Inspect(fd.Body, func(n ast.Node) bool {
				if call, _ := generic(n, "objc.Call"); call != nil {
					if sel, ok := selector(call.Args[1]); ok {
						if known[sel] == nil {
							known[sel] = map[string]bool{}
						}
						known[sel][describe(args)+result] = true
					}
				}
				return true
			})
		})
	}
	return known
}

// methods visits the methods of a package of darwinkit.
func methods(p *pkg, visit func(recv string, m types.Object, fd *ast.FuncDecl)) {
	for _, f := range p.files {
		for _, d := range f.Decls {
			fd, ok := d.(*ast.FuncDecl)
			if !ok || fd.Recv == nil {
				continue
			}
			if recv, ok := fd.Recv.List[0].Type.(*ast.Ident); ok {
				m, _, _ := types.LookupFieldOrMethod(p.types.Scope().Lookup(recv.Name).Type(), true, p.types, fd.Name.Name)
				visit(recv.Name, m, fd)
			}
		}
	}
}

// Every message of the driver is one that darwinkit knows, or beyond does.
func TestMessages(t *testing.T) {
	fset, pkgs := load(t, "arm64", driver)
	known := signatures(pkgs)
	require.Greater(t, len(known), 1500)
	sent := 0
	for _, f := range pkgs[driver].files {
		for _, d := range f.Decls {
			fd, ok := d.(*ast.FuncDecl)
			if !ok || fd.Body == nil || fd.Recv == nil && (fd.Name.Name == "send" || fd.Name.Name == "yes") {
				continue
			}
			ast.Inspect(fd.Body, func(n ast.Node) bool {
				if call, _ := generic(n, "objc.Call"); call != nil {
					t.Errorf("%s: messages go through send, which needs no libffi", fset.Position(call.Pos()))
				}
				call, result := generic(n, "send")
				want := ""
				if call == nil {
					if c, ok := n.(*ast.CallExpr); ok && types.ExprString(c.Fun) == "yes" {
						call, want = c, "bool"
					}
				}
				if call == nil {
					return true
				}
				sent++
				if result != nil {
					want = plain(pkgs[driver].info.Types[result].Type)
				}
				if why := wrong(known, pkgs[driver], call, want); why != "" {
					t.Errorf("%s: %s", fset.Position(call.Pos()), why)
				}
				return true
			})
		}
	}
	require.Greater(t, sent, 25)
}

// wrong says what is wrong with a call of send or yes.
func wrong(known map[string]map[string]bool, p *pkg, call *ast.CallExpr, result string) string {
	lit, ok := call.Args[1].(*ast.BasicLit)
	if !ok {
		return "the selector has to be a literal"
	}
	sel, err := strconv.Unquote(lit.Value)
	if err != nil {
		return err.Error()
	}
	var args []types.Type
	for _, a := range call.Args[2:] {
		args = append(args, p.info.Types[a].Type)
	}
	if n := strings.Count(sel, ":"); n != len(args) {
		return sel + " takes " + strconv.Itoa(n) + " arguments, not " + strconv.Itoa(len(args))
	}
	if known[sel] == nil {
		return "unknown selector " + sel
	}
	got := describe(args) + result
	for want := range known[sel] {
		if matches(got, want) {
			return ""
		}
	}
	return sel + " is sent as " + got + ", known as " + keys(known[sel])
}

func keys(m map[string]bool) string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	return strings.Join(all, " or ")
}

var object = regexp.MustCompile(`\bobject\b`)

// matches compares two descriptions; "object" stands for any class.
func matches(got, want string) bool {
	if got == want {
		return true
	}
	pattern := regexp.QuoteMeta(want)
	pattern = "^" + object.ReplaceAllString(pattern, `[A-Za-z.]+`) + "$"
	reverse := "^" + object.ReplaceAllString(regexp.QuoteMeta(got), `[A-Za-z.]+`) + "$"
	return regexp.MustCompile(pattern).MatchString(got) || regexp.MustCompile(reverse).MatchString(want)
}

// generic reads a call of name[T](…).
func generic(n ast.Node, name string) (call *ast.CallExpr, result ast.Expr) {
	if c, ok := n.(*ast.CallExpr); ok {
		if ix, ok := c.Fun.(*ast.IndexExpr); ok && types.ExprString(ix.X) == name {
			return c, ix.Index
		}
	}
	return nil, nil
}

// selector reads objc.Sel("…").
func selector(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 || types.ExprString(call.Fun) != "objc.Sel" {
		return "", false
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

func describe(args []types.Type) string {
	var s []string
	for _, a := range args {
		s = append(s, plain(a))
	}
	return "(" + strings.Join(s, ", ") + ") "
}

var wrapper = regexp.MustCompile(`^metal\.(?:[PI]([A-Z]\w*)|(\w+)Object)$|^foundation\.I?([A-Z]\w*)$`)

// plain is the name of a type without the form that darwinkit wraps it in: the
// interfaces and structs of a class are one. ErrorDomain is a string.
func plain(t types.Type) string {
	if s, ok := t.(*types.Slice); ok {
		return "[]" + plain(s.Elem())
	}
	name := types.TypeString(t, func(p *types.Package) string { return p.Name() })
	switch name {
	case "objc.Object", "objc.IObject", "objc.Handle":
		return "object"
	}
	if m := wrapper.FindStringSubmatch(name); m != nil && isObject(t) {
		pkg := "metal."
		if m[3] != "" {
			pkg = "foundation."
		}
		return pkg + m[1] + m[2] + m[3]
	}
	return name
}

// isObject tells classes from enumerations and strings.
func isObject(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Struct, *types.Interface:
		return true
	}
	return false
}
