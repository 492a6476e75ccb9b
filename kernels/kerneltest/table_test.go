package kerneltest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A name seeds a case and finds it: no two cases have the same.
func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, in := range Instances() {
		name := in.Name()
		require.False(t, seen[name], "two cases are called %s", name)
		seen[name] = true
	}
	require.Greater(t, len(seen), 2000)
}
