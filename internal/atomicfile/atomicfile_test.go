package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// names lists a folder.
func names(t *testing.T, dir string) []string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func content(t *testing.T, path string) string {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func TestWriteReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	for _, text := range []string{"first", "", string(bytes.Repeat([]byte("x"), 3*bufferSize+1))} {
		require.NoError(t, Write(path, 0o640, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		}))
		require.Equal(t, text, content(t, path))
	}
	require.Equal(t, []string{"a.json"}, names(t, filepath.Dir(path)))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode().Perm())
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, Write("a", 0o644, func(w io.Writer) error { return nil }))
	require.Equal(t, []string{"a"}, names(t, "."))
}

// Wherever the disk gets full, the old file stays, nothing is left behind and
// the error names the target.
func TestDiskFull(t *testing.T) {
	const size = 2*bufferSize + 100
	for _, room := range []int64{0, 1, bufferSize - 1, bufferSize, bufferSize + 1, 2 * bufferSize, size - 1} {
		for _, chunk := range []int{7, bufferSize, size} {
			t.Run(fmt.Sprint(room, "/", chunk), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "model")
				require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))
				DiskFullAfter(t, room)
				err := Write(path, 0o644, func(w io.Writer) error {
					for left := size; left > 0; left -= chunk {
						if _, err := w.Write(make([]byte, min(chunk, left))); err != nil {
							return err
						}
					}
					return nil
				})
				require.ErrorIs(t, err, syscall.ENOSPC)
				require.EqualError(t, err, "write "+path+": no space left on device")
				require.Equal(t, "old", content(t, path))
				require.Equal(t, []string{"model"}, names(t, filepath.Dir(path)))
			})
		}
	}
	t.Run("exact fit", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "model")
		DiskFullAfter(t, size)
		require.NoError(t, Write(path, 0o644, func(w io.Writer) error {
			_, err := w.Write(make([]byte, size))
			return err
		}))
		require.Len(t, content(t, path), size)
	})
}

// A writer that drops the error of a failed write must not get its file.
func TestIgnoredWriteError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model")
	DiskFullAfter(t, 10)
	err := Write(path, 0o644, func(w io.Writer) error {
		w.Write(make([]byte, 2*bufferSize))
		w.Write([]byte("more"))
		return nil
	})
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Empty(t, names(t, filepath.Dir(path)))
}

func TestFillError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))
	_, source := os.Open("absent.bin")
	for _, err := range []error{errors.New("no data"), source} {
		got := Write(path, 0o644, func(w io.Writer) error {
			io.WriteString(w, "half of it")
			return err
		})
		require.EqualError(t, got, "write "+path+": "+err.Error())
		require.ErrorIs(t, got, err)
		require.Equal(t, "old", content(t, path))
		require.Equal(t, []string{"model"}, names(t, filepath.Dir(path)))
	}
	require.Panics(t, func() { Write(path, 0o644, func(w io.Writer) error { panic("bug") }) })
	require.Equal(t, []string{"model"}, names(t, filepath.Dir(path)))
}

func TestBadTargets(t *testing.T) {
	dir := t.TempDir()
	fill := func(w io.Writer) error { return nil }
	err := Write(dir, 0o644, fill)
	require.EqualError(t, err, "write "+dir+": is a directory")

	absent := filepath.Join(dir, "absent", "model")
	err = Write(absent, 0o644, fill)
	require.EqualError(t, err, "write "+absent+": no such file or directory")
	require.Empty(t, names(t, dir))
}

func TestStagedFilesChangeTogether(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	require.NoError(t, os.WriteFile(a, []byte("old"), 0o644))
	var files []*File
	for _, path := range []string{a, b} {
		f, err := Stage(path, 0o644, func(w io.Writer) error {
			_, err := io.WriteString(w, "new")
			return err
		})
		require.NoError(t, err)
		defer f.Abort()
		files = append(files, f)
	}
	require.Equal(t, "old", content(t, a))
	require.NoFileExists(t, b)
	for _, f := range files {
		require.NoError(t, f.Commit())
		f.Abort()
	}
	require.Equal(t, "new", content(t, a))
	require.Equal(t, []string{"a", "b"}, names(t, dir))
}

func TestAbortRemoves(t *testing.T) {
	dir := t.TempDir()
	f, err := Stage(filepath.Join(dir, "a"), 0o644, func(w io.Writer) error { return nil })
	require.NoError(t, err)
	require.Len(t, names(t, dir), 1)
	f.Abort()
	f.Abort()
	require.Empty(t, names(t, dir))
}

// The target can become a folder after Stage; the rename fails then.
func TestRenameFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	f, err := Stage(path, 0o644, func(w io.Writer) error { return nil })
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(path, 0o755))
	err = f.Commit()
	require.ErrorContains(t, err, "write "+path+": ")
	require.NotContains(t, err.Error(), ".tmp")
	require.Equal(t, []string{"a"}, names(t, filepath.Dir(path)))
}
