package graph

import (
	"cmp"
	"fmt"
	"go/token"
	"path"
	"runtime"
	"strings"
)

// Error is a mistake in building a graph: the op, what is wrong with its
// operands, and the caller's line.
type Error struct {
	Op, Msg string
	Func    string // the function of this package that the caller called, where it is not Op
	Site    string // file:line of the first frame outside this module's engine
}

func (e *Error) Error() string {
	s := "graph: "
	if e.Func != "" {
		s += e.Func + ": "
	}
	s += e.Op + ": " + e.Msg
	if e.Site != "" {
		s += " (" + e.Site + ")"
	}
	return s
}

// check panics with an *Error unless ok.
func check(ok bool, op, format string, args ...any) {
	if !ok {
		fail(op, format, args...)
	}
}

// Check is check for packages that build graphs of these ops: layers, losses,
// optimizers.
func Check(ok bool, op, format string, args ...any) { check(ok, op, format, args...) }

// present refuses operands that are nil.
func present(op string, operands ...*Array) {
	for i, a := range operands {
		check(a != nil, op, "operand %d is nil, want an array", i)
	}
}

// fail panics with an *Error.
func fail(op, format string, args ...any) {
	fn, site := callSite()
	if fn == op || strings.HasPrefix(op, fn+"[") || strings.HasPrefix(op, fn+"{") {
		fn = ""
	}
	panic(&Error{Op: op, Msg: fmt.Sprintf(format, args...), Func: fn, Site: site})
}

// siteOf is the line where n was made, if that is known, or else the line that
// called the engine now.
func siteOf(n *node) string {
	if n != nil && n.site != "" {
		return n.site
	}
	_, site := callSite()
	return site
}

// Catch runs fn and returns the *Error it panicked with, if any. Other panics
// go on.
func Catch(fn func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	fn()
	return nil
}

// Try is Catch for a function that also returns errors.
func Try(fn func() error) error {
	var err error
	if caught := Catch(func() { err = fn() }); caught != nil {
		return caught
	}
	return err
}

// engineDir is the folder of this file: closures that are inlined into a caller
// bear the caller's name, but keep their file.
var engineDir = func() string {
	_, file, _, _ := runtime.Caller(0)
	return path.Dir(file)
}()

// libraries are the folders, from the module's root, whose packages build graphs
// on behalf of a caller, or are called by this one.
var libraries = []string{"graph/tree", "models/nn", "train/optim", "kernels"}

// inLibrary reports whether a source file is this engine's own.
func inLibrary(file string) bool {
	dir := path.Dir(file)
	if strings.HasSuffix(file, "_test.go") {
		return false
	}
	for _, l := range libraries {
		lib := path.Join(engineDir, "..", l)
		if dir == lib || strings.HasPrefix(dir, lib+"/") {
			return true
		}
	}
	return dir == engineDir
}

// callSite is the first frame outside the engine, as folder/file:line, and the
// exported function of this package that was called on the way.
func callSite() (fn, site string) {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		switch {
		case inLibrary(f.File):
			fn = cmp.Or(exported(f.Function), fn)
		case strings.HasPrefix(f.Function, "runtime.") || strings.HasPrefix(f.Function, "reflect."):
		case f.File == "":
			return fn, ""
		default:
			return fn, fmt.Sprintf("%s/%s:%d", path.Base(path.Dir(f.File)), path.Base(f.File), f.Line)
		}
		if !more {
			return fn, ""
		}
	}
}

// exported is the name of an exported function of this package, from its symbol
// (…/graph.Grad.func1, …/graph.Read[...]); "" for methods and others.
func exported(symbol string) string {
	pkg, name, _ := strings.Cut(path.Base(symbol), ".")
	if pkg != "graph" {
		return ""
	}
	if i := strings.IndexAny(name, ".["); i >= 0 {
		name = name[:i]
	}
	if !token.IsExported(name) || name == "Check" {
		return ""
	}
	return name
}
