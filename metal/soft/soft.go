package soft

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/metal"
)

func init() {
	metal.Register("soft", func() (metal.Device, error) { return New(FromEnv()), nil })
	metal.Register("exact", func() (metal.Device, error) {
		opt := FromEnv()
		opt.Native = false
		return New(opt), nil
	})
}

// Options chooses how a device runs kernels. The zero value is exact mode in
// natural order on all processors.
type Options struct {
	Workers int    // host threads; 0 means GOMAXPROCS
	Native  bool   // use native kernels where there are any
	Shuffle uint64 // seed of random orders of threads, simdgroups and threadgroups; 0 for none
	NaNFill bool   // fill threadgroup memory with NaN before each threadgroup
	Guard   bool   // after each dispatch, check that only its outputs were written
}

// FromEnv is the options that the FTMETAL_ variables ask for.
func FromEnv() Options {
	return Options{
		Workers: debug.Workers(),
		Native:  debug.Native(),
		Shuffle: debug.Shuffle(),
		NaNFill: debug.NaNFill(),
		Guard:   debug.Guard(),
	}
}

// Device is the software device. It is safe for concurrent use.
type Device struct {
	opt    Options
	mu     sync.Mutex
	blocks map[*buffer]struct{}
}

// New opens a device.
func New(opt Options) *Device {
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	return &Device{opt: opt, blocks: map[*buffer]struct{}{}}
}

// buffer is a block of the host's memory: mapped pages, or wrapped memory.
type buffer struct {
	data   []byte
	mapped []byte          // the whole mapping, with redzones; nil for wrapped memory
	pin    *runtime.Pinner // of wrapped memory
}

func (b *buffer) Len() int64    { return int64(len(b.data)) }
func (b *buffer) Bytes() []byte { return b.data }

// Info describes the host.
func (d *Device) Info() metal.Info {
	memory := hostMemory()
	return metal.Info{
		Name:         fmt.Sprintf("software Metal (%d threads, %s)", d.opt.Workers, cpuName()),
		Architecture: runtime.GOARCH,
		MemoryBytes:  memory,
		HostMemory:   true,
		MaxBuffer:    memory,
		Float64:      true,
		LargePages:   largePages,
	}
}

// Facts are the options that the device has.
func (d *Device) Facts() []metal.Fact {
	return []metal.Fact{
		{Name: "kernels", Value: map[bool]string{true: "native where there is a native twin", false: "as they are written"}[d.opt.Native]},
		{Name: "instruction set", Value: cpuName()},
		{Name: "host threads", Value: fmt.Sprint(d.opt.Workers)},
		{Name: "schedule", Value: fmt.Sprintf("seed %d, NaN in threadgroup memory: %v, guards: %v", d.opt.Shuffle, d.opt.NaNFill, d.opt.Guard)},
	}
}

// Alloc maps zeroed pages.
func (d *Device) Alloc(n int64) (metal.Buffer, error) {
	page := int64(metal.PageSize)
	if n <= 0 || n > math.MaxInt64-4*page {
		return nil, fmt.Errorf("soft: a buffer of %d bytes", n)
	}
	size, zone := (n+page-1)/page*page, int64(0)
	if d.opt.Guard {
		zone = page
	}
	m, err := syscall.Mmap(-1, 0, int(size+2*zone), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("soft: a buffer of %s: %w", metal.FormatBytes(n), err)
	}
	adviseHuge(m)
	b := &buffer{data: m[zone : zone+n : zone+n], mapped: m}
	fillZones(b)
	d.mu.Lock()
	d.blocks[b] = struct{}{}
	d.mu.Unlock()
	return b, nil
}

// Wrap uses data where it is.
func (d *Device) Wrap(data []byte) (metal.Buffer, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("soft: wrapping no bytes")
	}
	b := &buffer{data: data, pin: &runtime.Pinner{}}
	b.pin.Pin(unsafe.SliceData(data))
	d.mu.Lock()
	d.blocks[b] = struct{}{}
	d.mu.Unlock()
	return b, nil
}

// Free releases a block. A block of another device, or one freed before,
// panics: its memory may be somebody else's by now.
func (d *Device) Free(mb metal.Buffer) {
	b, ok := mb.(*buffer)
	d.mu.Lock()
	if ok {
		_, ok = d.blocks[b]
		delete(d.blocks, b)
	}
	d.mu.Unlock()
	if !ok {
		panic("soft: Free of a buffer that this device does not own")
	}
	b.release()
}

func (b *buffer) release() {
	if b.pin != nil {
		b.pin.Unpin()
	}
	if b.mapped != nil {
		poison(b.mapped, false)
		if err := syscall.Munmap(b.mapped); err != nil {
			panic(fmt.Sprintf("soft: munmap: %v", err))
		}
	}
	b.data, b.mapped = nil, nil
}

// Close frees every block that is left.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for b := range d.blocks {
		b.release()
	}
	clear(d.blocks)
	releaseWorkers()
	return nil
}
