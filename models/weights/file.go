package weights

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// File is an open safetensors file, mapped into memory.
//
// The file must not be cut short or rewritten in place while it is open: its
// pages are read when a tensor is. Replacing it by a rename, as this package
// does, is safe.
type File struct {
	path     string
	mapping  []byte
	metadata map[string]string
	tensors  []Tensor // in the order of their names
}

// Open maps a safetensors file. An error names the file, the tensor, and what
// is wrong with it.
func Open(path string) (*File, error) {
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors file %s: %w", path, pathless(err))
	}
	return f, nil
}

func open(path string) (*File, error) {
	// Before opening: that of a named pipe would block.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a regular file (%s)", info.Mode())
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	h, err := readHeader(file, info.Size())
	if err != nil {
		return nil, err
	}
	f := &File{path: path, metadata: h.metadata, tensors: make([]Tensor, len(h.entries))}
	if f.mapping, err = mapFile(file, info.Size()); err != nil {
		return nil, fmt.Errorf("mmap of %d bytes: %w", info.Size(), err)
	}
	data := f.mapping[h.data:]
	for i, e := range h.entries {
		f.tensors[i] = Tensor{Name: e.name, DType: e.dtype, Shape: e.shape, Data: data[e.begin:e.end:e.end]}
	}
	return f, nil
}

// Path is the path that the file was opened by.
func (f *File) Path() string { return f.path }

// Metadata is the header's __metadata__, or nil.
func (f *File) Metadata() map[string]string { return f.metadata }

// Tensors lists the tensors in the order of their names.
func (f *File) Tensors() []Tensor { return f.tensors }

// Bytes is the whole mapping, the header included: the Data of every tensor is
// a part of it.
func (f *File) Bytes() []byte { return f.mapping }

// Lookup returns the tensor called name.
func (f *File) Lookup(name string) (Tensor, bool) {
	i, ok := slices.BinarySearchFunc(f.tensors, name, func(t Tensor, name string) int { return strings.Compare(t.Name, name) })
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Close unmaps the file; reading the Data of its tensors afterwards crashes.
// Closing twice does nothing.
func (f *File) Close() error {
	if f.mapping == nil {
		return nil
	}
	m := f.mapping
	f.mapping, f.tensors = nil, nil
	if err := unmapFile(m); err != nil {
		return fmt.Errorf("safetensors file %s: munmap: %w", f.path, err)
	}
	return nil
}
