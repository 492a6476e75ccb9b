//go:build darwin || metalfake

package darwin

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/metal"
)

func init() {
	metal.Register("metal", func() (metal.Device, error) { return New(FromEnv()) })
}

// Options chooses how a device works.
type Options struct {
	Batch   int    // most dispatches of a command buffer; 0 means 256
	Wired   int64  // most bytes that a residency set keeps resident; 0 for none
	Cache   string // folder of compiled pipelines; "" for none
	Capture string // file for a GPU trace of a run; "" for none
	Run     int    // number of the run to capture, the first being 1
}

// FromEnv is the options that the FTMETAL_ variables ask for.
func FromEnv() Options {
	return Options{
		Batch:   debug.Batch(),
		Wired:   debug.Wired(),
		Cache:   debug.Cache(),
		Capture: debug.Capture(),
		Run:     debug.CaptureRun(),
	}
}

// Device is the Apple GPU. It is safe for concurrent use; programs run one after
// another.
type Device struct {
	opt    Options
	native unsafe.Pointer // MTLDevice
	hw     hardware
	chip   Chip
	lib    *libraries

	running   sync.Mutex // held by the program that runs; guards queue and runs
	queue     *queue     // nil once closed
	runs      int
	capturing bool // between StartCapture and StopCapture

	mu     sync.Mutex
	blocks map[*buffer]struct{}
	wired  int64        // bytes that are resident
	wiring atomic.Int64 // most bytes that may be; changed with both locks held
	warned bool
}

// New opens the default GPU. It needs macOS 14, which has bfloat in Metal.
func New(opt Options) (*Device, error) {
	if opt.Batch <= 0 {
		opt.Batch = 256
	}
	native := openDevice()
	if native == nil {
		return nil, errors.New("this machine has no Metal device")
	}
	d := &Device{opt: opt, native: native, hw: readHardware(native), blocks: map[*buffer]struct{}{}}
	if d.hw.osMajor < 14 {
		release(native)
		return nil, fmt.Errorf("macOS %d.%d: the kernels need macOS 14, whose Metal 3.1 has bfloat", d.hw.osMajor, d.hw.osMinor)
	}
	if d.hw.family < 7 && !d.hw.virtual() {
		release(native)
		return nil, fmt.Errorf("%s: the kernels need an Apple GPU (M1 or later)", d.hw.name)
	}
	d.chip, _ = ChipOf(d.hw.name)
	d.wiring.Store(opt.Wired)
	if d.queue = openQueue(native, opt.Wired > 0); d.queue == nil {
		release(native)
		return nil, fmt.Errorf("%s gives no command queue", d.hw.name)
	}
	d.lib = openLibraries(native, d.hw, opt.Cache)
	return d, nil
}

// virtual reports whether the device is that of a virtual machine, as GitHub's
// runners have: it names an old family and yet runs the kernels.
func (h hardware) virtual() bool { return h.name == "Apple Paravirtual device" }

// Info describes the GPU. MemoryBytes is what Metal recommends to use at most.
func (d *Device) Info() metal.Info {
	return metal.Info{Name: d.hw.name, Architecture: d.hw.architecture, MemoryBytes: d.hw.workingSet, HostMemory: true, MaxBuffer: d.hw.maxBuffer}
}

// buffer is a Metal buffer, or a part of one where it wraps unaligned memory.
type buffer struct {
	native unsafe.Pointer
	data   []byte
	shift  int64           // bytes of the Metal buffer before data
	pin    *runtime.Pinner // of wrapped memory
	wired  bool
}

func (b *buffer) Len() int64    { return int64(len(b.data)) }
func (b *buffer) Bytes() []byte { return b.data }

// Alloc makes a shared buffer, which Metal clears.
func (d *Device) Alloc(n int64) (metal.Buffer, error) {
	if n <= 0 {
		return nil, fmt.Errorf("metal: a buffer of %d bytes", n)
	}
	if n > d.hw.maxBuffer {
		return nil, fmt.Errorf("metal: a buffer of %s: %s allows %s", metal.FormatBytes(n), d.hw.name, metal.FormatBytes(d.hw.maxBuffer))
	}
	native := newBuffer(d.native, n)
	if native == nil {
		return nil, fmt.Errorf("metal: out of memory: no buffer of %s, %s are in use of the %s that %s recommends",
			metal.FormatBytes(n), metal.FormatBytes(allocated(d.native)), metal.FormatBytes(d.hw.workingSet), d.hw.name)
	}
	b := &buffer{native: native, data: unsafe.Slice((*byte)(contents(native)), n)}
	d.own(b)
	return b, nil
}

