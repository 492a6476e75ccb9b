//go:build metalfake

package mutants

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mutant is a fault: in file, the only place with the text old becomes new. The
// tests that test matches then fail, and print caught.
type mutant struct {
	name           string
	file, old, new string
	test, caught   string
}

// Every planted fault is caught, for the reason that it should be.
func TestMutants(t *testing.T) {
	for _, m := range append(commands, resources...) {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			if out := m.run(t); !strings.Contains(out, m.caught) {
				t.Errorf("%q is not in:\n%.2000s", m.caught, out)
			}
		})
	}
}

// run runs the driver's tests with the fault in it, and returns what they print.
func (m mutant) run(t *testing.T) string {
	driver, err := filepath.Abs("..")
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(driver, m.file))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), m.old), "places in %s with %q", m.file, m.old)
	faulty := strings.Replace(string(text), m.old, m.new, 1)
	changed := filepath.Join(t.TempDir(), m.file)
	require.NoError(t, os.WriteFile(changed, []byte(faulty), 0o644))
	cmd := exec.Command("go", "test", "-vet=off", "-tags=metalfake", "-ldflags=-w -s -extldflags=-fuse-ld=lld -extld="+os.Getenv("CC"), "-overlay", filepath.Join(t.TempDir(), "overlay"), "-run", m.test, "..")
	cmd.Env = append(os.Environ(), "GOTRACEBACK=none")
	if strings.HasSuffix(m.file, ".m") {
		// Go overlays no Objective-C: fakecc takes the file, and a comment in a Go
		// file makes it compile again.
		cmd.Env = append(cmd.Env, "FAKECC_DRIVER="+changed)
		m.file = "driver.go"
		text, err = os.ReadFile(filepath.Join(driver, m.file))
		require.NoError(t, err)
		changed = filepath.Join(t.TempDir(), m.file)
		require.NoError(t, os.WriteFile(changed, fmt.Appendf(text, "\n// %08x\n", crc32.ChecksumIEEE([]byte(faulty))), 0o644))
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(driver, m.file): changed}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cmd.Args[6], overlay, 0o644))
	out, err := cmd.CombinedOutput()
	require.Error(t, err, "nothing was noticed")
	if strings.Contains(string(out), "[build failed]") {
		t.Fatal(string(out))
	}
	return string(out)
}
