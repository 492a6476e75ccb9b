// Package debug declares every environment variable that ftmetal reads: its
// name, its default and what it does. Nothing else calls os.Getenv.
package debug

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Variable is one environment variable.
type Variable struct {
	Name, Default, Help string
}

// Variables lists all of them, in the order in which docs/debugging.md prints
// them.
func Variables() []Variable {
	return []Variable{
		{"FTMETAL_DEVICE", "", "device to open: metal, soft, exact, check or null; empty picks the best one"},
		{"FTMETAL_DEBUG", "0", "1 device and memory, 2 one line per dispatch with its time"},
		{"FTMETAL_NATIVE", "1", "0 turns the tuned native kernels of the software device off"},
		{"FTMETAL_FUSE", "1", "0 turns the fusion of elementwise chains off"},
		{"FTMETAL_REUSE", "1", "0 gives every temporary memory of its own"},
		{"FTMETAL_SHUFFLE", "0", "seed of shuffled schedules on the software device; 0 keeps the natural order"},
		{"FTMETAL_NAN_FILL", "0", "1 fills threadgroup memory with NaN before each threadgroup"},
		{"FTMETAL_GUARD", "0", "1 puts guard bytes around blocks of memory and checks them after each dispatch"},
		{"FTMETAL_WORKERS", "0", "threads of the software device; 0 uses GOMAXPROCS"},
		{"FTMETAL_BATCH", "256", "most dispatches of a GPU command buffer; 1 makes a failure name its dispatch"},
		{"FTMETAL_WIRED", "0", "GiB of buffers that are kept resident on the GPU (macOS 15 and later); 0 leaves it to the system"},
		{"FTMETAL_CACHE", "", "folder of compiled GPU pipelines; empty is the user's cache folder, off keeps none"},
		{"FTMETAL_CAPTURE", "", "file ending in .gputrace to record a run of the GPU to, for Xcode; needs MTL_CAPTURE_ENABLED=1"},
		{"FTMETAL_CAPTURE_RUN", "1", "number of the run that FTMETAL_CAPTURE records"},
		{"FTMETAL_GOLDEN", "", "folder of golden values for the golden tests; empty uses the repository's copy"},
		{"CXX", "", "C++ compiler for kernels that a program brings as source; empty tries c++, g++ and clang++"},
		{"NO_COLOR", "", "anything: no colours on the terminal (no-color.org)"},
	}
}

// lookup reads a declared variable.
func lookup(name string) string {
	for _, v := range Variables() {
		if v.Name == name {
			if s, ok := os.LookupEnv(name); ok {
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
