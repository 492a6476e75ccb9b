package graph

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// streamDepth is the most evaluations that wait on one stream: AsyncEval blocks
// beyond, since each of them has its memory already.
const streamDepth = 10

// Stream runs evaluations in the background, one after another in the order in
// which AsyncEval was called. Streams are independent of each other, except that
// an evaluation waits for the ones whose results it reads. Any goroutine may
// use a stream; it ends with its last reference. Mirrors mx.Stream.
type Stream struct {
	mu    sync.Mutex
	last  *task
	err   error         // the first failure since the last Synchronize
	depth chan struct{} // holds an element per evaluation that is not done
}

// NewStream is a stream with nothing to do. Mirrors mx.new_stream.
func NewStream() *Stream { return &Stream{depth: make(chan struct{}, streamDepth)} }

var defaultStream = NewStream()

// DefaultStream is the stream that nil stands for. Mirrors mx.default_stream.
func DefaultStream() *Stream { return defaultStream }

// task is one evaluation on a stream.
type task struct {
	done chan struct{}
	err  error // set before done is closed
}

// wait returns the task's error, or ctx's if that ends first.
func (t *task) wait(ctx context.Context) error {
	select {
	case <-t.done:
		return t.err
	default:
	}
	select {
	case <-t.done:
		return t.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pending is what streams have still to do with a storage.
type pending struct {
	busy    atomic.Bool // whether there is anything below
	mu      sync.Mutex
	writer  *task // that computes it; kept if it fails
	readers []*task
}

// await waits until the storage may be read, or written. The error of the task
// that was to compute it is the result.
func (p *pending) await(ctx context.Context, write bool) error {
	if !p.busy.Load() {
		return nil
	}
	p.mu.Lock()
	writer, readers := p.writer, p.readers
	p.mu.Unlock()
	if writer != nil {
		if err := writer.wait(ctx); err != nil {
			return err
		}
	}
	if !write {
		return nil
	}
	for _, r := range readers {
		if err := r.wait(ctx); err != nil && ctx.Err() != nil {
			return err // a reader that failed is done too
		}
	}
	return nil
}

// read enters t as a reader, and returns the task that t has to wait for, if any.
func (p *pending) read(t *task) *task {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readers = append(p.readers, t)
	p.busy.Store(true)
	return p.writer
}

// forget takes t out, when it is done; a writer that failed stays.
func (p *pending) forget(t *task) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.writer == t && t.err == nil {
		p.writer = nil
	}
	kept := p.readers[:0:0]
	for _, r := range p.readers {
		if r != t {
			kept = append(kept, r)
		}
	}
	p.readers = kept
	p.busy.Store(p.writer != nil || len(kept) > 0)
}

// await waits for streams that write memory of b, and if write is set for those
// that read it.
func (b *binding) await(ctx context.Context, write bool) error {
	for _, s := range b.keep {
		if err := s.pending.await(ctx, write); err != nil {
			return err
		}
	}
	return nil
}

// AsyncEval begins to compute arrays on a stream (nil: the default one) and
// returns: the arrays can be used in further graphs at once, and Eval, Read and
// the like wait for them. What is wrong with the graph, and memory that is not
// there, is an error of this call; what goes wrong later is an error of
// whatever reads the arrays, and of Synchronize. ctx ends the evaluation, also
// after the call. Mirrors mx.async_eval.
func AsyncEval(ctx context.Context, s *Stream, arrays ...*Array) error {
	if s == nil {
		s = defaultStream
	}
	if s.depth == nil {
		return &Error{Op: "AsyncEval", Msg: "the stream was not made by NewStream", Site: siteOf(nil)}
	}
	todo, err := unevaluated("AsyncEval", arrays)
	if err != nil || len(todo) == 0 {
		return err
	}
	select {
	case s.depth <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	plan, b, err := bound(todo)
	if err != nil {
		<-s.depth
		return err
	}
	s.begin(ctx, plan, b)
	assign(todo, b.outputs)
	return nil
}

// begin has b run after what s has to do and what it reads.
func (s *Stream) begin(ctx context.Context, plan *Plan, b *binding) {
	t := &task{done: make(chan struct{})}
	var before []*task
	for _, st := range b.made {
		st.pending.writer = t
		st.pending.busy.Store(true)
	}
	for _, st := range b.keep {
		if w := st.pending.read(t); w != nil && w != t {
			before = append(before, w)
		}
	}
	s.mu.Lock()
	previous := s.last
	s.last = t
	s.mu.Unlock()
	b.rt.enter(t)
	go func() {
		defer b.rt.leave(t)
		t.err = s.run(ctx, plan, b, previous, before)
		s.mu.Lock()
		if s.err == nil {
			s.err = t.err
		}
		if s.last == t {
			s.last = nil
		}
		s.mu.Unlock()
		b.close()
		close(t.done)
		for _, st := range b.keep {
			st.pending.forget(t)
		}
		<-s.depth
	}()
}

func (s *Stream) run(ctx context.Context, plan *Plan, b *binding, previous *task, before []*task) error {
	if previous != nil {
		<-previous.done
	}
	for _, w := range before {
		if err := w.wait(ctx); err != nil {
			return fmt.Errorf("graph: an operand of an asynchronous evaluation failed: %w", err)
		}
	}
	_, err := plan.execute(ctx, b, false)
	return err
}

// enter and leave keep the list of what streams run in a runtime's memory.
func (rt *Runtime) enter(t *task) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.tasks == nil {
		rt.tasks = map[*task]struct{}{}
	}
	rt.tasks[t] = struct{}{}
}

func (rt *Runtime) leave(t *task) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	delete(rt.tasks, t)
}

// finish waits for what streams run in a runtime's memory now.
func (rt *Runtime) finish() {
	rt.mu.Lock()
	tasks := slices.Collect(maps.Keys(rt.tasks))
	rt.mu.Unlock()
	for _, t := range tasks {
		<-t.done
	}
}

// Synchronize waits until everything that s (nil: the default stream) was given
// is done, or ctx ends. It returns the first error since the last call. Mirrors
// mx.synchronize.
func Synchronize(ctx context.Context, s *Stream) error {
	if s == nil {
		s = defaultStream
	}
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if last != nil {
		if err := last.wait(ctx); err != nil && ctx.Err() != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	s.err = nil
	return err
}
