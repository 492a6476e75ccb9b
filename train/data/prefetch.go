// Batches made ahead of time.

package data

import (
	"context"
	"errors"
)

// Prefetcher makes batches in a goroutine while the caller computes. Its
// cursor is that of the last batch handed out, however far ahead the goroutine
// is.
type Prefetcher struct {
	in     Iterator
	depth  int // 0: pass through
	steps  int // of an epoch; asked once, the goroutine owns in later
	ctx    context.Context
	cancel context.CancelFunc
	out    chan prefetched // nil until the first Next
	cursor Cursor
	err    error // what ended the stream
}

type prefetched struct {
	batch  *Batch
	cursor Cursor // after batch
	err    error
}

// Prefetch keeps up to depth batches (at least 1) ready. The Prefetcher owns
// in from then on; its goroutine begins with the first Next and ends with
// Close, the end of ctx, an error, or the end of the data.
//
// A Compat is passed through without reading ahead: its order depends on when
// evaluation draws from the shared generator.
func Prefetch(ctx context.Context, in Iterator, depth int) *Prefetcher {
	if _, shared := in.(*Compat); shared {
		depth = 0
	} else {
		depth = max(depth, 1)
	}
	ctx, cancel := context.WithCancel(ctx)
	return &Prefetcher{in: in, depth: depth, steps: in.StepsPerEpoch(), ctx: ctx, cancel: cancel, cursor: in.Cursor()}
}

// Next implements Iterator. Its ctx bounds the waiting only: a batch that was
// not waited for comes with the next call.
func (p *Prefetcher) Next(ctx context.Context) (*Batch, error) {
	if p.depth == 0 {
		return p.in.Next(ctx)
	}
	if p.err != nil {
		return nil, p.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.out == nil {
		p.start()
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case got, ok := <-p.out:
		if !ok {
			got.err = p.ctx.Err() // the goroutine left without a word
		}
		if got.err != nil {
			p.err = got.err
			return nil, got.err
		}
		p.cursor = got.cursor
		return got.batch, nil
	}
}

func (p *Prefetcher) start() {
	out := make(chan prefetched, p.depth-1) // one more waits in the goroutine's hand
	p.out = out
	go func() {
		defer close(out)
		for {
			batch, err := p.in.Next(p.ctx)
			next := prefetched{batch: batch, err: err}
			if err == nil {
				next.cursor = p.in.Cursor()
			}
			select {
			case out <- next:
			case <-p.ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
}

// Close stops the goroutine and waits for it. The cursor stays valid.
func (p *Prefetcher) Close() {
	p.cancel()
	if p.out != nil {
		for range p.out { // until the goroutine closes it
		}
	}
	if p.err == nil && p.depth > 0 {
		p.err = context.Canceled
	}
}

// Cursor implements Iterator.
func (p *Prefetcher) Cursor() Cursor {
	if p.depth == 0 {
		return p.in.Cursor()
	}
	return p.cursor
}

// Restore implements Iterator; only before the first Next.
func (p *Prefetcher) Restore(c Cursor) error {
	if p.out != nil {
		return errors.New("data: Restore after the prefetcher has started")
	}
	if err := p.in.Restore(c); err != nil {
		return err
	}
	p.cursor = p.in.Cursor()
	return nil
}

// StepsPerEpoch implements Iterator.
func (p *Prefetcher) StepsPerEpoch() int { return p.steps }
