package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ftmetal/ftmetal/internal/atomicfile"
	"github.com/ftmetal/ftmetal/metal"
)

// fileNames lists a folder.
func fileNames(t *testing.T, dir string) []string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// split takes a file apart into header, without padding, and data.
func split(t *testing.T, path string) (header, data string) {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	n := 8 + binary.LittleEndian.Uint64(b)
	return strings.TrimRight(string(b[8:n]), " "), string(b[n:])
}

// The reference implementation's file and ours differ in padding only.
func TestWriteFileIsTheReference(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	tensors := goldenTensors(t)
	for range 2 {
		require.NoError(t, WriteFile(path, tensors, goldenMetadata))
		wantHeader, wantData := split(t, "testdata/golden.safetensors")
		header, data := split(t, path)
		require.Equal(t, wantHeader, header)
		require.Equal(t, wantData, data)
		slices.Reverse(tensors) // the order given does not matter
	}
}

func TestWriteFileReadsBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	want := goldenTensors(t)
	require.NoError(t, WriteFile(path, want, goldenMetadata))
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.Equal(t, want, f.Tensors())
	require.Equal(t, goldenMetadata, f.Metadata())
	n := 8 + binary.LittleEndian.Uint64(f.mapping)
	require.Zero(t, n%dataAlign)
	for _, got := range f.Tensors() {
		require.Zero(t, uintptr(unsafe.Pointer(unsafe.SliceData(got.Data)))%uintptr(got.DType.Size()), got.Name)
	}
	require.Equal(t, []string{"a.safetensors"}, fileNames(t, filepath.Dir(path)))

	require.NoError(t, WriteFile(path, nil, nil))
	g, err := Open(path)
	require.NoError(t, err)
	defer g.Close()
	require.Empty(t, g.Tensors())
	require.Nil(t, g.Metadata())
	// The mapping of a replaced file stays as it was.
	require.Equal(t, want, f.Tensors())
}

// Sizes around the writer's buffer and the header's padding.
func TestWriteFileSizes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	for _, n := range []int{0, 1, 63, 64, 65, 64<<10 - 1, 64 << 10, 1<<20 + 3} {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(i * 7)
		}
		want := Tensor{strings.Repeat("n", n%100), metal.Uint8, []int{n}, data}
		require.NoError(t, WriteFile(path, []Tensor{want}, nil))
		f, err := Open(path)
		require.NoError(t, err)
		got, ok := f.Lookup(want.Name)
		require.True(t, ok)
		require.True(t, bytes.Equal(data, got.Data))
		require.NoError(t, f.Close())
	}
}

func TestWriteFileErrors(t *testing.T) {
	one := []byte{1}
	for _, c := range []struct {
		want    string
		tensors []Tensor
	}{
		{`tensor "a": 1 bytes, but shape [2] of uint8 takes 2`, []Tensor{{"a", metal.Uint8, []int{2}, one}}},
		{`tensor "a": 1 bytes, but shape [] of float32 takes 4`, []Tensor{{"a", metal.Float32, nil, one}}},
		{`tensor "a" appears twice`, []Tensor{{"a", metal.Uint8, []int{1}, one}, {"a", metal.Uint8, []int{1}, one}}},
		{`tensor "__metadata__" has the name of the format's metadata`, []Tensor{{"__metadata__", metal.Uint8, []int{1}, one}}},
		{`tensor "\xff": the name is not UTF-8`, []Tensor{{"\xff", metal.Uint8, []int{1}, one}}},
		{`tensor "a": unknown dtype DType(77)`, []Tensor{{"a", 77, []int{1}, one}}},
		{`tensor "a": shape [-1] has a negative size`, []Tensor{{"a", metal.Uint8, []int{-1}, one}}},
		{`tensor "a": shape [4294967296 4294967296] of uint8 overflows 64 bits`, []Tensor{{"a", metal.Uint8, []int{1 << 32, 1 << 32}, one}}},
		{`the tensors together overflow 64 bits`, []Tensor{{"a", metal.Uint8, []int{1 << 62}, one}, {"b", metal.Uint8, []int{1 << 62}, one}}},
		{`tensor "a": 65 axes, want at most 64`, []Tensor{{"a", metal.Uint8, make([]int, 65), nil}}},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.safetensors")
		require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))
		require.EqualError(t, WriteFile(path, c.tensors, nil), "write "+path+": "+c.want)
		require.Equal(t, []string{"a.safetensors"}, fileNames(t, dir))
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "old", string(b))
	}
}

func TestWriteFileDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	old := goldenTensors(t)
	require.NoError(t, WriteFile(path, old, nil))
	big := []Tensor{{"big", metal.Uint8, []int{300_000}, make([]byte, 300_000)}}
	for _, room := range []int64{0, 7, 8, 100, 65_536, 200_000, 300_000} {
		atomicfile.DiskFullAfter(t, room)
		err := WriteFile(path, big, nil)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.EqualError(t, err, "write "+path+": no space left on device")
		require.Equal(t, []string{"a.safetensors"}, fileNames(t, filepath.Dir(path)))
		f, err := Open(path)
		require.NoError(t, err)
		require.Equal(t, old, f.Tensors())
		require.NoError(t, f.Close())
	}
}

// lazy is tensors as SaveSharded takes them.
func lazy(tensors []Tensor) []Lazy {
	var out []Lazy
	for _, t := range tensors {
		out = append(out, Lazy{t.Name, t.DType, t.Shape, func() ([]byte, error) { return t.Data, nil }})
	}
	return out
}

// layers are n tensors of 100 bytes.
func layers(n int, fill byte) []Tensor {
	var out []Tensor
	for i := range n {
		out = append(out, Tensor{fmt.Sprintf("model.layers.%d.weight", i), metal.BFloat16, []int{5, 10}, bytes.Repeat([]byte{fill + byte(i)}, 100)})
	}
	return out
}

func TestSaveSharded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out", "model")
	want := layers(5, 10)
	want = append(want, Tensor{"huge", metal.Float32, []int{100}, make([]byte, 400)}, Tensor{"last", metal.Uint8, []int{}, []byte{7}})
	require.NoError(t, SaveSharded(dir, lazy(want), 250, map[string]string{"format": "mlx"}))
	require.Equal(t, []string{
		"model-00001-of-00005.safetensors", "model-00002-of-00005.safetensors", "model-00003-of-00005.safetensors",
		"model-00004-of-00005.safetensors", "model-00005-of-00005.safetensors", "model.safetensors.index.json",
	}, fileNames(t, dir))
	index, err := os.ReadFile(filepath.Join(dir, indexFile))
	require.NoError(t, err)
	require.Equal(t, `{
    "metadata": {
        "total_size": 901,
        "total_parameters": 351
    },
    "weight_map": {
        "huge": "model-00004-of-00005.safetensors",
        "last": "model-00005-of-00005.safetensors",
        "model.layers.0.weight": "model-00001-of-00005.safetensors",
        "model.layers.1.weight": "model-00001-of-00005.safetensors",
        "model.layers.2.weight": "model-00002-of-00005.safetensors",
        "model.layers.3.weight": "model-00002-of-00005.safetensors",
        "model.layers.4.weight": "model-00003-of-00005.safetensors"
    }
}
`, string(index))
	sameSet(t, dir, want)
	for _, f := range fileNames(t, dir)[:5] {
		header, _ := split(t, filepath.Join(dir, f))
		require.Contains(t, header, `"__metadata__":{"format":"mlx"}`)
	}
}

// sameSet checks that OpenDir finds exactly the tensors.
func sameSet(t *testing.T, dir string, want []Tensor) {
	t.Helper()
	s, err := OpenDir(dir)
	require.NoError(t, err)
	defer s.Close()
	var names []string
	total := int64(0)
	for _, w := range want {
		names = append(names, w.Name)
		total += int64(len(w.Data))
		got, ok := s.Lookup(w.Name)
		require.True(t, ok, w.Name)
		require.Equal(t, w, got)
	}
	slices.Sort(names)
	require.Equal(t, names, s.Names())
	require.Equal(t, total, s.TotalBytes())
}

