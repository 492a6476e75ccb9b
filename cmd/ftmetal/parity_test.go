package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/internal/parity"
	"github.com/stretchr/testify/require"
)

// TestParity follows trajectories that mlx-lm made, by the command line:
// those in testdata/train, or in $FTMETAL_GOLDEN/train.
func TestParity(t *testing.T) {
	root := "testdata/train"
	if dir := debug.Golden(); dir != "" {
		root = filepath.Join(dir, "train")
	}
	cases, err := os.ReadDir(root)
	require.NoError(t, err)
	passed := 0
	for _, c := range cases {
		dir := filepath.Join(root, c.Name())
		ok, why, err := parity.Supported(dir)
		require.NoError(t, err)
		if !ok {
			t.Logf("parity: %s: unsupported: %s", c.Name(), why)
			continue
		}
		t.Run(c.Name(), func(t *testing.T) {
			out := t.TempDir()
			require.NoError(t, parity.Convert(dir, out))
			var stdout, stderr strings.Builder
			code := newApp(strings.NewReader(""), &stdout, &stderr).run([]string{"ftmetal", "train", "--config", filepath.Join(out, "run.yaml")})
			require.Zero(t, code, stderr.String())
			r, err := parity.Compare(dir, out)
			require.NoError(t, err)
			t.Logf("parity: %s: %s", c.Name(), r)
			require.True(t, r.OK(), "%s\nlosses %v\nwant   %v", r, r.GotLosses, r.WantLosses)
		})
		passed++
	}
	require.NotZero(t, passed, "%s has no trajectory that this version can follow", root)
}
