package rules

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mlxName is a name of MLX in a comment: mx.fast.rope, array.at[].add.
var mlxName = regexp.MustCompile(`\b(?:mx|nn|optimizers|utils|array)\.(?:at\[\]|[A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)*`)

// parity is what docs/mlx-parity.md is made of.
type parity struct {
	sections []string
	names    map[string][]string // section -> MLX's names
	mirrors  map[string][]string // MLX's name -> ours, by the comments of the Go source
	excluded map[string]string   // MLX's name -> why there is none here
	missing  map[string]string   // the same, for what belongs here
}

// has reports whether name is here. A method of an array is the function of
// that name, and mx.metal repeats functions of mx.
func (p *parity) has(name string) []string {
	if ours := p.mirrors[name]; ours != nil {
		return ours
	}
	for _, prefix := range []string{"array.", "mx.metal."} {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			return p.mirrors["mx."+short]
		}
	}
	return nil
}

func readParity(t *testing.T) *parity {
	t.Helper()
	p := &parity{names: map[string][]string{}, mirrors: mirrored(t), excluded: map[string]string{}, missing: map[string]string{}}
	section := ""
	listed(t, "mlx_names.txt", func(line string, isSection bool) {
		if isSection {
			section = line
			p.sections = append(p.sections, line)
			return
		}
		p.names[section] = append(p.names[section], line)
	})
	into := map[string]map[string]string{"excluded": p.excluded, "missing": p.missing}
	listed(t, "mlx_exclusions.txt", func(line string, isSection bool) {
		if isSection {
			section = line
			require.NotNil(t, into[section], "mlx_exclusions.txt: unknown section %s", section)
			return
		}
		names, why, ok := strings.Cut(line, ": ")
		require.True(t, ok, "mlx_exclusions.txt: %q, want names: reason", line)
		for _, n := range strings.Fields(names) {
			into[section][n] = why
		}
	})
	return p
}

// listed reads a list of the test data: sections in brackets, # for remarks.
func listed(t *testing.T, file string, visit func(line string, isSection bool)) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	require.NoError(t, err)
	for _, line := range strings.Split(string(text), "\n") {
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			visit(strings.Trim(line, "[]"), true)
		default:
			visit(line, false)
		}
	}
}

// mirrored finds what comments of exported names say they mirror.
func mirrored(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	parsed(t, func(file string, _ *token.FileSet, f *ast.File) {
		if isTest(file) {
			return
		}
		note := func(name string, comments ...*ast.CommentGroup) {
			for _, c := range comments {
				for _, m := range claims(c.Text()) {
					found[m] = append(found[m], f.Name.Name+"."+name)
				}
			}
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && receiverIsExported(d) {
					note(receiver(d)+d.Name.Name, d.Doc)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() && len(d.Specs) == 1 {
							note(s.Name.Name, d.Doc, s.Doc)
						} else if s.Name.IsExported() {
							note(s.Name.Name, s.Doc)
						}
					case *ast.ValueSpec:
						if s.Names[0].IsExported() {
							note(s.Names[0].Name, s.Doc, s.Comment)
						}
					}
				}
			}
		}
	})
	return found
}

// claims is MLX's names in the sentences of a comment that begin with Mirrors.
func claims(comment string) []string {
	var all []string
	text := strings.Join(strings.Fields(comment), " ")
	for {
		_, rest, ok := strings.Cut(text, "Mirrors ")
		if !ok {
			return all
		}
		text = rest
		sentence, _, _ := strings.Cut(rest, ". ")
		all = append(all, mlxName.FindAllString(strings.ReplaceAll(sentence, "mlx.", "mx."), -1)...)
	}
}

// receiver is the type of a method with a dot, "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	x := d.Recv.List[0].Type
	if s, ok := x.(*ast.StarExpr); ok {
		x = s.X
	}
	if g, ok := x.(*ast.IndexExpr); ok {
		x = g.X
	}
	if id, ok := x.(*ast.Ident); ok {
		return id.Name + "."
	}
	return ""
}

// Every name of MLX is mirrored by one of ours or excluded with a reason, and
// comments name what MLX has.
func TestEveryNameOfMLXIsMirroredOrExcluded(t *testing.T) {
	p := readParity(t)
	known := map[string]bool{}
	for _, s := range p.sections {
		for _, n := range p.names[s] {
			known[n] = true
			ours := p.has(n)
			_, excluded := p.excluded[n]
			_, missing := p.missing[n]
			if ours == nil && !excluded && !missing {
				t.Errorf("%s is not mirrored: say so in the comment of what mirrors it, or add it to testdata/mlx_exclusions.txt", n)
			}
			if p.mirrors[n] != nil && excluded {
				t.Errorf("%s is mirrored by %s: take it out of testdata/mlx_exclusions.txt", n, ours[0])
			}
		}
	}
	for n, ours := range p.mirrors {
		if !known[n] {
			t.Errorf("%s mirrors %s, which MLX does not have", ours[0], n)
		}
	}
	for _, list := range []map[string]string{p.excluded, p.missing} {
		for n := range list {
			if !known[n] {
				t.Errorf("testdata/mlx_exclusions.txt: MLX has no %s", n)
			}
		}
	}
}

// docs/mlx-parity.md is what the comments say.
func TestParityDocumentIsCurrent(t *testing.T) {
	p := readParity(t)
	generated(t, "docs/mlx-parity.md", p.summary()+p.tables())
}

// count is how many names of a section are here, missing, and left out.
func (p *parity) count(section string) (here, missing, excluded int) {
	for _, n := range p.names[section] {
		_, out := p.excluded[n]
		switch {
		case p.has(n) != nil:
			here++
		case out:
			excluded++
		default:
			missing++
		}
	}
	return
}

func (p *parity) summary() string {
	var b strings.Builder
	b.WriteString("| section | names | here | missing | excluded | here of what is not excluded |\n|---|---|---|---|---|---|\n")
	for _, s := range p.sections {
		here, missing, excluded := p.count(s)
		share := "-"
		if here+missing > 0 {
			share = fmt.Sprintf("%.0f %%", 100*float64(here)/float64(here+missing))
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %s |\n", s, len(p.names[s]), here, missing, excluded, share)
	}
	return b.String()
}

func (p *parity) tables() string {
	var b strings.Builder
	for _, s := range p.sections {
		fmt.Fprintf(&b, "\n## %s\n\n| MLX | here |\n|---|---|\n", s)
		for _, n := range p.names[s] {
			fmt.Fprintf(&b, "| `%s` | %s |\n", n, p.entry(n))
		}
	}
	return b.String()
}

// entry is what the table says about a name.
func (p *parity) entry(name string) string {
	if ours := p.has(name); ours != nil {
		ours = slices.Clone(ours)
		slices.Sort(ours)
		return "`" + strings.Join(slices.Compact(ours), "`, `") + "`"
	}
	if why, ok := p.excluded[name]; ok {
		return "excluded: " + why
	}
	return "missing: " + p.missing[name]
}
