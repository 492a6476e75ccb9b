package graph

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/ftmetal/ftmetal/metal"
)

// collectShare is the part of a device's memory that may be asked for between
// collections of unused arrays: Go's collector sees a few bytes of an array, not
// its elements.
const collectShare = 8

// collectWait is the longest that a collection may take to give memory back.
const collectWait = 100 * time.Millisecond

// alloc is Pool.Alloc that first has arrays which nothing refers to any more
// give their memory back, where that is what is lacking.
func (rt *Runtime) alloc(n int64, what string) (metal.Buffer, error) {
	if rt.due(n) {
		collect(rt.Pool)
	}
	buf, err := rt.Pool.Alloc(n, what)
	var refused *metal.BudgetError
	if err == nil || rt.Pool.Closed() || errors.As(err, &refused) && metal.BlockSize(n) > refused.Capacity {
		return buf, err
	}
	rt.finish() // streams give their temporaries back
	collect(rt.Pool)
	return rt.Pool.Alloc(n, what)
}

// due counts n bytes, and reports whether it is time for a collection.
func (rt *Runtime) due(n int64) bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.since += n
	if rt.since < max(256<<20, rt.Device.Info().MemoryBytes/collectShare) {
		return false
	}
	rt.since = 0
	return true
}

// collect runs Go's garbage collector, and waits until arrays that nothing
// refers to have given their memory back.
func collect(pool *metal.Pool) {
	type marker [64]byte
	swept := make(chan struct{})
	runtime.AddCleanup(new(marker), func(c chan struct{}) { close(c) }, swept)
	runtime.GC()
	select {
	case <-swept:
	case <-time.After(collectWait):
	}
	for before := int64(-1); before != pool.Usage().Active; time.Sleep(time.Millisecond) {
		before = pool.Usage().Active
	}
}

// opened is the default runtime if there is one by now, or else nil.
func opened() *Runtime {
	defaultMu.Lock()
	defer defaultMu.Unlock()
	return defaultRT
}

func usage() metal.Usage {
	if rt := opened(); rt != nil {
		return rt.Pool.Usage()
	}
	return metal.Usage{}
}

// GetActiveMemory is the bytes of the default runtime's memory that arrays and
// compiled functions hold. Memory comes back when the last reference to an array
// is collected. Mirrors mx.get_active_memory.
func GetActiveMemory() int64 { return usage().Active }

// GetPeakMemory is the largest GetActiveMemory since the runtime was opened or
// ResetPeakMemory was called. Mirrors mx.get_peak_memory.
func GetPeakMemory() int64 { return usage().Peak }

// GetCacheMemory is the bytes that were given back and are kept for reuse.
// Mirrors mx.get_cache_memory.
func GetCacheMemory() int64 { return usage().Cache }

// ResetPeakMemory makes the memory in use the peak. Mirrors mx.reset_peak_memory.
func ResetPeakMemory() {
	if rt := opened(); rt != nil {
		rt.Pool.ResetPeak()
	}
}

// ClearCache gives the memory that is kept for reuse back to the system. Mirrors
// mx.clear_cache.
func ClearCache() {
	if rt := opened(); rt != nil {
		rt.Pool.ClearCache()
	}
}

// limit sets a limit of the default runtime.
func limit(op string, bytes int64, set func(*Runtime) (int64, error)) (old int64, err error) {
	if bytes < 0 {
		return 0, &Error{Op: op, Msg: fmt.Sprintf("a limit of %d bytes", bytes), Site: siteOf(nil)}
	}
	rt, err := Default()
	if err != nil {
		return 0, err
	}
	return set(rt)
}

// SetCacheLimit sets the most bytes that are kept for reuse, 0 for none, and
// returns what it was. Mirrors mx.set_cache_limit.
func SetCacheLimit(bytes int64) (old int64, err error) {
	return limit("SetCacheLimit", bytes, func(rt *Runtime) (int64, error) { return rt.Pool.SetCacheLimit(bytes), nil })
}

// SetMemoryLimit sets the most bytes that may be in use at once, 0 for no limit,
// and returns what it was. It is hard, unlike MLX's: an evaluation that would
// pass it is a [metal.BudgetError], and arrays stay as they were. Mirrors
// mx.set_memory_limit.
func SetMemoryLimit(bytes int64) (old int64, err error) {
	return limit("SetMemoryLimit", bytes, func(rt *Runtime) (int64, error) { return rt.Pool.SetBudget(bytes), nil })
}

// SetWiredLimit sets the most bytes that are kept resident, and returns what it
// was. On a device that keeps nothing resident, such as the software device,
// only 0 can be set. Mirrors mx.set_wired_limit.
func SetWiredLimit(bytes int64) (old int64, err error) {
	return limit("SetWiredLimit", bytes, func(rt *Runtime) (int64, error) {
		if w, ok := rt.Device.(metal.Wirer); ok {
			return w.SetWiredLimit(bytes)
		}
		if bytes > 0 {
			return 0, fmt.Errorf("graph: SetWiredLimit: %s keeps no memory resident", rt.Device.Info().Name)
		}
		return 0, nil
	})
}

// DeviceInfo describes the default runtime's device: its name, architecture,
// memory and largest buffer. Mirrors mx.device_info.
func DeviceInfo() (metal.Info, error) {
	rt, err := Default()
	if err != nil {
		return metal.Info{}, err
	}
	return rt.Device.Info(), nil
}

// capturer is the default runtime's device, if it records traces.
func capturer(op string) (metal.Capturer, error) {
	rt, err := Default()
	if err != nil {
		return nil, err
	}
	c, ok := rt.Device.(metal.Capturer)
	if !ok {
		return nil, fmt.Errorf("graph: %s: %s records no GPU traces", op, rt.Device.Info().Name)
	}
	return c, nil
}

// StartCapture records what the GPU runs from now on to a file that ends in
// .gputrace, for Xcode; the process needs MTL_CAPTURE_ENABLED=1. It is an error
// on devices other than the Apple GPU. Mirrors mx.metal.start_capture.
func StartCapture(path string) error {
	c, err := capturer("StartCapture")
	if err != nil {
		return err
	}
	return c.StartCapture(path)
}

// StopCapture ends what StartCapture began and writes the file. Mirrors
// mx.metal.stop_capture.
func StopCapture() error {
	c, err := capturer("StopCapture")
	if err != nil {
		return err
	}
	return c.StopCapture()
}
