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

// File is the new content of a path. It takes the path's place at Commit.
type File struct {
	path string
	tmp  *os.File
	buf  *bufio.Writer
	err  error // of the first write that failed
	size int64
	// staged is set once the content is complete and on disk; done once the file
	// is committed or aborted.
	staged, done bool
}

// Create starts new content for path. perm is the mode of the new file, before
// umask. The folder must exist.
func Create(path string, perm fs.FileMode) (*File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("write %s: is a directory", path)
	}
	dir, base := filepath.Split(path)
	for range 100 {
		name := fmt.Sprintf("%s.%s.%08x.tmp", dir, base, rand.Uint32())
		tmp, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, writeError(path, err)
		}
		f := &File{path: path, tmp: tmp}
		f.buf = bufio.NewWriterSize(limited{tmp}, bufferSize)
		return f, nil
	}
	return nil, fmt.Errorf("write %s: no free name for a temporary file", path)
}

// Write appends p to the new content.
func (f *File) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.buf.Write(p)
	f.size += int64(n)
	if err != nil {
		f.err = writeError(f.path, err)
	}
	return n, f.err
}

// Size is the number of bytes written so far.
func (f *File) Size() int64 { return f.size }

// Stage completes the content and puts it on disk under the temporary name;
// the path still has its old content.
func (f *File) Stage() error {
	if f.staged || f.err != nil {
		return f.err
	}
	err := f.buf.Flush()
	if err == nil {
		err = f.tmp.Sync()
	}
	// Some file systems report a full disk or quota only here.
	if e := f.tmp.Close(); err == nil {
		err = e
	}
	if err != nil {
		f.err = writeError(f.path, err)
		return f.err
	}
	f.staged = true
	return nil
}

// Commit puts the new content in the path's place, staging it first if that
// has not been done. On an error the path keeps its old content.
func (f *File) Commit() error {
	if err := f.Stage(); err != nil {
		f.Abort()
		return err
	}
	if err := os.Rename(f.tmp.Name(), f.path); err != nil {
		f.Abort()
		return writeError(f.path, err)
	}
	f.done = true
	return syncDir(f.path)
}

// Abort removes the temporary file. After Commit it does nothing, so that it
// can be deferred.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.done = true
	if !f.staged {
		f.tmp.Close()
	}
	os.Remove(f.tmp.Name())
}

// Write replaces the content of path by what fill writes. perm is the mode of
// the new file, before umask. On an error of any kind path keeps its old
// content and nothing else is left behind; an error of fill is returned with
// the path in front.
func Write(path string, perm fs.FileMode, fill func(w io.Writer) error) error {
	f, err := Create(path, perm)
	if err != nil {
		return err
	}
	// Also runs when fill panics.
	defer f.Abort()
	if err := fill(f); err != nil {
		if f.err != nil {
			return f.err
		}
		// Not writeError: err may name another file, one that was being read.
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Commit()
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
