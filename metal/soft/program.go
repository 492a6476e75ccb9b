package soft

// #include "soft.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"time"
)

// errClosed is what running a closed program returns.
var errClosed = errors.New("soft: the program is closed")

// Run executes the list.
func (p *program) Run(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run(ctx, false)
}

// Profile executes the list and returns the time of each dispatch. What products
// with the same operand share is part of the first one's time.
func (p *program) Profile(ctx context.Context) ([]time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.run(ctx, true); err != nil {
		return nil, err
	}
	times := make([]time.Duration, len(p.list))
	var before time.Duration
	for i := range p.list {
		end := time.Duration(p.steps[p.first[i+1]-1].nanos)
		if p.dev.opt.Guard {
			times[i] = end // each dispatch was a run of its own
			continue
		}
		times[i], before = end-before, end
	}
	return times, nil
}

func (p *program) run(ctx context.Context, profile bool) error {
	if p.c == nil {
		return errClosed
	}
	p.c.profile = 0
	if profile {
		p.c.profile = 1
	}
	if !p.dev.opt.Guard {
		return p.runDispatches(ctx, 0, len(p.list))
	}
	for i := range p.list {
		if err := p.guarded(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// runDispatches runs the dispatches [first, last) on the workers.
func (p *program) runDispatches(ctx context.Context, first, last int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	C.ft_begin(p.c, C.int64_t(p.first[first]), C.int64_t(p.first[last]))
	cancelled := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		C.ft_cancel(p.c)
		close(cancelled)
	})
	if !p.long || !p.aside() {
		p.here()
	}
	if !stop() {
		<-cancelled // it touches p.c, which Close may free next
		return ctx.Err()
	}
	if at := int(p.c.failed_step); at >= 0 {
		at = p.owner[at]
		return fmt.Errorf("soft: dispatch %d, %s: %s", at, p.list[at].Kernel, C.GoString(&p.c.error[0]))
	}
	if p.c.ran == 0 && first < last {
		return errors.New("soft: no memory for the stacks of a worker")
	}
	return nil
}

// here runs the program on this thread and others of Go's.
func (p *program) here() {
	var wg sync.WaitGroup
	for range p.workers - 1 {
		wg.Go(func() { C.ft_work(p.c) })
	}
	C.ft_work(p.c)
	wg.Wait()
}

// bells are idle pipes, on which threads of threads.cpp tell that they are done.
var bells = make(chan [2]*os.File, 8)

// aside runs the program on threads that Go knows nothing of, while this goroutine
// waits as for a file. It reports whether there were any.
func (p *program) aside() bool {
	var bell [2]*os.File
	select {
	case bell = <-bells:
	default:
		var err error
		if bell[0], bell[1], err = os.Pipe(); err != nil {
			return false
		}
	}
	started := C.ft_start(p.c, C.int(p.workers), C.int(bell[1].Fd())) > 0
	if started {
		var one [1]byte
		if _, err := bell[0].Read(one[:]); err != nil {
			panic("soft: waiting for threads: " + err.Error()) // they may still run
		}
	}
	select {
	case bells <- bell:
	default:
		_, _ = bell[0].Close(), bell[1].Close()
	}
	return started
}
