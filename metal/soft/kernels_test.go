package soft_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// Every kernel file is compiled into the device: kernels_<stem>.cpp includes
// kernels/<stem>.metal, and nothing else does.
func TestEveryKernelFileIsCompiled(t *testing.T) {
	files, err := filepath.Glob("../../kernels/*.metal")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	compiled := map[string]bool{}
	for _, k := range soft.Kernels() {
		compiled[filepath.Base(k.File)] = true
	}
	for _, f := range files {
		stem := strings.TrimSuffix(filepath.Base(f), ".metal")
		text, err := os.ReadFile("kernels_" + stem + ".cpp")
		require.NoError(t, err, "%s is not part of the software device; add kernels_%s.cpp as docs/kernel-dialect.md says", f, stem)
		require.Contains(t, string(text), `#include "../../kernels/`+stem+`.metal"`)
		require.True(t, compiled[filepath.Base(f)], "%s instantiates no kernel", f)
	}
}
