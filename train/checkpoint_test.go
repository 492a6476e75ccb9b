package train

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a killed process left half-written goes with the next save; the newest
// checkpoints stay, and so do files of others.
func TestPruneCheckpoints(t *testing.T) {
	dir := t.TempDir()
	write := func(names ...string) {
		for _, n := range names {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, n)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, n), []byte("x"), 0o600))
		}
	}
	write("adapters.safetensors", ".adapters.safetensors.0123456789abcdef.tmp", ".best_adapters.safetensors.0123456789abcdef.tmp",
		".adapter_config.json.0123456789abcdef.tmp", ".mine.tmp", "checkpoints/.tmp-1/state.json",
		"checkpoints/0000003/state.json", "checkpoints/0000006/state.json", "checkpoints/0000009/state.json", "checkpoints/notes/state.json")
	require.NoError(t, pruneCheckpoints(dir, 2))
	var left []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			left = append(left, rel)
		}
		return err
	}))
	require.Equal(t, []string{".mine.tmp", "adapters.safetensors", "checkpoints/0000006/state.json", "checkpoints/0000009/state.json", "checkpoints/notes/state.json"}, left)
}
