package doctor

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// system asks Linux.
func system() []Fact {
	var facts []Fact
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, Fact{name, value})
		}
	}
	add("processor", field("/proc/cpuinfo", "model name", ":"))
	name := strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`)
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		name += ", Linux " + unix.ByteSliceToString(u.Release[:])
	}
	add("system", strings.TrimPrefix(name, ", "))
	add("memory", kilobytes("MemTotal")+", "+kilobytes("MemAvailable")+" available")
	if swap := kilobytes("SwapTotal"); swap != "0 B" && swap != "" {
		add("swap", swap+", "+kilobytes("SwapFree")+" free")
	}
	if limit, err := strconv.ParseUint(firstLine("/sys/fs/cgroup/memory.max"), 10, 64); err == nil {
		add("memory limit", size(limit)+" of this group of processes")
	}
	return facts
}

// field is the value of the first line of a file that begins with name.
func field(file, name, separator string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, separator); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// kilobytes is a size of /proc/meminfo.
func kilobytes(name string) string {
	n, err := strconv.ParseUint(strings.TrimSuffix(field("/proc/meminfo", name, ":"), " kB"), 10, 64)
	if err != nil {
		return ""
	}
	return size(n << 10)
}

func firstLine(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return line
}
