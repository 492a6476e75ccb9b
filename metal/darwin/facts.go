//go:build darwin || metalfake

package darwin

import (
	"fmt"
	"os"

	"github.com/ftmetal/ftmetal/metal"
)

// Facts are what Metal says of the GPU, and how the driver uses it.
func (d *Device) Facts() []metal.Fact {
	var facts []metal.Fact
	add := func(name, format string, args ...any) {
		facts = append(facts, metal.Fact{Name: name, Value: fmt.Sprintf(format, args...)})
	}
	language := d.hw.language()
	add("architecture", "%s, family Apple%d, Metal %d", orNone(d.hw.architecture), d.hw.family, d.hw.metal)
	add("macOS as Metal sees it", "%d.%d", d.hw.osMajor, d.hw.osMinor)
	add("language", "Metal %d.%d, TENSOR_OPS %d", language>>16, language&0xffff, tensorOps(d.hw.tensor()))
	if d.hw.virtual() {
		add("virtual", "yes: the device of a virtual machine")
	}
	add("working set", "%s recommended, %s in use", metal.FormatBytes(d.hw.workingSet), metal.FormatBytes(allocated(d.native)))
	add("residency set", "%s", wiredText(d.opt.Wired))
	add("command buffers", "at most %d dispatches, %v estimated", d.opt.Batch, longest)
	add("pipeline archive", "%s", d.lib.archive.describe())
	return facts
}

func orNone(s string) string {
	if s == "" {
		return "no architecture"
	}
	return s
}

func wiredText(n int64) string {
	if n == 0 {
		return "none"
	}
	return "up to " + metal.FormatBytes(n)
}

// describe says where the archive is and whether it was read.
func (a *archive) describe() string {
	if a.path == "" {
		return "none"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	info, err := os.Stat(a.path)
	switch {
	case a.object.IsNil():
		return a.path + ", not usable"
	case err != nil:
		return a.path + ", new"
	}
	return fmt.Sprintf("%s, %s", a.path, metal.FormatBytes(info.Size()))
}
