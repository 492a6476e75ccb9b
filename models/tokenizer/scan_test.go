package tokenizer

import (
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

func scanAll(scan scanner, s string) []string {
	var out []string
	for _, p := range scanStage(scan)(text{s: s}, nil, false) {
		out = append(out, p.s)
	}
	return out
}

// TestScanners compares with splits printed by the Rust library, on characters whose
// tokens would not show a wrong split.
func TestScanners(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          []string
	}{
		{PatternLlama3, "it'ſx I'LLx", []string{"it", "'ſ", "x", " I", "'LL", "x"}},
		{PatternLlama3, "!\U00016d40a \U0002ebf01", []string{"!\U00016d40a", " \U0002ebf0", "1"}},
		{PatternLlama3, "1\U00010d412345", []string{"1\U00010d412", "345"}},
		{PatternLlama3, "a \n\n b  c \t", []string{"a", " \n\n", " b", " ", " c", " \t"}},
		{PatternQwen2, "1\U00010d412345", []string{"1", "\U00010d41", "2", "3", "4", "5"}},
		{PatternGPT2, "it'ſx I'LLx", []string{"it", "'", "ſx", " I", "'", "LLx"}},
		{PatternGPT2, "!\U00016d40a \U0002ebf01", []string{"!", "\U00016d40a", " \U0002ebf0", "1"}},
		{PatternGPT2, "1\U00010d412345", []string{"1\U00010d412345"}},
	} {
		require.Equal(t, c.want, scanAll(scannerFor(c.pattern), c.text))
	}
}

// TestScannersEqualPatterns runs the regular expressions themselves beside the scanners.
func TestScannersEqualPatterns(t *testing.T) {
	p := &parser{name: "f.json"}
	for _, pattern := range []string{PatternLlama3, PatternQwen2, PatternGPT2} {
		find, err := p.parsePattern(&patternJSON{regex: &pattern}, "pattern")
		require.NoError(t, err)
		split := splitStage(find, isolated, false)
		for _, s := range goldenTexts(t) {
			newer := false // regexp2 has Go's Unicode tables
			for _, r := range s {
				newer = newer || isLetter(r) != unicode.IsLetter(r) || isNumber(r) != unicode.IsNumber(r)
			}
			if newer {
				continue
			}
			var want []string
			for _, piece := range split(text{s: s}, nil, false) {
				want = append(want, piece.s)
			}
			require.Equal(t, want, scanAll(scannerFor(pattern), s), "%s of %+q", pattern, s)
		}
	}
}
