//go:build unix

package train

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/ftmetal/ftmetal/metal"
	"golang.org/x/sys/unix"
)

// A file of states is: eight letters, the size of the key in four bytes, the key as
// JSON, zeros up to a page; then eight bytes for each example: a checksum and 1 if
// its states are there; zeros up to a page; then the states. States are written
// before their entry, and an entry is believed only if its checksum agrees: whatever
// moment a run or a machine dies at, what is read is what was written, or nothing.
const (
	stateMagic  = "FTMSTATE"
	stateFormat = 1
	statePage   = 4096
	stateEntry  = 8
	keyLimit    = 1 << 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fileStore keeps states in a file.
type fileStore struct {
	f      *os.File
	path   string
	index  []uint64 // checksum, and bit 32 for states that are there
	table  int64    // offset of the index
	states int64    // offset of the states
}

// layOut rounds the parts up to pages.
func (s *fileStore) layOut(key []byte, slots int) {
	page := func(n int64) int64 { return (n + statePage - 1) / statePage * statePage }
	s.index = make([]uint64, slots)
	s.table = page(int64(len(stateMagic)) + 4 + int64(len(key)))
	s.states = page(s.table + stateEntry*int64(slots))
}

// openFileStore opens the file at path, or makes one where there is none, or one of
// another key; then why says what was wrong with the old one. A file that is nothing
// like it is an error: it may be somebody's data.
func openFileStore(path string, key stateKey, slots int, bytes int64) (s *fileStore, why string, err error) {
	s = &fileStore{path: path}
	s.layOut(key.text(), slots)
	defer func() {
		if err != nil {
			err = fmt.Errorf("cache_frozen %s: %w", path, err)
		}
	}()
	if err := checkDisk(path, s.states+bytes); err != nil {
		return nil, "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, "", bare(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, "", bare(err)
	default:
		if why, err = s.read(f, key, s.states+bytes); err == nil && why == "" {
			s.f = f
			return s, "", nil
		}
		f.Close()
		if err != nil {
			return nil, "", err
		}
	}
	clear(s.index)
	return s, why, s.create(key, s.states+bytes)
}

// read checks that f is a file of states for key, and reads its index. why is what is
// wrong with a file that can be replaced.
func (s *fileStore) read(f *os.File, key stateKey, size int64) (why string, err error) {
	info, err := f.Stat()
	if err != nil {
		return "", bare(err)
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("is not a file")
	}
	if info.Size() == 0 {
		return "is empty", nil
	}
	head := make([]byte, len(stateMagic)+4)
	if _, err := io.ReadFull(f, head); err != nil || !bytes.HasPrefix(head, []byte(stateMagic)) {
		return "", errors.New("is a file of another kind, and is left as it is: remove it or name another")
	}
	n := binary.LittleEndian.Uint32(head[len(stateMagic):])
	text := make([]byte, min(n, keyLimit))
	var old stateKey
	if _, err := io.ReadFull(f, text); err != nil || n > keyLimit || json.Unmarshal(text, &old) != nil {
		return "is damaged at its beginning", nil
	}
	if d := key.differs(old); d != "" {
		return "was made with " + d, nil
	}
	if info.Size() != size {
		return fmt.Sprintf("has %d bytes, want %d: it was cut short, or is not whole", info.Size(), size), nil
	}
	table := make([]byte, stateEntry*len(s.index))
	if _, err := f.ReadAt(table, s.table); err != nil {
		return "", bare(err)
	}
	for i := range s.index {
		s.index[i] = binary.LittleEndian.Uint64(table[stateEntry*i:])
	}
	return "", nil
}

// create makes an empty file, whole from the moment it has its name.
func (s *fileStore) create(key stateKey, size int64) (err error) {
	f, err := os.CreateTemp(filepath.Dir(s.path), "."+filepath.Base(s.path)+".*.tmp")
	if err != nil {
		return bare(err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = bare(err)
		}
	}()
	text := key.text()
	head := binary.LittleEndian.AppendUint32([]byte(stateMagic), uint32(len(text)))
	if _, err := f.Write(append(head, text...)); err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.path); err != nil {
		return err
	}
	s.f = f
	return nil
}

// bare is an error of a file without its name, which the caller puts in front.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (s *fileStore) has(slot stateSlot) bool { return s.index[slot.index] != 0 }

func (s *fileStore) get(slot stateSlot, dst []byte) (bool, error) {
	_, err := s.f.ReadAt(dst, s.states+slot.off)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("cache_frozen %s: %w", s.path, bare(err))
	}
	if err != nil || entryOf(dst) != s.index[slot.index] {
		s.index[slot.index] = 0
		clear(dst)
		return false, nil
	}
	return true, nil
}

// entryOf is the index entry of states.
func entryOf(states []byte) uint64 {
	return 1<<32 | uint64(crc32.Checksum(states, castagnoli))
}

func (s *fileStore) put(slot stateSlot, src []byte) error {
	entry := entryOf(src)
	_, err := s.f.WriteAt(src, s.states+slot.off)
	if err == nil {
		_, err = s.f.WriteAt(binary.LittleEndian.AppendUint64(nil, entry), s.table+stateEntry*int64(slot.index))
	}
	if err != nil {
		return fmt.Errorf("cache_frozen %s: %w", s.path, bare(err))
	}
	s.index[slot.index] = entry
	return nil
}

func (s *fileStore) close() error { return s.f.Close() }

// checkDisk refuses a file of size bytes that its disk has no room for, what the file
// there takes already included.
func checkDisk(path string, size int64) error {
	var fs unix.Statfs_t
	dir := filepath.Dir(path)
	err := unix.Statfs(dir, &fs)
	for errors.Is(err, os.ErrNotExist) && dir != filepath.Dir(dir) { // it is made later
		dir = filepath.Dir(dir)
		err = unix.Statfs(dir, &fs)
	}
	if err != nil {
		return err
	}
	free := int64(fs.Bavail) * int64(fs.Bsize)
	var old unix.Stat_t
	if unix.Stat(path, &old) == nil {
		free += old.Blocks * 512
	}
	if size > free {
		return fmt.Errorf("%s of states do not fit: the disk has %s free", metal.FormatBytes(size), metal.FormatBytes(free))
	}
	return nil
}
