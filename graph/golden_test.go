package graph_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ftmetal/ftmetal/graph/graphtest"
	"github.com/ftmetal/ftmetal/internal/debug"
	_ "github.com/ftmetal/ftmetal/metal/all"
	"github.com/stretchr/testify/require"
)

// goldenDir is the folder of MLX's values: FTMETAL_GOLDEN, or the subset that
// tools/golden/subset.py made.
func goldenDir() string {
	if dir := debug.Golden(); dir != "" {
		return dir
	}
	return filepath.Join("testdata", "golden")
}

// TestGolden runs every recorded call of MLX that the engine has, with its
// gradients.
func TestGolden(t *testing.T) {
	names, err := graphtest.Families(goldenDir())
	require.NoError(t, err)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			f, err := graphtest.LoadFamily(goldenDir(), name)
			require.NoError(t, err)
			passed, unsupported := 0, map[string]int{}
			for i := range f.Cases {
				c := &f.Cases[i]
				err := f.Check(context.Background(), c)
				var u *graphtest.Unsupported
				switch {
				case err == nil:
					passed++
				case errors.As(err, &u):
					unsupported[u.Reason]++
				default:
					t.Errorf("%s (%s %v): %v", c.Name, c.Op, c.Attrs, err)
				}
			}
			missing := 0
			for reason, n := range unsupported {
				missing += n
				t.Logf("unsupported: %d × %s", n, reason)
			}
			fmt.Fprintf(os.Stderr, "golden: %s %d/%d (unsupported %d)\n", name, passed, len(f.Cases), missing)
		})
	}
}
