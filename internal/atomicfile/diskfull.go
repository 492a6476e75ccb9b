package atomicfile

import (
	"io"
	"sync/atomic"
	"syscall"
)

// room is the number of bytes that may still be written before the disk counts
// as full; nil leaves that to the disk.
var room atomic.Pointer[atomic.Int64]

// DiskFullAfter makes the disk full for all files of this package once n more
// bytes have been written, until the test t (a testing.TB) ends. Writes then
// fail with ENOSPC after writing what still fits, as on a real disk.
func DiskFullAfter(t interface{ Cleanup(func()) }, n int64) {
	left := new(atomic.Int64)
	left.Store(n)
	room.Store(left)
	t.Cleanup(func() { room.Store(nil) })
}

// limited is w until the room is used up.
type limited struct{ w io.Writer }

func (l limited) Write(p []byte) (int, error) {
	left := room.Load()
	if left == nil {
		return l.w.Write(p)
	}
	over := min(max(-left.Add(-int64(len(p))), 0), int64(len(p)))
	n, err := l.w.Write(p[:int64(len(p))-over])
	if over > 0 && err == nil {
		err = syscall.ENOSPC
	}
	return n, err
}
