package doctor

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// system asks macOS.
func system() []Fact {
	var facts []Fact
	add := func(name, value string, err error) {
		if err == nil {
			facts = append(facts, Fact{name, value})
		}
	}
	for _, q := range []struct{ name, key string }{{"machine", "hw.model"}, {"processor", "machdep.cpu.brand_string"}, {"macOS", "kern.osproductversion"}, {"build", "kern.osversion"}} {
		value, err := unix.Sysctl(q.key)
		add(q.name, value, err)
	}
	memory, err := unix.SysctlUint64("hw.memsize")
	add("memory", size(memory), err)
	// 0 is the system's own choice: about two thirds, or three quarters, of the memory.
	wired, err := unix.SysctlUint32("iogpu.wired_limit_mb")
	add("iogpu.wired_limit_mb", fmt.Sprint(wired), err)
	if swap, err := unix.SysctlRaw("vm.swapusage"); err == nil && len(swap) >= 24 {
		total, used := binary.NativeEndian.Uint64(swap), binary.NativeEndian.Uint64(swap[16:])
		add("swap", fmt.Sprintf("%s, %s used", size(total), size(used)), nil)
	}
	return facts
}
