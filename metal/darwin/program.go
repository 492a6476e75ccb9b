//go:build darwin || metalfake

package darwin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ftmetal/ftmetal/metal"
)

// program is a packed list. Its pipelines live as long as the device.
type program struct {
	dev       *Device
	list      []metal.Dispatch
	pipelines []*pipeline
	packed    *stream
	profiled  *stream // one command buffer a dispatch, made by the first Profile
	closed    bool
}

// Run executes the list. ctx is looked at between command buffers.
func (p *program) Run(ctx context.Context) error {
	d := p.dev
	d.running.Lock()
	defer d.running.Unlock()
	return d.captured(func() error { return p.run(ctx, p.packed, nil) })
}

// Profile executes the list with a command buffer for each dispatch, one after
// another, and returns their times on the GPU.
func (p *program) Profile(ctx context.Context) ([]time.Duration, error) {
	d := p.dev
	d.running.Lock()
	defer d.running.Unlock()
	if p.profiled == nil && !p.closed {
		p.profiled = p.apart()
	}
	seconds := make([]float64, len(p.list))
	if err := d.captured(func() error { return p.run(ctx, p.profiled, seconds) }); err != nil {
		return nil, err
	}
	times := make([]time.Duration, len(seconds))
	for i, s := range seconds {
		times[i] = time.Duration(s * float64(time.Second))
	}
	return times, nil
}

// run runs a stream; the lock is held.
func (p *program) run(ctx context.Context, s *stream, seconds []float64) error {
	if p.closed || p.dev.queue == nil {
		return errors.New("metal: the program or its device is closed")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if ctx.Done() != nil {
		atomic.StoreInt32(s.cancel, 0)
		ended := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			atomic.StoreInt32(s.cancel, 1)
			close(ended)
		})
		defer func() {
			if !stop() {
				<-ended // the next run clears the flag
			}
		}()
	}
	done, failed := p.dev.queue.run(s, seconds)
	switch {
	case failed != nil:
		return p.explain(failed)
	case !done:
		return ctx.Err()
	}
	return nil
}

// Codes of MTLCommandBufferErrorDomain.
const (
	codeTimeout       = 2
	codePageFault     = 3
	codeRevoked       = 4
	codeOutOfMemory   = 8
	codeDeviceRemoved = 11
)

// hints say what a user can do about a failure of the system's making.
var hints = map[int]string{
	codeTimeout:       "the system ends GPU work that keeps the display waiting: use shorter sequences, or fewer tokens a step",
	codePageFault:     "a kernel read or wrote outside its buffers: please report it with the output of ftmetal doctor",
	codeRevoked:       "the system refuses this process more GPU work: start again",
	codeOutOfMemory:   "the GPU ran out of memory: use a smaller batch, shorter sequences or a smaller memory limit",
	codeDeviceRemoved: "the GPU is gone: start again",
}

// explain is the error of a failed command buffer. It names the dispatches in
// it: Metal does not say which one of them it was.
func (p *program) explain(f *failure) error {
	what := fmt.Sprintf("dispatch %d, %s", f.first, p.list[f.first].Kernel)
	narrow := ""
	if f.last-f.first > 1 {
		what = fmt.Sprintf("dispatches %d (%s) to %d (%s)", f.first, p.list[f.first].Kernel, f.last-1, p.list[f.last-1].Kernel)
		narrow = "; FTMETAL_BATCH=1 tells which"
	}
	message := strings.TrimSpace(f.message)
	if message == "" {
		message = "Metal gave no command buffer, or no reason"
	}
	err := fmt.Errorf("metal: %s: %s (%s %d)", what, message, f.domain, f.code)
	if hint := hints[f.code]; hint != "" {
		err = fmt.Errorf("%w: %s", err, hint)
	}
	return fmt.Errorf("%w%s", err, narrow)
}

// Close frees the stream. The buffers stay.
func (p *program) Close() {
	p.dev.running.Lock()
	defer p.dev.running.Unlock()
	p.packed, p.profiled, p.closed = nil, nil, true
}
