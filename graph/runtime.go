package graph

import (
	"sync"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/metal"
)

// Runtime is a device with the pool that owns its memory.
type Runtime struct {
	Device metal.Device
	Pool   *metal.Pool
	Choice metal.Choice

	mu    sync.Mutex
	tasks map[*task]struct{} // what streams run in the memory
	since int64              // bytes asked for since the last collection of unused arrays
}

// NewRuntime opens the device called name ("" for the best one) with a memory
// budget in bytes (0 for none).
func NewRuntime(name string, budget int64) (*Runtime, error) {
	dev, choice, err := metal.Open(name)
	if err != nil {
		return nil, err
	}
	if debug.Level() >= 1 {
		info := dev.Info()
		debug.Logf("device %s: %s (%s), memory %s, budget %s", choice.Name, info.Name, choice.Reason, metal.FormatBytes(info.MemoryBytes), metal.FormatBytes(budget))
	}
	return &Runtime{Device: dev, Pool: metal.NewPool(dev, metal.PoolOptions{Budget: budget}), Choice: choice}, nil
}

// Close waits for what streams run, and releases all memory of the runtime and
// its device. Arrays over it are invalid then.
func (rt *Runtime) Close() error {
	rt.finish()
	rt.Pool.Close()
	return rt.Device.Close()
}

var (
	defaultMu sync.Mutex
	defaultRT *Runtime
)

// SetDefault makes rt the runtime that Eval and compiled functions use.
func SetDefault(rt *Runtime) {
	defaultMu.Lock()
	defer defaultMu.Unlock()
	defaultRT = rt
}

// Default is the runtime set by SetDefault, or one over the device that
// FTMETAL_DEVICE names, opened at the first call.
func Default() (*Runtime, error) {
	defaultMu.Lock()
	defer defaultMu.Unlock()
	if defaultRT == nil {
		rt, err := NewRuntime(debug.Device(), 0)
		if err != nil {
			return nil, err
		}
		defaultRT = rt
	}
	return defaultRT, nil
}
