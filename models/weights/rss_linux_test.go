package weights

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// resident is the process's resident memory in bytes.
func resident(t *testing.T) int64 {
	b, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	var size, pages int64
	_, err = fmt.Sscan(string(b), &size, &pages)
	require.NoError(t, err)
	return pages * int64(os.Getpagesize())
}

// sparse writes a file of tensors of 64 MiB each, all of it a hole.
func sparse(t *testing.T, path, prefix string, tensors int) {
	const each = 64 << 20
	header := "{"
	for i := range tensors {
		if i > 0 {
			header += ","
		}
		header += fmt.Sprintf(`"%s.%d":{"dtype":"BF16","shape":[4096,8192],"data_offsets":[%d,%d]}`, prefix, i, i*each, (i+1)*each)
	}
	header += "}"
	b := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	require.NoError(t, os.WriteFile(path, b, 0o644))
	require.NoError(t, os.Truncate(path, int64(len(b))+int64(tensors)*each))
}

// Opening a large model maps it and reads nothing but headers.
func TestOpenDirDoesNotRead(t *testing.T) {
	dir := t.TempDir()
	sparse(t, filepath.Join(dir, shard1), "a", 24)
	sparse(t, filepath.Join(dir, shard2), "b", 24)
	before := resident(t)
	start := time.Now()
	s, err := OpenDir(dir)
	took := time.Since(start)
	grown := resident(t) - before
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, int64(3<<30), s.TotalBytes())
	require.Less(t, took, 200*time.Millisecond)
	require.Less(t, grown, int64(50<<20))

	// One tensor is read, the others stay on disk.
	one, ok := s.Lookup("b.7")
	require.True(t, ok)
	require.NoError(t, CheckFinite(one))
	require.Less(t, resident(t)-before, int64(120<<20))
}

// The check of all weights reads a model without keeping it resident, and finds
// a NaN in its last element.
func TestCheckFiniteOfASet(t *testing.T) {
	dir := t.TempDir()
	sparse(t, filepath.Join(dir, shard1), "a", 4)
	sparse(t, filepath.Join(dir, shard2), "b", 4)
	s, err := OpenDir(dir)
	require.NoError(t, err)
	defer s.Close()
	before := resident(t)
	all := func(string) bool { return true }
	require.NoError(t, s.CheckFinite(all))
	require.Less(t, resident(t)-before, int64(40<<20))
	f, err := os.OpenFile(filepath.Join(dir, shard2), os.O_RDWR, 0)
	require.NoError(t, err)
	info, err := f.Stat()
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{0xc0, 0x7f}, info.Size()-2)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.EqualError(t, s.CheckFinite(all), "safetensors file "+filepath.Join(dir, shard2)+`: tensor "b.3": element [4095 8191] is NaN, want a finite number`)
	require.NoError(t, s.CheckFinite(func(name string) bool { return name != "b.3" }))
}
