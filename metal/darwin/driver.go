//go:build darwin || metalfake

package darwin

/*
#cgo CFLAGS: -x objective-c -fno-objc-arc -Wall -Wno-unguarded-availability-new -Werror=objc-method-access -Werror=incompatible-pointer-types -Werror=int-conversion
#cgo LDFLAGS: -framework Metal -framework Foundation
#include "driver.h"
*/
import "C"

import "unsafe"

// The words of a stream, as driver.m reads them.
const (
	opPipeline = 1 + iota
	opBuffer
	opOffset
	opBytes
	opDispatch
	opBarrier
)

// hardware is what Metal says of a device and its system.
type hardware struct {
	name, architecture    string
	workingSet, maxBuffer int64
	osMajor, osMinor      int
	family, metal         int
}

func readHardware(device unsafe.Pointer) hardware {
	var info C.ftm_info
	C.ftm_device_info(device, &info)
	return hardware{
		name:         C.GoString(&info.name[0]),
		architecture: C.GoString(&info.architecture[0]),
		workingSet:   int64(info.working_set),
		maxBuffer:    int64(info.max_buffer),
		osMajor:      int(info.os_major),
		osMinor:      int(info.os_minor),
		family:       int(info.family),
		metal:        int(info.metal),
	}
}

// queue is a native command queue; it runs one program at a time.
type queue struct{ q *C.ftm_queue }

func openQueue(device unsafe.Pointer, wired bool) *queue {
	w := C.int(0)
	if wired {
		w = 1
	}
	if q := C.ftm_queue_open(device, w); q != nil {
		return &queue{q}
	}
	return nil
}

func (q *queue) close() { C.ftm_queue_close(q.q) }

func (q *queue) wire(b unsafe.Pointer) bool { return C.ftm_wire(q.q, b) != 0 }
func (q *queue) unwire(b unsafe.Pointer)    { C.ftm_unwire(q.q, b) }

// stream is a packed list: its words, and where its command buffers begin.
type stream struct {
	words   []uint64
	batches []C.ftm_batch
	cancel  *int32 // set from outside to end a run between two command buffers
	outcome *C.ftm_outcome
}

// cut ends a command buffer: dispatches [first, last), the words from where the
// one before ended.
func (s *stream) cut(first, last int) {
	begin := C.int64_t(0)
	if n := len(s.batches); n > 0 {
		begin = s.batches[n-1].end
	}
	s.batches = append(s.batches, C.ftm_batch{begin: begin, end: C.int64_t(len(s.words)), first: C.int64_t(first), count: C.int64_t(last - first)})
}

// seal makes the stream ready to run.
func (s *stream) seal() { s.cancel, s.outcome = new(int32), new(C.ftm_outcome) }

// failure is what the queue reported about dispatches [first, last).
type failure struct {
	first, last     int
	domain, message string
	code            int
}

// run runs the stream. It returns a failure, or done as false when it was
// cancelled.
func (q *queue) run(s *stream, seconds []float64) (done bool, failed *failure) {
	var times *C.double
	if len(seconds) > 0 {
		times = (*C.double)(&seconds[0])
	}
	if len(s.batches) == 0 {
		return true, nil
	}
	C.ftm_run(q.q, (*C.uint64_t)(&s.words[0]), &s.batches[0], C.int64_t(len(s.batches)), (*C.int32_t)(s.cancel), times, s.outcome)
	switch s.outcome.status {
	case C.FTM_DONE:
		return true, nil
	case C.FTM_CANCELLED:
		return false, nil
	}
	b := s.batches[s.outcome.batch]
	return false, &failure{
		first:   int(b.first),
		last:    int(b.first + b.count),
		domain:  C.GoString(&s.outcome.domain[0]),
		message: C.GoString(&s.outcome.message[0]),
		code:    int(s.outcome.code),
	}
}

func openDevice() unsafe.Pointer            { return C.ftm_device() }
func allocated(device unsafe.Pointer) int64 { return int64(C.ftm_allocated(device)) }
func newBuffer(device unsafe.Pointer, n int64) unsafe.Pointer {
	return C.ftm_buffer(device, C.uint64_t(n))
}
func contents(b unsafe.Pointer) unsafe.Pointer { return C.ftm_contents(b) }
func release(object unsafe.Pointer)            { C.ftm_release(object) }

// bufferOver is a buffer in memory of the host, nil when Metal refuses.
func bufferOver(device, memory unsafe.Pointer, n int64) unsafe.Pointer {
	return C.ftm_buffer_over(device, memory, C.uint64_t(n))
}

// sendWords is ftm_send. The words may be addresses: what they point to has to be
// kept alive by the caller, and not on a Go stack.
func sendWords(to, selector unsafe.Pointer, w [4]uint64) uint64 {
	return uint64(C.ftm_send(to, selector, C.uint64_t(w[0]), C.uint64_t(w[1]), C.uint64_t(w[2]), C.uint64_t(w[3])))
}
