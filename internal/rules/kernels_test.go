package rules

import (
	"os"
	"path/filepath"
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
	for _, f := range stems {
		stem := strings.TrimSuffix(filepath.Base(f), ".metal")
		if p := "kernels/" + stem + ".go"; !exists(p) {
			t.Errorf("kernels/%s.metal has no launch functions: %s", stem, p)
		}
		if p := "metal/soft/kernels_" + stem + ".cpp"; !exists(p) {
			t.Errorf("kernels/%s.metal is not part of the software device: %s", stem, p)
		}
		// sdpa_vjp may have its cases in cases_sdpa.go.
		found := false
		for s := stem; s != ""; s = s[:max(strings.LastIndex(s, "_"), 0)] {
			found = found || exists("kernels/kerneltest/cases_"+s+".go")
		}
		if !found {
			t.Errorf("kernels/%s.metal has no cases: kernels/kerneltest/cases_%s.go", stem, stem)
		}
	}
	sources(t, []string{".cpp"}, func(path, _ string) {
		if stem, ok := strings.CutPrefix(path, "metal/soft/kernels_"); ok && !exists("kernels/"+strings.TrimSuffix(stem, ".cpp")+".metal") {
			t.Errorf("%s has no kernels/%s.metal", path, strings.TrimSuffix(stem, ".cpp"))
		}
	})
}
