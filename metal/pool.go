package metal

import (
	"fmt"
	"math/bits"
	"sync"
)

// PageSize is the granularity of blocks: Apple silicon's 16 KiB page, used
// everywhere so that plans are the same on every machine.
const PageSize = 16 << 10

// Usage is a snapshot of a pool's counters, in bytes.
type Usage struct {
	Active int64 // handed out and not freed
	Peak   int64 // largest Active since the last ResetPeak
	Cache  int64 // freed blocks kept for reuse
	Allocs int64 // blocks asked of the device so far
}

// BudgetError says who asked for how much when a pool's budget ran out.
type BudgetError struct {
	What                   string
	Want, Active, Capacity int64
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("metal: %s needs %s, %s are in use, and the memory budget is %s",
		e.What, FormatBytes(e.Want), FormatBytes(e.Active), FormatBytes(e.Capacity))
}

// Pool owns a device's unified memory: page-rounded blocks in size classes, a
// least-recently-used cache of freed blocks, and a hard budget. It is safe for
// concurrent use.
type Pool struct {
	mu         sync.Mutex
	dev        Device
	budget     int64 // 0: none
	cacheLimit int64
	usage      Usage
	free       map[int64][]*block // by class, most recently freed last
	lru        []*block           // least recently freed first
	live       map[Buffer]*block
	closed     bool
}

type block struct {
	buf   Buffer
	class int64 // bytes; 0 for wrapped memory
}

// PoolOptions bounds a pool.
type PoolOptions struct {
	Budget     int64 // most bytes in use at once; 0 means no bound
	CacheLimit int64 // most bytes kept for reuse; 0 means a quarter of the device's memory
}

// NewPool manages dev's memory.
func NewPool(dev Device, opt PoolOptions) *Pool {
	limit := opt.CacheLimit
	if limit == 0 {
		limit = dev.Info().MemoryBytes / 4
	}
	return &Pool{dev: dev, budget: opt.Budget, cacheLimit: limit, free: map[int64][]*block{}, live: map[Buffer]*block{}}
}

// Device is the device whose memory the pool manages.
func (p *Pool) Device() Device { return p.dev }

// sizeClass rounds n up to whole pages, and above 16 pages to an eighth of a
// power of two, so that nearly equal requests share blocks at ≤ 12.5 % waste.
func sizeClass(n int64) int64 {
	pages := (max(n, 1) + PageSize - 1) / PageSize
	if pages > 16 {
		step := int64(1) << (bits.Len64(uint64(pages-1)) - 4)
		pages = (pages + step - 1) / step * step
	}
	return pages * PageSize
}

// BlockSize is what a request for n bytes counts as in a pool.
func BlockSize(n int64) int64 { return sizeClass(n) }

// Alloc returns a block of at least n bytes for the purpose named by what. The
// contents are undefined. It returns a *BudgetError when the budget does not
// allow it.
func (p *Pool) Alloc(n int64, what string) (Buffer, error) {
	class := sizeClass(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("metal: %s: the pool is closed", what)
	}
	if list := p.free[class]; len(list) > 0 {
		b := list[len(list)-1]
		if err := p.charge(class, what); err != nil {
			return nil, err
		}
		p.dropFree(b)
		p.live[b.buf] = b
		return b.buf, nil
	}
	if err := p.charge(class, what); err != nil {
		return nil, err
	}
	p.trim(max(0, p.room()))
	buf, err := p.dev.Alloc(class)
	if err != nil {
		p.trim(0)
		if buf, err = p.dev.Alloc(class); err != nil {
			p.usage.Active -= class
			return nil, fmt.Errorf("metal: %s: %w", what, err)
		}
	}
	p.usage.Allocs++
	p.live[buf] = &block{buf, class}
	return buf, nil
}

// charge counts class bytes as active, or refuses.
func (p *Pool) charge(class int64, what string) error {
	if p.budget > 0 && p.usage.Active+class > p.budget {
		return &BudgetError{What: what, Want: class, Active: p.usage.Active, Capacity: p.budget}
	}
	p.usage.Active += class
	p.usage.Peak = max(p.usage.Peak, p.usage.Active)
	return nil
}

// room is how much cache may remain beside what is active.
func (p *Pool) room() int64 {
	if p.budget == 0 {
		return p.cacheLimit
	}
	return min(p.cacheLimit, p.budget-p.usage.Active)
}

// Wrap makes host memory addressable without counting it: the pages belong to
// a mapped file, and the system may drop them at any time.
func (p *Pool) Wrap(data []byte, what string) (Buffer, error) {
	buf, err := p.dev.Wrap(data)
	if err != nil {
		return nil, fmt.Errorf("metal: %s: %w", what, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.dev.Free(buf)
		return nil, fmt.Errorf("metal: %s: the pool is closed", what)
	}
	p.live[buf] = &block{buf: buf}
	return buf, nil
}

// Free gives b back. Freeing a buffer twice, or one of another pool, panics.
// After Close it does nothing: arrays that are collected late may still ask.
func (p *Pool) Free(b Buffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	blk, ok := p.live[b]
	if !ok {
		panic("metal: Free of a buffer that this pool does not own")
	}
	delete(p.live, b)
	if blk.class == 0 {
		p.dev.Free(b)
		return
	}
	p.usage.Active -= blk.class
	p.usage.Cache += blk.class
	p.free[blk.class] = append(p.free[blk.class], blk)
	p.lru = append(p.lru, blk)
	p.trim(max(0, p.room()))
}

// dropFree takes b out of the cache's lists.
func (p *Pool) dropFree(b *block) {
	list := p.free[b.class]
	for i, x := range list {
		if x == b {
			p.free[b.class] = append(list[:i], list[i+1:]...)
			break
		}
	}
	for i, x := range p.lru {
		if x == b {
			p.lru = append(p.lru[:i], p.lru[i+1:]...)
			break
		}
	}
	p.usage.Cache -= b.class
}

// trim releases the least recently freed blocks until the cache is ≤ limit.
func (p *Pool) trim(limit int64) {
	for p.usage.Cache > limit && len(p.lru) > 0 {
		b := p.lru[0]
		p.dropFree(b)
		p.dev.Free(b.buf)
	}
}

// SetBudget changes the most bytes that may be in use at once, 0 for no bound,
// and returns what it was. Blocks in use stay, also above a lower bound.
func (p *Pool) SetBudget(n int64) (old int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, p.budget = p.budget, n
	p.trim(max(0, p.room()))
	return old
}

// SetCacheLimit changes the most bytes that are kept for reuse, 0 for none, and
// returns what it was.
func (p *Pool) SetCacheLimit(n int64) (old int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, p.cacheLimit = p.cacheLimit, n
	p.trim(max(0, p.room()))
	return old
}

// ClearCache releases every cached block.
func (p *Pool) ClearCache() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trim(0)
}

// Close releases the cache and every block in use. The device stays open.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.trim(0)
	for b := range p.live {
		p.dev.Free(b)
	}
	clear(p.live)
	p.usage.Active, p.closed = 0, true
}

// Closed reports whether the pool has released its memory.
func (p *Pool) Closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Usage returns the counters.
func (p *Pool) Usage() Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.usage
}

// ResetPeak makes the present use the peak.
func (p *Pool) ResetPeak() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.usage.Peak = p.usage.Active
}

// FormatBytes writes n with a binary unit: "1.50 GiB".
func FormatBytes(n int64) string {
	const units = "KMGTP"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	v, u := float64(n)/1024, 0
	for v >= 1024 && u < len(units)-1 {
		v, u = v/1024, u+1
	}
	return fmt.Sprintf("%.2f %ciB", v, units[u])
}
