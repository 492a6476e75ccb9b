package graph

import (
	"fmt"
	"strings"
	"time"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Plan is a lowered graph: dispatches over slots of memory, and the layout of
// the arena that holds the temporaries.
type Plan struct {
	list    []metal.Dispatch
	labels  []string
	slots   []*slot
	args    []*Array
	outputs []kernels.Tensor // where each output lies, in terms of slots
	consts  int64
	checks  []checkedIndices
	double  string // an op that computes in float64; "" if none does

	// ArenaBytes is the memory that all temporaries need together.
	ArenaBytes int64
}

// newPlan lowers outputs. donate maps an output to the argument whose memory it
// takes over, as Compile's option does.
func newPlan(outputs, args []*Array, donate map[int]int) *Plan {
	l := lower(outputs, args)
	p := &Plan{args: args}
	type copyBack struct{ from, to kernels.Tensor }
	var late []copyBack
	for i, o := range outputs {
		t := l.realize(o)
		s := t.View.Buf.(*slot)
		if j, ok := donate[i]; ok {
			s.replaces = j + 1
			late = append(late, copyBack{t, l.values[args[j]]})
			p.outputs = append(p.outputs, l.values[args[j]])
			continue
		}
		s.output = i + 1
		p.outputs = append(p.outputs, t)
	}
	// An output that could not be computed in its argument's memory is copied
	// there at the end, when nobody reads the argument any more.
	l.label = "donate"
	body := len(l.list)
	for _, c := range late {
		kernels.Copy(l, c.from, c.to) // nothing for an empty array
	}
	p.list, p.labels, p.slots, p.checks = l.list, l.labels, l.slots, l.checks
	for i, d := range p.list {
		if strings.HasSuffix(d.Kernel, "_f64") || strings.Contains(d.Kernel, "_f64_") {
			p.double = p.labels[i]
		}
	}
	p.shareDonated(len(p.list) - body)
	p.ArenaBytes = planMemory(p.list, p.slots)
	for _, s := range p.slots {
		if s.constant != nil && s.first >= 0 {
			s.off = p.consts
			p.consts = alignUp(p.consts + max(s.size, 1)) // an empty constant has a place too
		}
	}
	return p
}

// shareDonated drops the final copies of donated outputs that can be computed in
// the argument's memory in the first place.
func (p *Plan) shareDonated(copies int) {
	body := p.list[:len(p.list)-copies]
	kept := append([]metal.Dispatch{}, body...)
	labels := append([]string{}, p.labels[:len(body)]...)
	for k := len(body); k < len(p.list); k++ {
		d := p.list[k]
		from, to := d.In[0].Buf.(*slot), d.Out[0].Buf.(*slot)
		if canRedirect(body, from, to) {
			for i := range body {
				renameSlot(body[i].In, from, to)
				renameSlot(body[i].Out, from, to)
			}
			continue
		}
		kept, labels = append(kept, d), append(labels, p.labels[k])
	}
	p.list, p.labels = kept[:0], labels[:0]
	for i := range kept { // what was copied to be changed is changed where it is
		if !kernels.IsIdentity(&kept[i]) {
			p.list, p.labels = append(p.list, kept[i]), append(p.labels, labels[i])
		}
	}
}

// canRedirect reports whether what is written to from can be written to to
// instead: nobody reads to after the first write, except that the first writer
// may read it element by element if it writes all of it.
func canRedirect(list []metal.Dispatch, from, to *slot) bool {
	if from.size != to.size {
		return false
	}
	started := false
	for i := range list {
		d := &list[i]
		out := -1
		for k, v := range d.Out {
			if v.Buf == metal.Buffer(from) {
				out = k
			}
			if v.Buf == metal.Buffer(to) {
				return false
			}
		}
		first := out >= 0 && !started
		started = started || out >= 0
		for j, v := range d.In {
			if !started || v.Buf != metal.Buffer(to) {
				continue
			}
			inPlace := first && out < len(d.InPlace) && d.InPlace[out]>>j&1 == 1 && v.Off == 0 && v.Len == to.size && d.Out[out].Len == to.size
			if !inPlace {
				return false
			}
		}
	}
	return started
}

func renameSlot(views []metal.View, from, to *slot) {
	for i, v := range views {
		if v.Buf == metal.Buffer(from) {
			views[i].Buf = to
		}
	}
}

// Launches is the number of dispatches.
func (p *Plan) Launches() int { return len(p.list) }

// FLOPs is the useful arithmetic of the plan.
func (p *Plan) FLOPs() int64 { return p.FLOPsOf("") }

// FLOPsOf is the part of FLOPs that kernels do whose names begin with stem.
func (p *Plan) FLOPsOf(stem string) int64 {
	var n int64
	for i := range p.list {
		if strings.HasPrefix(p.list[i].Kernel, stem) {
			n += p.list[i].FLOPs
		}
	}
	return n
}

// Traffic is the number of bytes that the dispatches read and write at least.
func (p *Plan) Traffic() int64 {
	var n int64
	for i := range p.list {
		n += p.list[i].Traffic()
	}
	return n
}

// launchTime is what a dispatch costs whatever it does.
const launchTime = 4 * time.Microsecond

// Time estimates a run of the plan on a device that computes flops per second
// and moves bandwidth bytes per second: each dispatch takes the longer of the
// two.
func (p *Plan) Time(flops, bandwidth float64) time.Duration {
	var seconds float64
	for i := range p.list {
		d := &p.list[i]
		seconds += max(float64(d.FLOPs)/flops, float64(d.Traffic())/bandwidth)
	}
	return time.Duration(seconds*1e9) + time.Duration(len(p.list))*launchTime
}

// KeptBytes is the device memory that a binding of the plan takes besides its
// arena: constants and the outputs that do not replace an argument, in blocks of
// the pool.
func (p *Plan) KeptBytes() int64 {
	var n int64
	if p.consts > 0 {
		n += metal.BlockSize(p.consts)
	}
	for _, s := range p.slots {
		if s.output > 0 {
			n += metal.BlockSize(s.size)
		}
	}
	return n
}

// String is the plan as stable text: one line per dispatch with its kernel,
// grid, and the slots it reads and writes.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "arena %d bytes, constants %d bytes, %d dispatches\n", p.ArenaBytes, p.consts, len(p.list))
	for i := range p.list {
		d := &p.list[i]
		fmt.Fprintf(&b, "%3d %-28s grid %s group %s  %s <- %s  ; %s\n", i, d.Kernel, sizeString(d.Grid), sizeString(d.Group),
			viewsString(d.Out), viewsString(d.In), p.labels[i])
	}
	return b.String()
}

func sizeString(s metal.Size) string { return fmt.Sprintf("%dx%dx%d", s.X, s.Y, s.Z) }

func viewsString(views []metal.View) string {
	parts := make([]string, len(views))
	for i, v := range views {
		parts[i] = slotString(v)
	}
	return strings.Join(parts, " ")
}

// slotString names where a view lies: aN argument, oN output, c constant, w
// other data, @ an arena offset.
func slotString(v metal.View) string {
	s := v.Buf.(*slot).root()
	where := ""
	switch {
	case s.input > 0:
		where = fmt.Sprintf("a%d+%d", s.input-1, v.Off)
	case s.output > 0:
		where = fmt.Sprintf("o%d+%d", s.output-1, v.Off)
	case s.constant != nil:
		where = fmt.Sprintf("c%d", s.off+v.Off)
	case s.storage != nil:
		where = fmt.Sprintf("w+%d", v.Off)
	default:
		where = fmt.Sprintf("@%d", s.off+v.Off)
	}
	return fmt.Sprintf("%s:%d", where, v.Len)
}
