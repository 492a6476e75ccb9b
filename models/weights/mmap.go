//go:build unix

package weights

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapFile maps the first size bytes of f for reading. The mapping outlives f.
func mapFile(f *os.File, size int64) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_PRIVATE)
}

// unmapFile ends a mapping of mapFile.
func unmapFile(data []byte) error { return unix.Munmap(data) }

// Release lets the system take back the memory of a tensor that lies in a mapped
// file: it is read again when it is used. Other tensors are left alone.
func (s *Set) Release(name string) {
	if t, ok := s.byKey[name]; ok {
		dropPages(t.Data)
	}
}

// dropPages lets the system take back the pages that lie wholly in a part of a
// mapping; they are read from the file again when they are used. Only for parts
// of mapFile's mappings: other memory would become zero.
func dropPages(data []byte) {
	if len(data) == 0 {
		return
	}
	page := os.Getpagesize()
	skip := -int(uintptr(unsafe.Pointer(&data[0]))) & (page - 1)
	if n := (len(data) - skip) &^ (page - 1); n > 0 {
		// Advice that is not taken costs memory and nothing else.
		_ = unix.Madvise(data[skip:skip+n], unix.MADV_DONTNEED)
	}
}
