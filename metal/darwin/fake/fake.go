//go:build metalfake

package fake

/*
#cgo CFLAGS: -x objective-c -fno-objc-arc -Wall -Werror
#include "fake.h"
*/
import "C"

import (
	"strings"
	"unsafe"
)

// Machine is what the fake is, and what shall go wrong. The zero value of each
// field leaves it as Reset made it.
type Machine struct {
	OSMajor, OSMinor      int
	Name                  string // of the device
	Family, Metal         int    // newest Apple GPU family and Metal family
	NoDevice              bool
	NoCopy                bool // refuses buffers over memory of the host
	NoCapture             bool
	GroupLimit            int // threads of pipelines that were not made for a size
	WorkingSet, MaxBuffer int64
	BothOrders            bool // runs dispatches between barriers in both orders
	Idle                  bool // records and runs nothing: for measuring the driver alone
}

// Reset makes the fake a plain machine (an M4 with macOS 26) and its counters
// zero.
func Reset() { C.fake_reset() }

// Set changes the machine.
func Set(m Machine) {
	c := &C.fake_config
	number := func(to *C.int32_t, v int) {
		if v != 0 {
			*to = C.int32_t(v)
		}
	}
	number(&c.os_major, m.OSMajor)
	c.os_minor = C.int32_t(m.OSMinor)
	number(&c.family, m.Family)
	number(&c.metal, m.Metal)
	number(&c.group_limit, m.GroupLimit)
	c.absent, c.no_copy, c.captures = flag(m.NoDevice), flag(m.NoCopy), flag(!m.NoCapture)
	c.both_orders, c.idle = flag(m.BothOrders), flag(m.Idle)
	if m.Name != "" {
		put(c.name[:], m.Name)
	}
	if m.WorkingSet != 0 {
		c.working_set = C.uint64_t(m.WorkingSet)
	}
	if m.MaxBuffer != 0 {
		c.max_buffer = C.uint64_t(m.MaxBuffer)
	}
}

func flag(b bool) C.int32_t {
	if b {
		return 1
	}
	return 0
}

func put(to []C.char, s string) {
	for i, b := range []byte(s + "\x00") {
		to[i] = C.char(b)
	}
}

// FailCommit makes the nth command buffer from now on fail once, after half of
// its work, as Metal reports it in MTLCommandBufferErrorDomain.
func FailCommit(n int, code int, message string) {
	C.fake_config.fail_commit, C.fake_config.fail_code = C.int64_t(n), C.int64_t(code)
	put(C.fake_config.fail_message[:], message)
}

// FailCompile makes compiling a library fail, or no longer.
func FailCompile(fail bool) { C.fake_config.fail_compile = flag(fail) }

// FailPipeline makes making a pipeline fail, or no longer.
func FailPipeline(fail bool) { C.fake_config.fail_pipeline = flag(fail) }

// FailBuffer makes the nth buffer from now on be refused, and all later ones; 0
// ends that.
func FailBuffer(n int) { C.fake_config.fail_buffer = C.int64_t(n) }

// Counters is what happened since Reset; Live and Buffers are what there is.
type Counters struct {
	Live, Buffers, PeakBuffers    int
	Commits, Dispatches, Barriers int
	FencesWaited                  int
	Compiled, Archived            int // pipelines, by where they came from
	Resident                      int // buffers of committed residency sets
	Captured                      int // command buffers in a GPU trace
}

// Count reads the counters.
func Count() Counters {
	c := &C.fake_counts
	return Counters{
		Live: int(c.live), Buffers: int(c.buffers), PeakBuffers: int(c.peak_buffers),
		Commits: int(c.commits), Dispatches: int(c.dispatches), Barriers: int(c.barriers),
		FencesWaited: int(c.fences_waited), Compiled: int(c.pipelines_compiled), Archived: int(c.pipelines_archived),
		Resident: int(c.resident), Captured: int(c.captured),
	}
}

// Objects counts the objects of every class, Foundation's too, that were made
// since its first call and are alive.
func Objects() int { return int(C.fake_objects()) }

// goString is a C string in memory of C.
func goString(s *C.char) string {
	return strings.Clone(unsafe.String((*byte)(unsafe.Pointer(s)), cLen(s)))
}

func cLen(s *C.char) int {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(s), n)) != 0 {
		n++
	}
	return n
}
