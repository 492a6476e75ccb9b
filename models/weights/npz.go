package weights

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/internal/atomicfile"
)

// ReadNPY reads a file with one array in NumPy's format.
func ReadNPY(path string) (Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return Tensor{}, fmt.Errorf("npy file %s: %w", path, pathless(err))
	}
	defer f.Close()
	t, err := readNPY(f)
	if err != nil {
		return t, fmt.Errorf("npy file %s: %w", path, pathless(err))
	}
	return t, nil
}

// ReadNPZ reads a zip archive of arrays in NumPy's format, compressed or not,
// as numpy.savez and mx.savez write it. An array's name is that of its entry
// without ".npy". The tensors are in the order of their names.
func ReadNPZ(path string) ([]Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("npz file %s: %w", path, pathless(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("not a regular file (%s)", info.Mode())
	}
	var tensors []Tensor
	if err == nil {
		tensors, err = readNPZ(f, info.Size())
	}
	if err != nil {
		return nil, fmt.Errorf("npz file %s: %w", path, pathless(err))
	}
	return tensors, nil
}

func readNPZ(r io.ReaderAt, size int64) ([]Tensor, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are not paths here
		return nil, fmt.Errorf("not a zip archive: %w", err)
	}
	var tensors []Tensor
	seen := map[string]bool{}
	for _, entry := range archive.File {
		name := strings.TrimSuffix(entry.Name, ".npy")
		if seen[name] {
			return nil, fmt.Errorf("array %q appears twice", name)
		}
		seen[name] = true
		t, err := readEntry(entry)
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", name, err)
		}
		t.Name = name
		tensors = append(tensors, t)
	}
	slices.SortFunc(tensors, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	return tensors, nil
}

// readEntry reads an entry to its end, where its checksum is compared.
func readEntry(entry *zip.File) (Tensor, error) {
	r, err := entry.Open()
	if err != nil {
		return Tensor{}, err
	}
	defer r.Close()
	return readNPY(r)
}

// WriteNPZ writes arrays as a zip archive that numpy.load and mx.load read, in
// one step, in the order of their names. compressed makes it smaller and slower
// to write and read.
func WriteNPZ(path string, tensors []Tensor, compressed bool) error {
	lazy := make([]Lazy, len(tensors))
	for i, t := range tensors {
		lazy[i] = Lazy{t.Name, t.DType, t.Shape, func() ([]byte, error) { return t.Data, nil }}
	}
	if err := checkTensors(lazy); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	slices.SortFunc(lazy, func(a, b Lazy) int { return strings.Compare(a.Name, b.Name) })
	return atomicfile.Write(path, filePerm, func(w io.Writer) error { return writeNPZ(w, lazy, compressed) })
}

func writeNPZ(w io.Writer, tensors []Lazy, compressed bool) error {
	archive := zip.NewWriter(w)
	method := zip.Store
	if compressed {
		method = zip.Deflate
	}
	for _, t := range tensors {
		entry, err := archive.CreateHeader(&zip.FileHeader{Name: t.Name + ".npy", Method: method})
		if err == nil {
			err = writeNPY(entry, t)
		}
		if err != nil {
			return fmt.Errorf("array %q: %w", t.Name, err)
		}
	}
	return archive.Close()
}
