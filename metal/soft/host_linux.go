package soft

import "syscall"

// hostMemory is the physical memory in bytes.
func hostMemory() int64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// largePages: adviseHuge has an effect.
const largePages = true

// adviseHuge asks for huge pages: products of few rows spend a tenth to a third
// of their time on looking up small ones. A system need not take the advice.
func adviseHuge(m []byte) { _ = syscall.Madvise(m, syscall.MADV_HUGEPAGE) }
