package kernels

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// field is one member of an args struct.
type field struct {
	name   string // "" where the Go struct only pads
	kind   string // int64, uint32, float32, …
	count  int    // elements of an array; 1 otherwise
	offset int
}

// sizes of the members' types, which are also their alignments: the rules of C
// and Go agree on fixed-width types.
var sizes = map[string]int{"int64": 8, "uint64": 8, "int32": 4, "uint32": 4, "float32": 4, "uint8": 1}

// place fills in the offsets and returns the size of the struct.
func place(t *testing.T, fields []field) int {
	at, widest := 0, 1
	for i := range fields {
		size := sizes[fields[i].kind]
		require.NotZero(t, size, "%s: type %s has no place in an args struct", fields[i].name, fields[i].kind)
		at = ceilDiv(at, size) * size
		fields[i].offset = at
		at += size * fields[i].count
		widest = max(widest, size)
	}
	require.Zero(t, at%widest, "the struct has padding at its end")
	return at
}

var (
	define    = regexp.MustCompile(`(?m)^#define (\w+) (\d+)`)
	structure = regexp.MustCompile(`(?s)\nstruct (\w+Args) \{\n(.*?)\n\};`)
	member    = regexp.MustCompile(`^\s*(\w+?)(?:_t)? (\w+)(?:\[(\w+)\])?;`)
)

// headerStructs reads the args structs of the headers.
func headerStructs(t *testing.T) map[string][]field {
	files, err := filepath.Glob("*.h")
	require.NoError(t, err)
	found := map[string][]field{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		numbers := map[string]string{}
		for _, d := range define.FindAllStringSubmatch(string(text), -1) {
			numbers[d[1]] = d[2]
		}
		for _, s := range structure.FindAllStringSubmatch(string(text), -1) {
			for _, line := range strings.Split(s[2], "\n") {
				m := member.FindStringSubmatch(line)
				require.NotNil(t, m, "%s: %s: cannot read %q", file, s[1], line)
				f := field{name: m[2], kind: strings.Replace(m[1], "float", "float32", 1), count: 1}
				if m[3] != "" {
					if n, ok := numbers[m[3]]; ok {
						m[3] = n
					}
					f.count, err = strconv.Atoi(m[3])
					require.NoError(t, err, "%s: %s", file, line)
				}
				found[s[1]] = append(found[s[1]], f)
			}
		}
	}
	return found
}

// goStructs reads the structs whose comment says what they mirror.
func goStructs(t *testing.T) map[string][]field {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	mirrors := regexp.MustCompile(`mirrors (\w+) of`)
	found := map[string][]field{}
	numbers := map[string]int{"maxDims": maxDims, "ChainInputs": ChainInputs, "ChainSteps": ChainSteps, "ConvAxes": ConvAxes}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range f.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.TYPE {
				continue
			}
			name := mirrors.FindStringSubmatch(decl.Doc.Text())
			if name == nil {
				continue
			}
			for _, m := range decl.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType).Fields.List {
				kind, count := memberType(t, m.Type, numbers)
				for _, id := range m.Names {
					found[name[1]] = append(found[name[1]], field{name: strings.TrimPrefix(id.Name, "_"), kind: kind, count: count})
				}
			}
		}
	}
	return found
}

func memberType(t *testing.T, e ast.Expr, numbers map[string]int) (kind string, count int) {
	count = 1
	if array, ok := e.(*ast.ArrayType); ok {
		length := fmt.Sprint(array.Len)
		if lit, ok := array.Len.(*ast.BasicLit); ok {
			length = lit.Value
		}
		n, known := numbers[length]
		if !known {
			var err error
			n, err = strconv.Atoi(length)
			require.NoError(t, err)
		}
		count, e = n, array.Elt
	}
	return e.(*ast.Ident).Name, count
}

// Every args struct of a header has a Go struct with the same members, in the
// same places.
func TestArgsMirrorHeaders(t *testing.T) {
	headers, mirrors := headerStructs(t), goStructs(t)
	require.Greater(t, len(headers), 10)
	for name := range mirrors {
		require.Contains(t, headers, name, "a Go struct mirrors a struct that no header has")
	}
	for name, want := range headers {
		got := mirrors[name]
		require.NotNil(t, got, "no Go struct says that it mirrors %s", name)
		require.Equal(t, place(t, want), place(t, got), "size of %s", name)
		require.Len(t, got, len(want), name)
		for i := range want {
			if got[i].name == "" && strings.HasPrefix(want[i].name, "reserved") {
				got[i].name = want[i].name
			}
			require.Equal(t, want[i], got[i], name)
		}
	}
}
