package rules

import (
	"regexp"
	"strings"
	"testing"
)

var everything = []string{".go", ".metal", ".h", ".cpp", ".m", ".py", ".sh", ".md", ".yaml", ".mod", "Makefile", "run"}

// each reports every match of pattern that allowed does not excuse.
func each(t *testing.T, suffixes []string, pattern string, why string, allowed func(path, match string) bool) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	sources(t, suffixes, func(path, text string) {
		if strings.HasPrefix(path, own) {
			return
		}
		for _, at := range re.FindAllStringIndex(text, -1) {
			if m := text[at[0]:at[1]]; allowed == nil || !allowed(path, m) {
				t.Errorf("%s:%d: %q: %s", path, strings.Count(text[:at[0]], "\n")+1, m, why)
			}
		}
	})
}

func TestNothingIsLeftUnfinished(t *testing.T) {
	each(t, everything, `\b(TODO|FIXME|XXX|HACK)\b|not (yet )?implemented|unimplemented`, "finish it, or say in docs what there is not", nil)
}

func TestNoTestIsSkipped(t *testing.T) {
	each(t, []string{"_test.go"}, `\b[tb]\.Skip(Now|f)?\(`, "a skipped test is a missing one", nil)
}

func TestEnvironmentIsReadInOnePlace(t *testing.T) {
	each(t, []string{".go", ".cpp", ".h", ".m"}, `\bos\.(Getenv|LookupEnv|Environ|ExpandEnv)\(|\b(secure_)?getenv\(`,
		"declare the variable in internal/debug and read it there", func(path, match string) bool {
			return strings.HasPrefix(path, "internal/debug/") || isTest(path)
		})
	each(t, []string{"_test.go"}, `os\.(Getenv|LookupEnv)\("FTMETAL_`, "tests ask internal/debug, or set the variable with t.Setenv", nil)
}

// Nothing depends on where it was written or on where packages come from.
func TestNoMachineIsNamed(t *testing.T) {
	each(t, everything, `(/work|/root|/home|/Users)/|GOPROXY|index-url|extra-index`, "a path or a setting of one machine", nil)
	hosts := map[string]bool{"arxiv.org": true, "github.com": true, "huggingface.co": true, "example.com": true, "no-color.org": true, "www.w3.org": true}
	each(t, everything, `https?://[A-Za-z0-9.-]+`, "an address outside the hosts that internal/rules knows", func(_, match string) bool {
		_, host, _ := strings.Cut(match, "://")
		return hosts[host]
	})
}
