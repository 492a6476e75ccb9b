package graph_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/stretchr/testify/require"
)

// TestAPIFunctionsAreAllHere checks that the table below holds every exported
// function and method, so that no new one goes without wrong calls.
func TestAPIFunctionsAreAllHere(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var declared []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.IsExported() {
				if name := qualified(fn); name != "" && apiExempt[name] == "" {
					declared = append(declared, name)
				}
			}
		}
	}
	require.ElementsMatch(t, declared, slices.Collect(maps.Keys(apiFunctions)), "apiFunctions in api_functions_test.go has to list the API")
}

// qualified is fn's name with its receiver's type before it; "" for methods of
// types that are not exported.
func qualified(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	typ := fn.Recv.List[0].Type
	if p, ok := typ.(*ast.StarExpr); ok {
		typ = p.X
	}
	id, ok := typ.(*ast.Ident)
	if !ok || !id.IsExported() {
		return ""
	}
	return id.Name + "." + fn.Name.Name
}

// smallRuntime is a runtime in which nothing large fits, as the default.
func smallRuntime(t testing.TB) {
	t.Helper()
	old, err := graph.Default()
	require.NoError(t, err)
	rt, err := graph.NewRuntime("soft", 32<<20)
	require.NoError(t, err)
	graph.SetDefault(rt)
	t.Cleanup(func() { graph.SetDefault(old) })
}

// tryCall makes a call of fn from bytes, evaluates what it returns, and fails
// unless that works or says what is wrong.
func tryCall(t testing.TB, name string, fn any, data []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	c := &calls{data: data, ctx: ctx}
	out, args := c.call(reflect.ValueOf(fn), strings.Contains(name, "."))
	check := func(what string, out outcome) {
		var e *graph.Error
		switch {
		case out.crash != "":
			t.Fatalf("%s of %s(%s): %s", what, name, describe(args), out.crash)
		case out.took > 5*time.Second:
			t.Fatalf("%s of %s(%s) took %v", what, name, describe(args), out.took)
		case errors.As(out.err, &e):
			if e.Op == "" || e.Msg == "" || !strings.HasPrefix(e.Site, "graph/api_") {
				t.Fatalf("%s of %s(%s): error %q does not say op, fault and line", what, name, describe(args), e)
			}
		case out.err != nil && strings.HasPrefix(out.err.Error(), "soft: dispatch"):
			t.Fatalf("%s of %s(%s): %v", what, name, describe(args), out.err)
		}
	}
	check("call", out)
	for _, r := range out.results {
		if r.Kind() == reflect.Func && !r.IsNil() { // a transform
			more, _ := c.call(r, false)
			check("call of the result", more)
			out.results = append(out.results[:0:0], more.results...)
		}
	}
	for _, r := range out.results {
		for _, a := range arraysIn(r) {
			check("evaluation", guarded(func() []reflect.Value {
				err := graph.Eval(ctx, a)
				return []reflect.Value{reflect.ValueOf(&err).Elem()}
			}))
		}
	}
}

// describe writes the arguments of a call.
func describe(args []reflect.Value) string {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteString(", ")
		}
		describeValue(&b, a)
	}
	return b.String()
}

// apiCalls is how often each function is called.
const apiCalls = 60

// TestAPIRefusesWrongCalls calls every function with random arguments: nil
// arrays, arrays of a closed runtime, wrong ranks, dtypes, axes, sizes that
// overflow, NaN. Each call works or gives an error with op, fault and the
// caller's line.
func TestAPIRefusesWrongCalls(t *testing.T) {
	smallRuntime(t)
	for i, name := range slices.Sorted(maps.Keys(apiFunctions)) {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for range apiCalls {
				data := make([]byte, 64)
				for i := range data {
					data[i] = byte(rng.Uint32())
				}
				tryCall(t, name, apiFunctions[name], data)
			}
		})
	}
}

// FuzzAPI searches for calls that crash, hang, or give an error that does not
// say what is wrong and where.
func FuzzAPI(f *testing.F) {
	names := slices.Sorted(maps.Keys(apiFunctions))
	smallRuntime(f)
	for i := range names {
		f.Add(uint16(i), []byte{9, 0, 9, 1, 0, 1, 1})
	}
	f.Fuzz(func(t *testing.T, fn uint16, data []byte) {
		name := names[int(fn)%len(names)]
		tryCall(t, name, apiFunctions[name], data)
	})
}
