//go:build darwin || metalfake

package darwin

import (
	"time"

	"github.com/ftmetal/ftmetal/metal"
)

// Share of the rates that an ordinary kernel reaches, for estimates that err on
// the long side, and the time a launch takes of itself.
const (
	reachedFLOPS     = 0.4
	reachedBandwidth = 0.5
	launch           = 4 * time.Microsecond
)

// estimate is how long op takes on the GPU.
func (c Chip) estimate(op *metal.Dispatch) time.Duration {
	compute := float64(op.FLOPs) / (c.TFLOPS * 1e12 * reachedFLOPS)
	memory := float64(op.Traffic()) / (c.Bandwidth * 1e9 * reachedBandwidth)
	return launch + time.Duration(max(compute, memory)*float64(time.Second))
}