// A folder can be saved over in every direction; nothing of the old model is
// left, and nothing else is touched.
func TestSaveShardedReplaces(t *testing.T) {
	dir := t.TempDir()
	others := []string{"config.json", "consolidated.safetensors", "model-notes.txt"}
	for _, name := range others {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	for i, c := range []struct {
		limit int64
		count int // of files
	}{{500, 1}, {200, 4}, {100, 6}, {250, 4}, {499, 3}, {10, 6}, {1000, 1}} {
		want := layers(5, byte(i))
		require.NoError(t, SaveSharded(dir, lazy(want), c.limit, nil))
		require.Len(t, fileNames(t, dir), c.count+len(others), "limit %d", c.limit)
		sameSet(t, dir, want)
	}
	for _, name := range others {
		require.FileExists(t, filepath.Join(dir, name))
	}
}

// Wherever saving fails, the old model is still there, whole and alone.
func TestSaveShardedFailure(t *testing.T) {
	dir := t.TempDir()
	old := layers(5, 1)
	require.NoError(t, SaveSharded(dir, lazy(old), 250, nil))
	before := fileNames(t, dir)
	broken := lazy(layers(5, 90))
	broken[3].Data = func() ([]byte, error) { return nil, errors.New("device lost") }
	err := SaveSharded(dir, broken, 250, nil)
	require.EqualError(t, err, "write "+filepath.Join(dir, "model-00002-of-00003.safetensors")+`: tensor "model.layers.3.weight": device lost`)
	require.Equal(t, before, fileNames(t, dir))
	sameSet(t, dir, old)

	for room := int64(0); room < 2000; room += 150 {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			atomicfile.DiskFullAfter(t, room)
			err := SaveSharded(dir, lazy(layers(5, 90)), 100, nil)
			if err == nil {
				// The header of a shard takes 128 bytes, so all fit in the end.
				require.Greater(t, room, int64(5*(128+100)))
				sameSet(t, dir, layers(5, 90))
				atomicfile.DiskFullAfter(t, 1<<40)
				require.NoError(t, SaveSharded(dir, lazy(old), 250, nil))
				return
			}
			require.ErrorIs(t, err, syscall.ENOSPC)
			require.ErrorContains(t, err, "write "+dir)
			require.Equal(t, before, fileNames(t, dir))
			sameSet(t, dir, old)
		})
	}
}

func TestSaveShardedErrors(t *testing.T) {
	dir := t.TempDir()
	require.EqualError(t, SaveSharded(dir, nil, 0, nil), "write model "+dir+": shards of at most 0 bytes, want a positive number")
	twice := lazy(append(layers(1, 0), layers(1, 0)...))
	require.EqualError(t, SaveSharded(dir, twice, 1, nil), "write model "+dir+`: tensor "model.layers.0.weight" appears twice`)
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	require.EqualError(t, SaveSharded(file, nil, 1, nil), "write model "+file+": not a directory")
	require.NoError(t, SaveSharded(dir, nil, 1, nil))
	sameSet(t, dir, nil)
}

// Data is asked for once per tensor, in the order of the shards, one at a time.
func TestSaveShardedIsLazy(t *testing.T) {
	var calls []string
	tensors := lazy(layers(5, 0))
	for i := range tensors {
		data := tensors[i].Data
		tensors[i].Data = func() ([]byte, error) {
			calls = append(calls, tensors[i].Name)
			return data()
		}
	}
	require.NoError(t, SaveSharded(t.TempDir(), tensors, 200, nil))
	var want []string
	for _, l := range tensors {
		want = append(want, l.Name)
	}
	require.Equal(t, want, calls)
}
