package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
)

// bufferSize gathers small writes; larger ones go to the file directly.
const bufferSize = 64 << 10

// File is the new content of a path, complete and on disk under a temporary
// name.
type File struct {
	path, tmp string
	done      bool // committed or aborted
}

// Write replaces the content of path by what fill writes. perm is the mode of
// the new file, before umask; the folder must exist. On an error of any kind
// path keeps its old content and nothing else is left behind. An error of fill
// is returned with the path in front.
func Write(path string, perm fs.FileMode, fill func(w io.Writer) error) error {
	f, err := Stage(path, perm, fill)
	if err != nil {
		return err
	}
	return f.Commit()
}

// Stage is Write up to the point where path still has its old content: Commit
// or Abort must follow.
func Stage(path string, perm fs.FileMode, fill func(w io.Writer) error) (*File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("write %s: is a directory", path)
	}
	tmp, err := createTemp(path, perm)
	if err != nil {
		return nil, writeError(path, err)
	}
	f := &File{path: path, tmp: tmp.Name()}
	// Deferred, so that a panic of fill leaves nothing behind either.
	ok := false
	defer func() {
		if !ok {
			tmp.Close()
			f.Abort()
		}
	}()
	w := &writer{buf: bufio.NewWriterSize(limited{tmp}, bufferSize)}
	if err := fill(w); err != nil && w.err == nil {
		// Not writeError: err may name another file, one that was being read.
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	// A fill that ignores the error of a write does not get its file.
	if w.err == nil {
		w.err = w.buf.Flush()
	}
	if w.err == nil {
		w.err = tmp.Sync()
	}
	// Some file systems report a full disk or quota only here.
	if w.err == nil {
		w.err = tmp.Close()
	}
	if w.err != nil {
		return nil, writeError(path, w.err)
	}
	ok = true
	return f, nil
}

// createTemp makes a new file beside path. Unlike os.CreateTemp it heeds umask.
func createTemp(path string, perm fs.FileMode) (*os.File, error) {
	dir, base := filepath.Split(path)
	for {
		name := fmt.Sprintf("%s.%s.%016x.tmp", dir, base, rand.Uint64())
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// writer remembers the first error.
type writer struct {
	buf *bufio.Writer
	err error
}

func (w *writer) Write(p []byte) (n int, err error) {
	if w.err == nil {
		n, w.err = w.buf.Write(p)
	}
	return n, w.err
}

// Commit puts the new content in the path's place. On an error the path keeps
// its old content.
func (f *File) Commit() error {
	if err := os.Rename(f.tmp, f.path); err != nil {
		f.Abort()
		return writeError(f.path, err)
	}
	f.done = true
	return syncDir(f.path)
}

// Abort removes the temporary file. After Commit it does nothing, so that it
// can be deferred.
func (f *File) Abort() {
	if !f.done {
		f.done = true
		os.Remove(f.tmp)
	}
}

// syncDir makes the rename to path durable.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return writeError(path, err)
	}
	defer d.Close()
	// Some file systems cannot sync a folder. The new content is in place, and
	// there is no more that could be done for it.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return writeError(path, err)
	}
	return nil
}

// writeError puts path in front of err, in place of the temporary name that
// package os put there.
func writeError(path string, err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = e.Err
	} else if e := (*os.LinkError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return fmt.Errorf("write %s: %w", path, err)
}
