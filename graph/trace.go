package graph

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// typed is what is known of an array before it has a value.
type typed struct {
	dtype metal.DType
	shape []int
}

func typeOf(a *Array) typed { return typed{a.dtype, a.shape} }

func (t typed) String() string { return fmt.Sprintf("%s%v", t.dtype, t.shape) }

func (t typed) equal(u typed) bool { return t.dtype == u.dtype && slices.Equal(t.shape, u.shape) }

func (t typed) array() *Array { return &Array{shape: t.shape, dtype: t.dtype} }

// recording is a function's graph for arguments of given types. Values are numbered:
// the arguments, then the constants, then the outputs of the steps in order.
type recording struct {
	args   []typed
	consts []*Array
	steps  []step
	outs   []int
}

// step is one application of an op.
type step struct {
	op  Op
	in  []int
	out []typed
}

// numbering is what numbers the values of a trace while it is made.
type numbering struct {
	trace  recording
	number map[*Array]int
	consts map[*data]int
	seen   map[*node]bool
	nodes  []*node
}

// traceOf runs fn on arrays that have the types of args and no values. Constants
// are evaluated.
func traceOf(ctx context.Context, op string, fn func([]*Array) []*Array, args []*Array) (*recording, error) {
	n := &numbering{number: map[*Array]int{}, consts: map[*data]int{}, seen: map[*node]bool{}}
	places := make([]*Array, len(args))
	for i, a := range args {
		places[i] = typeOf(a).array()
		n.number[places[i]] = i
		n.trace.args = append(n.trace.args, typeOf(a))
	}
	outs := outputsOf(op, fn, places)
	for _, o := range outs {
		n.collect(op, o)
	}
	for i, c := range n.trace.consts {
		if err := Eval(ctx, c); err != nil {
			return nil, err
		}
		n.number[c] = len(args) + i
	}
	slices.SortFunc(n.nodes, func(a, b *node) int { return cmp.Compare(a.id, b.id) })
	next := len(args) + len(n.trace.consts)
	for _, d := range n.nodes {
		s := step{op: d.op}
		for _, x := range d.in {
			s.in = append(s.in, n.value(x))
		}
		for _, o := range d.out {
			n.number[o] = next
			next++
			s.out = append(s.out, typeOf(o))
		}
		n.trace.steps = append(n.trace.steps, s)
	}
	for _, o := range outs {
		n.trace.outs = append(n.trace.outs, n.value(o))
	}
	return &n.trace, nil
}

// original looks through ops that only mark their input: what they change about
// gradients is not part of a trace.
func original(a *Array) *Array {
	for a.data == nil && a.node != nil {
		switch op := a.node.op.(type) {
		case tracer:
			a = a.node.in[0]
		case checkpointed:
			a = a.node.in[op.inputs+a.index]
		case customized:
			a = a.node.in[op.inputs+a.index]
		default:
			return a
		}
	}
	return a
}

// value is the number of a.
func (n *numbering) value(a *Array) int {
	a = original(a)
	if a.data != nil {
		if k, ok := n.consts[a.data]; ok && typeOf(n.trace.consts[k]).equal(typeOf(a)) {
			return len(n.trace.args) + k
		}
	}
	return n.number[a]
}

// collect finds the nodes and the constants behind a.
func (n *numbering) collect(op string, a *Array) {
	stack := []*Array{a}
	for len(stack) > 0 {
		a := original(stack[len(stack)-1])
		stack = stack[:len(stack)-1]
		if _, known := n.number[a]; known {
			continue
		}
		switch {
		case a.data != nil:
			if k, ok := n.consts[a.data]; ok && typeOf(n.trace.consts[k]).equal(typeOf(a)) {
				continue
			}
			n.consts[a.data] = len(n.trace.consts)
			n.number[a] = -1
			n.trace.consts = append(n.trace.consts, a)
		case a.node == nil:
			fail(op, "the function uses %v, a placeholder of another function", a)
		case !n.seen[a.node]:
			n.seen[a.node] = true
			n.nodes = append(n.nodes, a.node)
			stack = append(stack, a.node.in...)
		}
	}
}

// apply computes the trace for other arguments of the same types, with every op
// checked as when a program calls it.
func (t *recording) apply(args []*Array) []*Array {
	values := slices.Concat(args, t.consts)
	for _, s := range t.steps {
		r := &redone{out: s.out}
		for _, i := range s.in {
			r.in = append(r.in, values[i])
		}
		values = append(values, r.redo(s.op)...)
	}
	outs := make([]*Array, len(t.outs))
	for i, v := range t.outs {
		outs[i] = values[v]
	}
	return outs
}

// redone is one op that is applied again.
type redone struct {
	in  []*Array
	out []typed // what has to come out
}

// rule says how to apply an op of one type to operands that nothing is known of:
// by the functions that programs call, or after the same checks.
type rule struct {
	name string
	of   reflect.Type
	redo func(op Op, r *redone) []*Array
}

var (
	rulesByType = map[reflect.Type]*rule{}
	rulesByName = map[string]*rule{}
)

// redoable enters the rule of an op.
func redoable[T Op](name string, redo func(op T, r *redone) []*Array) {
	of := reflect.TypeFor[T]()
	n := &rule{name, of, func(op Op, r *redone) []*Array { return redo(op.(T), r) }}
	rulesByType[of], rulesByName[name] = n, n
}

// redo applies op and holds the outputs against what was recorded.
func (r *redone) redo(op Op) []*Array {
	rule := rulesByType[reflect.TypeOf(op)]
	outs := rule.redo(op, r)
	r.want(len(outs) == len(r.out), rule.name, "%d outputs, recorded are %d", len(outs), len(r.out))
	for i, o := range outs {
		r.want(typeOf(o).equal(r.out[i]), rule.name, "output %d is %v, recorded is %v", i, o, r.out[i])
	}
	return outs
}

// want panics with an *Error unless ok: the trace is damaged.
func (r *redone) want(ok bool, op, format string, args ...any) {
	check(ok, op, "the recorded function is damaged: "+format, args...)
}

// count panics unless there are that many operands.
func (r *redone) count(op string, least, most int) {
	r.want(len(r.in) >= least && len(r.in) <= most, op, "%d operands", len(r.in))
}

// operand is input i, nil where there are fewer.
func (r *redone) operand(i int) *Array {
	if i < len(r.in) {
		return r.in[i]
	}
	return nil
}

// alike applies op to n operands of one type, floats with an axis or more; the
// output is like them.
func (r *redone) alike(op Op, name string, n int) []*Array {
	r.count(name, n, n)
	t := typeOf(r.in[0])
	r.want(len(t.shape) > 0 && t.dtype.IsFloat(), name, "operand is %v", r.in[0])
	for _, a := range r.in {
		r.want(typeOf(a).equal(t), name, "operands are %v and %v", r.in[0], a)
	}
	return []*Array{apply1(op, t.shape, t.dtype, r.in...)}
}
