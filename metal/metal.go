package metal

import (
	"context"
	"time"
)

// Size is an extent in threads.
type Size struct{ X, Y, Z int }

// Count is the number of threads in s.
func (s Size) Count() int { return s.X * s.Y * s.Z }

// Buffer is a block of memory that a device can address.
type Buffer interface {
	// Len is the size in bytes.
	Len() int64
	// Bytes is the block as the host sees it; nil on a device without memory
	// of its own (null). It must not be touched while a program that uses the
	// buffer runs.
	Bytes() []byte
}

// View is a byte range of a buffer.
type View struct {
	Buf      Buffer
	Off, Len int64
}

// Bytes is the range as the host sees it, nil where Buffer.Bytes is nil.
func (v View) Bytes() []byte {
	b := v.Buf.Bytes()
	if b == nil {
		return nil
	}
	return b[v.Off : v.Off+v.Len : v.Off+v.Len]
}

// Overlaps reports whether v and w share a byte.
func (v View) Overlaps(w View) bool {
	return v.Buf == w.Buf && v.Off < w.Off+w.Len && w.Off < v.Off+v.Len
}

// Slice is the range [off, off+n) of v.
func (v View) Slice(off, n int64) View { return View{v.Buf, v.Off + off, n} }

// Dispatch is one kernel launch. Buffers are bound at the indices 0, 1, … in
// the order In then Out; Args follows as the last binding.
type Dispatch struct {
	Kernel  string // "rms_norm_bf16": stem, variant, dtype
	In, Out []View // hazards, guards, comparison and traffic counts follow from these
	Args    []byte // one args struct, laid out as the kernel's header says
	Grid    Size   // threads in all, Metal's dispatchThreads
	Group   Size   // threads per threadgroup
	FLOPs   int64  // useful arithmetic, for the profiler and the watchdog budget

	// Source is the kernel's text if it is not a built-in one, and nil otherwise.
	Source *Source

	// InPlace[i] has bit j set when Out[i] may share In[j]'s memory: each
	// element is read by the thread that writes it, before it writes.
	InPlace []uint32
}

// Traffic is the number of bytes the dispatch reads and writes at least.
func (d *Dispatch) Traffic() int64 {
	var n int64
	for _, v := range d.In {
		n += v.Len
	}
	for _, v := range d.Out {
		n += v.Len
	}
	return n
}

// Info describes a device.
type Info struct {
	Name         string // "software Metal (2 threads, AVX-512)"
	Architecture string // "applegpu_g16s" of a GPU, the host's for the software device
	MemoryBytes  int64  // memory it can address in all; of a GPU, what is recommended at most
	HostMemory   bool   // whether Buffer.Bytes works
	MaxBuffer    int64  // largest single buffer
	Float64      bool   // whether there are kernels for float64; Metal has no such type
	LargePages   bool   // whether large blocks are read faster than small ones and wrapped memory
}

// Fact is something a device tells of itself in a bug report.
type Fact struct{ Name, Value string }

// Describer is a device that knows more of itself than Info says.
type Describer interface{ Facts() []Fact }

// Program is a list of dispatches made ready to run: names resolved, bindings
// checked, constants copied.
type Program interface {
	// Run executes the list and waits for it. It returns ctx.Err() when ctx
	// ends between two dispatches, and otherwise the first failure with the
	// kernel's name. The device stays usable.
	Run(ctx context.Context) error
	// Profile runs the list like Run and returns the time each dispatch took.
	Profile(ctx context.Context) ([]time.Duration, error)
	// Close frees what Prepare made. The buffers stay.
	Close()
}

// Device allocates memory and runs programs.
type Device interface {
	Info() Info
	// Alloc returns a zeroed block of at least n bytes, aligned to a page.
	Alloc(n int64) (Buffer, error)
	// Wrap makes host memory (a mapped weight file) addressable, without a
	// copy where the device allows. The memory must outlive the buffer and is
	// never written by a kernel.
	Wrap(data []byte) (Buffer, error)
	// Free releases a block of Alloc or Wrap. No program may use it any more.
	Free(b Buffer)
	// Prepare checks a list as Metal's validation layer would and makes it
	// runnable. Errors name the kernel and the binding.
	Prepare(list []Dispatch) (Program, error)
	// Close releases the device. Buffers and programs of it are invalid then.
	Close() error
}

// Capturer is a device that records what it runs as a GPU trace for Xcode.
type Capturer interface {
	// StartCapture records runs from now on to a file that ends in .gputrace.
	StartCapture(path string) error
	// StopCapture ends the recording and writes the file.
	StopCapture() error
}

// Wirer is a device that can keep memory resident.
type Wirer interface {
	// SetWiredLimit keeps up to n bytes of the device's buffers resident, and
	// returns the limit before. Which ones is the device's choice.
	SetWiredLimit(n int64) (old int64, err error)
}

// Run prepares list on dev, runs it once and releases it.
func Run(ctx context.Context, dev Device, list []Dispatch) error {
	p, err := dev.Prepare(list)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Run(ctx)
}
