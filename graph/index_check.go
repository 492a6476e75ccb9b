package graph

import (
	endian "encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// indexCheck is an index array of which every element has to lie in [low, high)
// when the graph runs: MLX leaves what happens otherwise undefined. The output
// is the input. It is a node so that it sees the caller's indices before they
// are folded, broadcast or mapped.
type indexCheck struct {
	identity
	constantGradient
	op, fn, site string // of the caller
	low, high    int
	bound        bool // the elements are not places but bounds of ranges, of which high-1 is one too
}

// insideAxis is ids, whose elements count places of an axis of n, from its end where
// they are negative.
func insideAxis(op string, ids *Array, n int) *Array { return indexBetween(op, ids, -n, n) }

// underClasses is class numbers under n, of which negative ones stand for no class.
func underClasses(op string, targets *Array, n int) *Array {
	return indexBetween(op, targets, math.MinInt, n)
}

// boundsOf is ids, each of which is where a range of an axis of n begins or ends.
func boundsOf(op string, ids *Array, n int) *Array {
	return newIndexCheck(op, 0, n+1, true).of(ids)
}

func indexBetween(op string, ids *Array, low, high int) *Array {
	return newIndexCheck(op, low, high, false).of(ids)
}

func newIndexCheck(op string, low, high int, bound bool) indexCheck {
	fn, site := callSite()
	if fn == op {
		fn = ""
	}
	return indexCheck{op: op, fn: fn, site: site, low: low, high: high, bound: bound}
}

func (op indexCheck) of(ids *Array) *Array { return apply1(op, ids.shape, ids.dtype, ids) }

func (indexCheck) String() string { return "IndexCheck" }

func (op indexCheck) VMap(b *Batch) []*Array { return b.all(op) }

// checkedIndices is a check of a plan, and where its findings are.
type checkedIndices struct {
	op     indexCheck
	ids    kernels.Tensor
	found  *slot
	arrays string // what was checked, for the message
}

// checkIndices emits the check of ids, unless the plan has it already, and
// returns ids in row-major order. The findings lie among the constants, which
// nothing else writes.
func (l *Lowering) checkIndices(op indexCheck, ids kernels.Tensor) kernels.Tensor {
	n := ids.Size()
	if n == 0 {
		return ids
	}
	ids = l.Contiguous(ids)
	for _, c := range l.checks {
		if c.op.low == op.low && c.op.high == op.high && c.ids.View == ids.View && c.ids.DType == ids.DType {
			return ids
		}
	}
	words := kernels.CheckedIndices(n)
	found := l.newSlot(int64(words)*8, "checks")
	found.constant = make([]byte, found.size)
	kernels.CheckIndices(l, ids, kernels.Contig(metal.View{Buf: found, Len: found.size}, metal.Int64, words), int64(op.low), int64(op.high))
	l.checks = append(l.checks, checkedIndices{op, ids, found, fmt.Sprintf("%s%v", ids.DType, ids.Shape)})
	return ids
}

// verify looks at what the checks of a run found.
func (b *binding) verify(checks []checkedIndices) error {
	for i, c := range checks {
		first, id := int64(math.MaxInt64), int64(0)
		for raw := b.found[i].Bytes(); len(raw) >= 16; raw = raw[16:] {
			if at := int64(endian.LittleEndian.Uint64(raw)); at > 0 && at < first {
				first, id = at, int64(endian.LittleEndian.Uint64(raw[8:]))
			}
		}
		if first < math.MaxInt64 {
			return c.outside(first-1, id)
		}
	}
	return nil
}

// outside is the error of element at of the indices, which is id.
func (c *checkedIndices) outside(at, id int64) error {
	text := strconv.FormatInt(id, 10)
	if c.ids.DType == metal.Uint64 {
		text = strconv.FormatUint(uint64(id), 10)
	}
	kind, n := "an axis of", c.op.high
	switch {
	case c.op.low == math.MinInt:
		kind = "the classes, of which there are"
	case c.op.bound:
		kind, n = "the ranges of an axis of", n-1
	}
	return &Error{Op: c.op.op, Func: c.op.fn, Site: c.op.site,
		Msg: fmt.Sprintf("index %s (element %d of %s) is outside %s %d", text, at, c.arrays, kind, n)}
}
