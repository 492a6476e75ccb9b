package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every planted fault is found where it is, and nothing else is.
func TestRulesFindPlantedFaults(t *testing.T) {
	paths, err := filepath.Glob("testdata/rules/*.metal")
	require.NoError(t, err)
	require.Greater(t, len(paths), 8)
	for _, p := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(p), ".metal"), func(t *testing.T) {
			files, err := lint(&loader{root: "../../kernels", files: map[string]*source{}}, []string{p})
			require.NoError(t, err)
			for _, s := range files {
				require.Empty(t, unmet(s))
			}
		})
	}
}

// A rule of which no fixture has a fault would go unnoticed when it breaks.
func TestRulesHaveFixtures(t *testing.T) {
	faults := ""
	paths, err := filepath.Glob("testdata/rules/*")
	require.NoError(t, err)
	for _, p := range paths {
		text, err := os.ReadFile(p)
		require.NoError(t, err)
		for _, w := range wanted.FindAllStringSubmatch(string(text), -1) {
			faults += w[1] + "\n"
		}
	}
	for _, what := range []string{"address space", "Metal has no double", "is a double", "recursion", "std::", "lambdas", "static locals",
		"goto", "virtual", "heap", "want [[buffer(1)]]", "return before", "is instantiated in", "file's stem", "padding before",
		"padding at its end", "a field of type", "swizzle"} {
		require.Contains(t, faults, what)
	}
}

// The kernels themselves keep the rules.
func TestKernelsKeepTheRules(t *testing.T) {
	paths, err := filepath.Glob("../../kernels/*.metal")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	files, err := lint(&loader{root: "../../kernels", files: map[string]*source{}}, paths)
	require.NoError(t, err)
	for _, s := range files {
		require.Empty(t, s.found)
	}
}

// Kernels that macros instantiate have the names that the compiler gives them.
func TestInstantiations(t *testing.T) {
	s, err := (&loader{root: "../../kernels", files: map[string]*source{}}).load("testdata/rules/good.metal")
	require.NoError(t, err)
	var got []string
	for _, k := range instantiations(s) {
		got = append(got, k.name+" "+k.function)
	}
	require.Equal(t, []string{"good_f32 good", "good_f16 good"}, got)
}

func TestScanNames(t *testing.T) {
	tokens, directives, err := scan("a /* b\n */ += 1.5e-3f; // c\n#define F(x) \\\n  \"a b\" #x\n'\\''>>0x1p+2 .5")
	require.NoError(t, err)
	var got []string
	for _, tok := range tokens {
		got = append(got, tok.text)
	}
	require.Equal(t, []string{"a", "+=", "1.5e-3f", ";", `'\''`, ">", ">", "0x1p+2", ".5"}, got)
	require.Equal(t, 2, tokens[1].line)
	require.Equal(t, 5, tokens[4].line)
	require.Len(t, directives, 1)
	require.Equal(t, "define", directives[0].name)
	require.Equal(t, 3, directives[0].line)
	_, _, err = scan("x\n\"open")
	require.EqualError(t, err, "2: a string without an end")
}
