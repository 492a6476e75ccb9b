//go:build asan

package soft_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

const guardFaults = true

// AddressSanitizer ends the process, so each mistake runs in a process of its
// own: the test starts itself again with the mistake's number.
func TestAddressSanitizer(t *testing.T) {
	mistakes := []struct {
		what     string
		op, n    uint32
		view, at int64
	}{
		{"a write past a threadgroup array", 4, 60, 256, 0},
		{"a write just past a view", 5, 8, 64, 64},
		{"a write before a view", 5, 0xfffffff8, 64, 64},
		{"no mistake", 4, 0, 256, 0},
	}
	if which := os.Getenv("SOFT_TEST_MISTAKE"); which != "" {
		m := mistakes[which[0]-'0']
		d := open(t, soft.Options{Guard: true})
		b, err := d.Alloc(1 << 16)
		require.NoError(t, err)
		run(t, d, metal.Dispatch{Kernel: "selftest_mistakes", Out: []metal.View{{Buf: b, Off: m.at, Len: m.view}},
			Args: bytesOf(threadsArgs{m.op, m.n}), Grid: x(16), Group: x(16)})
		return
	}
	for i, m := range mistakes {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAddressSanitizer$")
		cmd.Env = append(os.Environ(), "SOFT_TEST_MISTAKE="+string(rune('0'+i)))
		out, err := cmd.CombinedOutput()
		if m.what == "no mistake" {
			require.NoError(t, err, string(out))
			continue
		}
		require.Error(t, err, m.what)
		require.Contains(t, string(out), "AddressSanitizer: use-after-poison", m.what)
		require.Contains(t, string(out), "soft: in kernel selftest_mistakes of testdata/threads.metal", m.what)
	}
}
