package rules

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A kernel file has its launch functions, its rows in the case table, and its
// line in the software device.
func TestKernelFilesAreComplete(t *testing.T) {
	stems, err := filepath.Glob(filepath.Join(root, "kernels/*.metal"))
	require.NoError(t, err)
	require.Greater(t, len(stems), 10)
	exists := func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}
	table := ""
	sources(t, []string{".go"}, func(path, text string) {
		if strings.HasPrefix(path, "kernels/kerneltest/cases_") {
			table += text
		}
	})
	for _, f := range stems {
		stem := strings.TrimSuffix(filepath.Base(f), ".metal")
		if p := "kernels/" + stem + ".go"; !exists(p) {
			t.Errorf("kernels/%s.metal has no launch functions: %s", stem, p)
		}
		if p := "metal/soft/kernels_" + stem + ".cpp"; !exists(p) {
			t.Errorf("kernels/%s.metal is not part of the software device: %s", stem, p)
		}
		if !regexp.MustCompile(`Op:\s+"` + stem + `["/_]`).MatchString(table) {
			t.Errorf("kernels/%s.metal has no cases: kernels/kerneltest/cases_%s.go", stem, stem)
		}
	}
	sources(t, []string{".cpp"}, func(path, _ string) {
		if stem, ok := strings.CutPrefix(path, "metal/soft/kernels_"); ok && !exists("kernels/"+strings.TrimSuffix(stem, ".cpp")+".metal") {
			t.Errorf("%s has no kernels/%s.metal", path, strings.TrimSuffix(stem, ".cpp"))
		}
	})
}
