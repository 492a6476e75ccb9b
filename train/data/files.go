// Which files hold the data, and their lines as a stream.

package data

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// maxLine bounds the memory one line of a file can ask for, in bytes.
	maxLine = 64 << 20
	// maxZstdWindow bounds the memory of the zstd decoder, in bytes (zstd --long=27).
	maxZstdWindow = 128 << 20
)

// Files are the paths of the splits of a data set; "" where there is none.
type Files struct {
	Train, Valid, Test string
}

// Find returns the files of a data set. path is a folder with train.jsonl,
// valid.jsonl and test.jsonl (each also .jsonl.gz or .jsonl.zst; any of them
// may be missing, but not all), or one file, which then is the train split.
func Find(path string) (Files, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Files{}, fmt.Errorf("data: %w", err)
	}
	if !info.IsDir() {
		return Files{Train: path}, nil
	}
	var files Files
	for _, split := range []struct {
		name string
		to   *string
	}{{"train", &files.Train}, {"valid", &files.Valid}, {"test", &files.Test}} {
		for _, suffix := range []string{".jsonl", ".jsonl.gz", ".jsonl.zst"} {
			file := filepath.Join(path, split.name+suffix)
			if _, err := os.Stat(file); err != nil {
				if errors.Is(err, os.ErrNotExist) {
					continue
				}
				return Files{}, fmt.Errorf("data: %w", err)
			}
			if *split.to != "" {
				return Files{}, fmt.Errorf("data: both %s and %s exist, keep one", *split.to, file)
			}
			*split.to = file
		}
	}
	if files == (Files{}) {
		return Files{}, fmt.Errorf("data: %s has no train.jsonl, valid.jsonl or test.jsonl (also .gz, .zst)", path)
	}
	return files, nil
}

// open opens a file for reading, through its decompressor.
func open(path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	var plain io.Reader = file
	var stop func()
	switch {
	case strings.HasSuffix(path, ".gz"):
		z, err := gzip.NewReader(bufio.NewReaderSize(file, 1<<16))
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("%s:1: gzip: %w", path, err)
		}
		plain, stop = z, func() { z.Close() }
	case strings.HasSuffix(path, ".zst"):
		// One goroutine decodes faster than the default pipeline on files of this size.
		z, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("%s:1: zstd: %w", path, err)
		}
		plain, stop = z, z.Close
	}
	return &dataFile{Reader: plain, file: file, stop: stop}, nil
}

type dataFile struct {
	io.Reader
	file *os.File
	stop func()
}

func (f *dataFile) Close() error {
	if f.stop != nil {
		f.stop()
	}
	return f.file.Close()
}

// eachLine calls fn for every line of the file, with its 1-based number and
// without its line end. The text is valid until fn returns. Blank lines at the
// end of the file are dropped, elsewhere they are an error. Errors of fn get
// the prefix file:line.
func eachLine(ctx context.Context, path string, fn func(number int, text []byte) error) error {
	file, err := open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	in := lineReader{in: bufio.NewReaderSize(file, 1<<16)}
	blank := 0 // number of the first line of the current run of blank lines
	for number := 1; ; number++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		text, err := in.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", path, number, err)
		}
		if number == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff")) // editors on Windows write it
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			if blank == 0 {
				blank = number
			}
			continue
		}
		if blank != 0 {
			return fmt.Errorf("%s:%d: empty row", path, blank)
		}
		if err := fn(number, text); err != nil {
			return fmt.Errorf("%s:%d: %w", path, number, err)
		}
	}
}

// lineReader reads lines of any length up to maxLine, reusing one buffer.
type lineReader struct {
	in  *bufio.Reader
	buf []byte
}

func (r *lineReader) next() ([]byte, error) {
	r.buf = r.buf[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		r.buf = append(r.buf, part...)
		switch {
		case len(r.buf) > maxLine:
			return nil, fmt.Errorf("line is longer than %d MiB", maxLine>>20)
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(r.buf) > 0:
			return r.buf, nil
		case err != nil:
			return nil, err
		}
		return r.buf, nil
	}
}
