package soft

import "golang.org/x/sys/unix"

// hostMemory is the physical memory in bytes.
func hostMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(n)
}

// largePages: adviseHuge has none.
const largePages = false

// adviseHuge does nothing: the system has no such advice.
func adviseHuge([]byte) {}
