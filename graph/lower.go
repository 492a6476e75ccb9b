package graph

import (
	"fmt"
	"strings"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// slot is a piece of memory of a plan: it has a size and a lifetime while the
// plan is made, and a place afterwards. It stands in for the buffer in the
// dispatch list until bind replaces it.
type slot struct {
	id     int
	size   int64
	label  string
	pinned bool  // outlives the plan: outputs
	first  int   // dispatch that writes it first
	last   int   // dispatch that uses it last
	into   *slot // shares the memory of this slot (in place)
	off    int64 // in the arena

	// external memory instead of a place in the arena
	input    int    // argument number + 1 of a compiled function
	output   int    // output number + 1
	replaces int    // argument number + 1 whose memory this output takes over
	constant []byte // host data uploaded when the plan is bound
	storage  *storage
}

func (s *slot) Len() int64    { return s.size }
func (s *slot) Bytes() []byte { return nil }

// root follows in-place sharing to the slot that owns the memory.
func (s *slot) root() *slot {
	for s.into != nil {
		s = s.into
	}
	return s
}

// external reports whether the slot lies outside the arena.
func (s *slot) external() bool {
	return s.input > 0 || s.output > 0 || s.constant != nil || s.storage != nil
}

// Lowering turns nodes into dispatches. Ops see it as the kernels.Emitter that
// their launch functions write to.
type Lowering struct {
	list   []metal.Dispatch
	labels []string // op of each dispatch, for plans and errors
	slots  []*slot
	values map[*Array]kernels.Tensor
	placed map[*Array]kernels.Tensor // where an output has to be computed
	uses   map[*Array]int
	fused  map[*node]*fusion
	label  string
	at     *node           // that is lowered
	used   map[*Array]bool // outputs somebody needs
	leaves map[*data]*slot
	checks []checkedIndices
}

// Emit adds a dispatch to the program.
func (l *Lowering) Emit(d metal.Dispatch) {
	l.list = append(l.list, d)
	l.labels = append(l.labels, l.label)
}

// Scratch is memory for the op at hand.
func (l *Lowering) Scratch(bytes int64) metal.View {
	return metal.View{Buf: l.newSlot(bytes, l.label+" scratch"), Len: bytes}
}

// Contiguous is t, or a row-major copy of it.
func (l *Lowering) Contiguous(t kernels.Tensor) kernels.Tensor {
	if t.Contiguous() {
		return t
	}
	c := kernels.Scratch(l, t.DType, t.Shape...)
	kernels.Copy(l, t, c)
	return c
}

// orScratch is t, or scratch memory for an output that nobody uses.
func (l *Lowering) orScratch(t kernels.Tensor) kernels.Tensor {
	if t.Bound() {
		return t
	}
	return kernels.Scratch(l, t.DType, t.Shape...)
}

func (l *Lowering) newSlot(size int64, label string) *slot {
	s := &slot{id: len(l.slots), size: size, label: label, first: -1, last: -1}
	l.slots = append(l.slots, s)
	return s
}

// lower makes the dispatch list that computes outputs. args are bound when the
// plan runs; other evaluated arrays are used where they lie.
func lower(outputs, args []*Array) *Lowering {
	l := &Lowering{
		values: map[*Array]kernels.Tensor{},
		placed: map[*Array]kernels.Tensor{},
		uses:   map[*Array]int{},
		used:   map[*Array]bool{},
		leaves: map[*data]*slot{},
	}
	for i, a := range args {
		s := l.newSlot(a.NBytes(), fmt.Sprintf("argument %d", i))
		s.input = i + 1
		l.values[a] = kernels.Contig(metal.View{Buf: s, Len: s.size}, a.dtype, a.shape...)
	}
	nodes := ancestors(outputs, func(a *Array) bool { return a.data == nil })
	l.countUses(nodes, outputs)
	if debug.Fuse() {
		l.fused = findFusions(nodes, l.uses)
	}
	l.placeConcats(nodes)
	for _, n := range nodes {
		l.lowerNode(n)
	}
	return l
}

func (l *Lowering) countUses(nodes []*node, outputs []*Array) {
	for _, n := range nodes {
		for _, x := range n.in {
			l.uses[x]++
			l.used[x] = true
		}
	}
	for _, o := range outputs {
		l.uses[o] += 2 // an output is never folded away
		l.used[o] = true
	}
}

// placeConcats lets the inputs of a concatenation be computed where they
// belong, so that joining them copies nothing. That holds for single-use
// inputs of ops that write a contiguous output of their own.
func (l *Lowering) placeConcats(nodes []*node) {
	for _, n := range nodes {
		op, ok := n.op.(concatenate)
		if !ok || sizeOf(n.out[0].shape[:op.axis]) != 1 {
			continue
		}
		out := l.allocate(n.out[0])
		l.placed[n.out[0]] = out
		at := 0
		for _, x := range n.in {
			w := op.window(out, at, x.shape)
			at += x.shape[op.axis]
			l.placeThrough(x, w)
		}
	}
}

// placeThrough asks for x to be computed in w, looking through reshapes.
func (l *Lowering) placeThrough(x *Array, w kernels.Tensor) {
	for l.uses[x] == 1 && x.data == nil && x.node != nil {
		if _, ok := x.node.op.(reshape); !ok {
			break
		}
		x = x.node.in[0]
		w.Shape, w.Strides = x.shape, kernels.RowMajor(x.shape)
	}
	if l.uses[x] != 1 || x.data != nil || x.node == nil || l.isArg(x) || l.placed[x].Bound() {
		return
	}
	if _, isView := x.node.op.(viewer); isView {
		if _, grad := x.node.op.(sliceGrad); !grad {
			return
		}
	}
	if _, isAlias := x.node.op.(alias); isAlias {
		return
	}
	if _, choosy := x.node.op.(layouter); choosy {
		return
	}
	l.placed[x] = w
}

func (l *Lowering) isArg(a *Array) bool { _, ok := l.values[a]; return ok }

// allocate makes a slot for a.
func (l *Lowering) allocate(a *Array) kernels.Tensor {
	label := "constant"
	if a.node != nil {
		label = a.node.op.String()
	}
	n := a.NBytes()
	return kernels.Contig(metal.View{Buf: l.newSlot(n, label), Len: n}, a.dtype, a.shape...)
}

// lowerNode computes n's outputs, or makes them views.
func (l *Lowering) lowerNode(n *node) {
	if f := l.fused[n]; f != nil && f.root != n {
		return // computed by the root of its chain
	}
	l.label, l.at = n.op.String(), n
	if f := l.fused[n]; f != nil {
		l.refusing(l.label, func() { l.lowerFusion(f) })
		return
	}
	in := make([]kernels.Tensor, len(n.in))
	for i, x := range n.in {
		in[i] = l.value(x)
	}
	if c, ok := n.op.(indexCheck); ok {
		l.refusing(c.op, func() { in[0] = l.checkIndices(c, in[0]) })
	}
	if v, ok := n.op.(viewer); ok {
		if t, ok := v.View(in[0], n.out[0].shape); ok {
			l.values[n.out[0]] = t
			return
		}
	}
	if v, ok := n.op.(alias); ok {
		for i, j := range v.Aliases(len(n.out)) {
			l.values[n.out[i]] = in[j]
		}
		return
	}
	out := make([]kernels.Tensor, len(n.out))
	for i, o := range n.out {
		switch t, ok := l.placed[o]; {
		case ok:
			out[i] = t
		case l.used[o] || i == 0:
			out[i] = l.allocate(o)
			if lay, ok := n.op.(layouter); ok {
				if strides := lay.OutStrides(i, in, o.shape); strides != nil {
					out[i].Strides = strides
				}
			}
		default: // nobody uses it: launch functions skip what has no view
			out[i] = kernels.Tensor{DType: o.dtype, Shape: o.shape, Strides: kernels.RowMajor(o.shape)}
		}
	}
	l.refusing(l.label, func() { n.op.Lower(l, in, out) })
	for i, o := range n.out {
		l.values[o] = out[i]
	}
}

// refusing runs emit. What kernels refuse, such as a dtype, is an *Error with
// the op's name.
func (l *Lowering) refusing(op string, emit func()) {
	defer func() {
		if r := recover(); r != nil {
			refused, ok := r.(kernels.Error)
			if !ok {
				panic(r)
			}
			msg := string(refused)
			if name, rest, ok := strings.Cut(msg, ": "); ok && (strings.HasPrefix(op, name) || name == "Copy") {
				msg = rest
			}
			l.fail(op, "%s", msg)
		}
	}()
	emit()
}

// fail panics with an *Error about the node at hand.
func (l *Lowering) fail(op, format string, args ...any) {
	panic(&Error{Op: op, Msg: fmt.Sprintf(format, args...), Site: siteOf(l.at)})
}

// layouter is an op that chooses the memory order of its outputs, so that the
// views that usually follow it cost nothing. OutStrides returns nil for
// row-major.
type layouter interface {
	OutStrides(output int, in []kernels.Tensor, shape []int) []int
}

// tokenMajor is the strides of [B,H,T,D] over memory ordered [B,T,H,D]: the
// heads of a token lie side by side, as the projections want them.
func tokenMajor(shape []int) []int {
	h, t, d := shape[1], shape[2], shape[3]
	return []int{t * h * d, d, h * d, 1}
}

// value is where x's elements lie.
func (l *Lowering) value(x *Array) kernels.Tensor {
	if t, ok := l.values[x]; ok {
		return t
	}
	if x.data == nil {
		what := "a placeholder of another function"
		if x.node != nil {
			what = "an output of " + x.node.op.String() + " that was not computed"
		}
		l.fail(l.label, "operand %v is %s", x, what)
	}
	s := l.leaves[x.data]
	d := x.data
	if s == nil {
		s = l.newSlot(d.length, x.String())
		if d.storage != nil {
			s.storage, s.size = d.storage, d.storage.buf.Len()
		} else {
			s.constant = d.host
		}
		l.leaves[x.data] = s
	}
	t := kernels.Tensor{View: metal.View{Buf: s, Len: d.length}, DType: x.dtype, Shape: x.shape, Strides: d.strides, Offset: d.offset}
	if d.storage != nil {
		t.View.Off = d.base
	}
	l.values[x] = t
	return t
}

// realize makes t contiguous in a slot of its own, unless it is already.
func (l *Lowering) realize(a *Array) kernels.Tensor {
	op := "Eval"
	l.at = a.node
	if a.node != nil {
		op = a.node.op.String()
	}
	l.label = op
	t := l.value(a)
	if s, ok := t.View.Buf.(*slot); ok && t.Contiguous() && !s.external() && !s.pinned && t.View.Off == 0 && t.View.Len == s.size {
		return t
	}
	l.label = "output"
	c := l.allocate(a)
	l.refusing(op, func() { kernels.Copy(l, t, c) })
	return c
}
