package chat

import "math/big"

// What one render may use. The largest real template takes about a hundred steps a
// message; a hostile one shall neither hang nor exhaust memory.
const (
	maxSource = 4 << 20   // bytes of a template
	maxNest   = 200       // nested expressions and blocks of a template
	maxSteps  = 10 << 20  // evaluated nodes and visited items, and 16 bytes of text each
	maxAlloc  = 256 << 20 // bytes of text and lists ever made, garbage included
	maxText   = 32 << 20  // bytes of one text, the output among them
	maxItems  = 2 << 20   // items of one list
	maxDepth  = 1000      // nested evaluations: expressions, blocks, macro calls, values
	maxBits   = 1 << 14   // of an integer
	maxName   = 1 << 8    // bytes of a name
	maxRange  = 100000    // the sandbox's limit for range()
	itemSize  = 16        // bytes of a list's item
)

// step pays for n small pieces of work.
func (s *state) step(n int) {
	if s.steps += n; s.steps > s.t.steps {
		s.fail("the template needs more than %d steps", s.t.steps)
	}
}

// scan pays for looking through texts among the values, which is done 64 bytes a step.
func (s *state) scan(values ...any) {
	for _, v := range values {
		if t, ok := text(v); ok {
			s.step(len(t) / 64)
		}
	}
}

// compute pays for an operation on big integers.
func (s *state) compute(values ...*big.Int) {
	for _, b := range values {
		if n := b.BitLen(); n > 64 {
			s.step(n / 8)
		}
	}
}

// fits fails if a text of n bytes is too long, before it is paid for.
func (s *state) fits(n int) {
	if n > maxText {
		s.fail("a text of %d bytes is over the limit of %d", n, maxText)
	}
}

// alloc pays for n bytes of text.
func (s *state) alloc(n int) {
	s.fits(n)
	s.use(n)
}

// allocItems pays for a list of n items.
func (s *state) allocItems(n int) {
	if n > maxItems {
		s.fail("a list of %d items is over the limit of %d", n, maxItems)
	}
	s.use(itemSize * n)
}

// use pays for memory, a step for 16 bytes.
func (s *state) use(bytes int) {
	if s.bytes += bytes; s.bytes > maxAlloc {
		s.fail("the template makes more than %d bytes of text and lists", maxAlloc)
	}
	s.step(bytes / 16)
}

// enter guards one level of recursion; leave ends it.
func (s *state) enter() {
	if s.depth++; s.depth > maxDepth {
		s.fail("more than %d nested evaluations: endless recursion?", maxDepth)
	}
}

func (s *state) leave() { s.depth-- }
