package doctor

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// machine are the facts about the computer and its system. What it does not tell
// is left out.
func machine() []Fact {
	facts := system()
	add := func(name, value string) { facts = append(facts, Fact{name, value}) }
	add("processors", fmt.Sprintf("%d, Go uses %d", runtime.NumCPU(), runtime.GOMAXPROCS(0)))
	add("Go", fmt.Sprintf("%s, %s/%s, %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, build()))
	if limit := debug.SetMemoryLimit(-1); limit < 1<<62 {
		add("Go's memory limit", size(uint64(limit)))
	}
	return facts
}

// build is how the program was built.
func build() string {
	var settings []string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "-tags", "vcs.revision", "vcs.modified", "CGO_CFLAGS", "CGO_CXXFLAGS":
				if s.Value != "" {
					settings = append(settings, s.Key+"="+s.Value)
				}
			}
		}
	}
	if len(settings) == 0 {
		return "built without version control"
	}
	return strings.Join(settings, " ")
}
