// Package debug declares every environment variable that ftmetal reads: its
// name, its default and what it does. Nothing else calls os.Getenv.
package debug

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Variable is one environment variable.
type Variable struct {
	Name, Default, Help string
	accepts             accepts // nil: any text
}

// accepts tells what a value has to be, "" for one that is right.
type accepts func(value string) (want string)

// from accepts a whole number between least and most.
func from(least, most int64) accepts {
	return func(value string) string {
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= least && n <= most {
			return ""
		}
		if most == math.MaxInt64 {
			return fmt.Sprintf("a whole number from %d on", least)
		}
		return fmt.Sprintf("a whole number from %d to %d", least, most)
	}
}

// trace accepts the name of a GPU trace.
func trace(value string) string {
	if strings.HasSuffix(value, ".gputrace") {
		return ""
	}
	return "a file name that ends in .gputrace"
}

// Check reports the first variable that is set to a value that it cannot have.
// Elsewhere such a value counts as the default.
func Check() error {
	for _, v := range Variables() {
		s := os.Getenv(v.Name)
		if s == "" || v.accepts == nil {
			continue
		}
		if want := v.accepts(s); want != "" {
			return fmt.Errorf("the environment variable %s is %q, want %s", v.Name, s, want)
		}
	}
	return nil
}

// Variables lists all of them, in the order in which docs/debugging.md prints
// them.
func Variables() []Variable {
	return []Variable{
		{"FTMETAL_DEVICE", "", "device to open: metal, soft, exact, check or null; empty picks the best one", nil},
		{"FTMETAL_DEBUG", "0", "1 device and memory, 2 one line per dispatch with its time", from(0, 2)},
		{"FTMETAL_NATIVE", "1", "0 turns the tuned native kernels of the software device off", from(0, 1)},
		{"FTMETAL_FUSE", "1", "0 turns the fusion of elementwise chains off", from(0, 1)},
		{"FTMETAL_REUSE", "1", "0 gives every temporary memory of its own", from(0, 1)},
		{"FTMETAL_SHUFFLE", "0", "seed of shuffled schedules on the software device; 0 keeps the natural order", from(0, math.MaxInt64)},
		{"FTMETAL_NAN_FILL", "0", "1 fills threadgroup memory with NaN before each threadgroup", from(0, 1)},
		{"FTMETAL_GUARD", "0", "1 puts guard bytes around blocks of memory and checks them after each dispatch", from(0, 1)},
		{"FTMETAL_WORKERS", "0", "threads of the software device; 0 uses GOMAXPROCS", from(0, 1024)},
		{"FTMETAL_BATCH", "256", "most dispatches of a GPU command buffer; 1 makes a failure name its dispatch", from(1, 1<<20)},
		{"FTMETAL_WIRED", "0", "GiB of buffers that are kept resident on the GPU (macOS 15 and later); 0 leaves it to the system", from(0, 1<<20)},
		{"FTMETAL_CACHE", "", "folder of compiled GPU pipelines; empty is the user's cache folder, off keeps none", nil},
		{"FTMETAL_CAPTURE", "", "file ending in .gputrace to record a run of the GPU to, for Xcode; needs MTL_CAPTURE_ENABLED=1", trace},
		{"FTMETAL_CAPTURE_RUN", "1", "number of the run that FTMETAL_CAPTURE records", from(1, math.MaxInt64)},
		{"FTMETAL_GOLDEN", "", "folder of golden values for the golden tests; empty uses the repository's copy", nil},
		{"CXX", "", "C++ compiler for kernels that a program brings as source; empty tries c++, g++ and clang++", nil},
		{"NO_COLOR", "", "anything: no colours on the terminal (no-color.org)", nil},
	}
}

// lookup reads a declared variable; one that is empty, or has a value that it
// cannot have, is as one that is not set.
func lookup(name string) string {
	for _, v := range Variables() {
		if v.Name == name {
			if s := os.Getenv(name); s != "" && (v.accepts == nil || v.accepts(s) == "") {
				return s
			}
			return v.Default
		}
	}
	panic("debug: undeclared variable " + name)
}

// Given lists the variables that are set, as NAME=value.
func Given() []string {
	list := []string{}
	for _, v := range Variables() {
		if s, ok := os.LookupEnv(v.Name); ok {
			list = append(list, v.Name+"="+s)
		}
	}
	return list
}

func number(name string) int {
	n, err := strconv.Atoi(lookup(name))
	if err != nil {
		return 0
	}
	return n
}

// Logf writes one line of debug output to standard error.
func Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, "ftmetal: "+format+"\n", args...) }

// Device is the device to open, "" for the best one.
func Device() string { return lookup("FTMETAL_DEVICE") }

// Level is the amount of debug output.
func Level() int { return number("FTMETAL_DEBUG") }

// Native reports whether native kernels may stand in for Metal ones.
func Native() bool { return lookup("FTMETAL_NATIVE") != "0" }

// Fuse reports whether elementwise chains are fused.
func Fuse() bool { return lookup("FTMETAL_FUSE") != "0" }

// Reuse reports whether temporaries share memory.
func Reuse() bool { return lookup("FTMETAL_REUSE") != "0" }

// Shuffle is the seed of shuffled schedules, 0 for none.
func Shuffle() uint64 { return uint64(number("FTMETAL_SHUFFLE")) }

// NaNFill reports whether threadgroup memory starts as NaN.
func NaNFill() bool { return number("FTMETAL_NAN_FILL") != 0 }

// Guard reports whether blocks have guard bytes.
func Guard() bool { return number("FTMETAL_GUARD") != 0 }

// Workers is the number of threads of the software device, 0 for GOMAXPROCS.
func Workers() int { return number("FTMETAL_WORKERS") }

// Batch is the most dispatches of a command buffer.
func Batch() int { return number("FTMETAL_BATCH") }

// Wired is the most bytes of buffers to keep resident on the GPU.
func Wired() int64 { return int64(number("FTMETAL_WIRED")) << 30 }

// Cache is the folder of compiled pipelines, "" for none.
func Cache() string {
	switch dir := lookup("FTMETAL_CACHE"); dir {
	case "off":
		return ""
	case "":
		if user, err := os.UserCacheDir(); err == nil {
			return filepath.Join(user, "ftmetal")
		}
		return ""
	default:
		return dir
	}
}

// Capture is the file to record a run of the GPU to, "" for none.
func Capture() string { return lookup("FTMETAL_CAPTURE") }

// CaptureRun is the number of the run to record.
func CaptureRun() int { return number("FTMETAL_CAPTURE_RUN") }

// Golden is the folder of golden values, "" for the repository's own.
func Golden() string { return lookup("FTMETAL_GOLDEN") }

// CXX is the C++ compiler to use, "" for one that is found.
func CXX() string { return lookup("CXX") }

// NoColor reports whether terminal output has no colours.
func NoColor() bool { return lookup("NO_COLOR") != "" }