// Wrap makes a buffer over the pages of data. Where Metal takes no memory of the
// host's, as on some virtual machines, it copies.
func (d *Device) Wrap(data []byte) (metal.Buffer, error) {
	if len(data) == 0 {
		return nil, errors.New("metal: wrapping no bytes")
	}
	page := uintptr(os.Getpagesize())
	start := unsafe.Pointer(unsafe.SliceData(data))
	shift := uintptr(start) % page
	whole := (shift + uintptr(len(data)) + page - 1) / page * page
	if int64(whole) > d.hw.maxBuffer {
		return nil, fmt.Errorf("metal: a buffer over %s: %s allows %s", metal.FormatBytes(int64(whole)), d.hw.name, metal.FormatBytes(d.hw.maxBuffer))
	}
	if native := bufferOver(d.native, unsafe.Add(start, -int(shift)), int64(whole)); native != nil {
		b := &buffer{native: native, data: data, shift: int64(shift), pin: &runtime.Pinner{}}
		b.pin.Pin(unsafe.SliceData(data))
		d.own(b)
		return b, nil
	}
	b, err := d.Alloc(int64(len(data)))
	if err != nil {
		return nil, err
	}
	copy(b.Bytes(), data)
	return b, nil
}

// own enters a new buffer: into the residency set while there is room in it, and
// into the sum that may grow past what stays resident.
func (d *Device) own(b *buffer) {
	defer d.lock()()
	d.blocks[b] = struct{}{}
	d.wire(b)
	if used := allocated(d.native); used > d.hw.workingSet && !d.warned {
		d.warned = true
		debug.Logf("%s of GPU memory are in use, and %s keeps %s resident: expect swapping; a shorter max_seq_length, a smaller batch or a memory limit helps",
			metal.FormatBytes(used), d.hw.name, metal.FormatBytes(d.hw.workingSet))
	}
}

// wire makes b resident if there is room for it; the locks are held.
func (d *Device) wire(b *buffer) {
	if n := b.Len(); d.wired+n <= d.wiring.Load() && d.queue.wire(b.native) {
		b.wired = true
		d.wired += n
	}
}

// unwire is the reverse; the locks are held.
func (d *Device) unwire(b *buffer) {
	if b.wired {
		d.queue.unwire(b.native)
		d.wired -= b.Len()
		b.wired = false
	}
}

// SetWiredLimit keeps up to n bytes of buffers resident from now on, where the
// system has residency sets, and returns the limit before.
func (d *Device) SetWiredLimit(n int64) (old int64, err error) {
	d.running.Lock()
	defer d.running.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	old = d.wiring.Load()
	switch {
	case d.queue == nil:
		return old, errors.New("metal: the device is closed")
	case n > d.hw.workingSet:
		return old, fmt.Errorf("metal: a wired limit of %s: %s keeps at most %s resident", metal.FormatBytes(n), d.hw.name, metal.FormatBytes(d.hw.workingSet))
	}
	for b := range d.blocks {
		d.unwire(b)
	}
	if old == 0 && n > 0 { // the first residency set comes with a new queue
		q := openQueue(d.native, true)
		if q == nil {
			return old, fmt.Errorf("metal: %s gives no command queue", d.hw.name)
		}
		d.queue.close()
		d.queue = q
	}
	d.wiring.Store(n)
	for b := range d.blocks {
		d.wire(b)
	}
	return old, nil
}

// lock guards the blocks, and with a residency set, which belongs to the queue,
// that too: memory waits for a running program then. It returns the unlocking.
func (d *Device) lock() (unlock func()) {
	d.mu.Lock()
	if d.wiring.Load() == 0 {
		return d.mu.Unlock
	}
	d.mu.Unlock()
	d.running.Lock()
	d.mu.Lock()
	return func() {
		d.mu.Unlock()
		d.running.Unlock()
	}
}

// Free releases a buffer. One of another device, or one freed before, panics.
func (d *Device) Free(mb metal.Buffer) {
	b, ok := mb.(*buffer)
	defer d.lock()()
	if ok {
		_, ok = d.blocks[b]
	}
	if !ok {
		panic("metal: Free of a buffer that this device does not own")
	}
	delete(d.blocks, b)
	d.drop(b)
}

// drop gives b's memory back; the locks are held.
func (d *Device) drop(b *buffer) {
	d.unwire(b)
	release(b.native)
	if b.pin != nil {
		b.pin.Unpin()
	}
	b.native, b.data = nil, nil
}

// base is the address of a buffer of this device.
func (d *Device) base(mb metal.Buffer) (uintptr, error) {
	b, ok := mb.(*buffer)
	if !ok {
		return 0, fmt.Errorf("a buffer of another device (%T)", mb)
	}
	d.mu.Lock()
	_, live := d.blocks[b]
	d.mu.Unlock()
	if !live {
		return 0, errors.New("the buffer was freed, or belongs to another device")
	}
	return uintptr(unsafe.Pointer(unsafe.SliceData(b.data))), nil
}

// Close releases pipelines and buffers that are left, and saves new pipelines
// for the next start. Closing twice does nothing.
func (d *Device) Close() error {
	d.running.Lock()
	defer d.running.Unlock()
	if d.queue == nil {
		return nil
	}
	d.lib.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	for b := range d.blocks {
		d.drop(b)
	}
	clear(d.blocks)
	d.queue.close()
	d.queue = nil
	release(d.native)
	return nil
}
