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
}

// NewRuntime opens the device called name ("" for the best one) with a memory
// budget in bytes (0 for none).
func NewRuntime(name string, budget int64) (*Runtime, error) {
	dev, choice, err := metal.Open(name)
	if err != nil {
		return nil, err
	}
	return &Runtime{dev, metal.NewPool(dev, metal.PoolOptions{Budget: budget}), choice}, nil
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
