package graph

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
)

// NotMapped, in place of an axis, leaves an argument or a result of VMap as it
// is: None in MLX.
const NotMapped = math.MinInt

// mappedOp is an op with a rule for VMap. Without it, or where VMap returns nil,
// the op is applied to every slice, and the results are stacked.
type mappedOp interface {
	// VMap applies the op to all slices at once. It returns the outputs with
	// the mapped axis first, or nil.
	VMap(b *Batch) []*Array
}

// Batch is what an op's VMap sees: N applications of the op.
type Batch struct {
	N      int
	In     []*Array // with the mapped axis first where Mapped
	Mapped []bool   // per input; at least one is
	Out    []*Array // the outputs of one application: shapes and dtypes
}

// VMap returns fn applied to every slice of its arguments along inAxes, with
// the results stacked along outAxes. A negative axis counts from the end, and
// NotMapped passes an argument to all slices; no axes at all stand for axis 0
// everywhere. fn is traced once, on arrays that have a shape and no value. Ops
// without a rule for it cost a dispatch per slice. Mirrors mx.vmap.
func VMap(fn func([]*Array) []*Array, inAxes, outAxes []int) func([]*Array) []*Array {
	return func(args []*Array) []*Array {
		axes := inAxes
		if axes == nil {
			axes = make([]int, len(args))
		}
		present("VMap", args...)
		check(len(axes) == len(args), "VMap", "%d axes for %d arguments", len(axes), len(args))
		m := newMapping(args, axes)
		traced := make([]*Array, len(args))
		for i, a := range args {
			traced[i] = a
			if axes[i] != NotMapped {
				moved := MoveAxis(a, axes[i], 0)
				traced[i] = apply1(mapSlot{}, moved.shape[1:], a.dtype)
				m.mapped[traced[i]] = moved
				m.oldest = min(m.oldest, traced[i].node.id)
			}
		}
		outs := outputsOf("VMap", fn, traced)
		m.replay(outs)
		to := outAxes
		if to == nil {
			to = make([]int, len(outs))
		}
		check(len(to) == len(outs), "VMap", "%d axes for %d outputs", len(to), len(outs))
		results := make([]*Array, len(outs))
		for i, o := range outs {
			results[i] = m.result(i, o, to[i])
		}
		return results
	}
}

// mapSlot stands for one slice of a mapped argument: it has no value.
type mapSlot struct{ noGradient }

func (mapSlot) String() string { return "VMap's argument" }

func (mapSlot) Lower(l *Lowering, in, out []kernels.Tensor) {
	fail("VMap", "an argument has no value inside the mapped function, and cannot be evaluated there")
}

// mapping carries the slots of one VMap to the arrays that hold all slices.
type mapping struct {
	n      int
	oldest int64
	mapped map[*Array]*Array // with the mapped axis first
}

func newMapping(args []*Array, axes []int) *mapping {
	m := &mapping{n: -1, oldest: math.MaxInt64, mapped: map[*Array]*Array{}}
	for i, a := range args {
		if axes[i] == NotMapped {
			continue
		}
		d := a.shape[normAxis("VMap", axes[i], len(a.shape))]
		check(m.n < 0 || d == m.n, "VMap", "argument %d of shape %v has %d slices along axis %d, others have %d", i, a.shape, d, axes[i], m.n)
		m.n = d
	}
	check(m.n >= 0, "VMap", "no argument is mapped")
	return m
}

// replay applies, in the order of creation, every node that depends on a slot to
// all slices.
func (m *mapping) replay(outs []*Array) {
	for _, n := range ancestors(outs, func(a *Array) bool { return a.node.id >= m.oldest }) {
		b := &Batch{N: m.n, In: slices.Clone(n.in), Mapped: make([]bool, len(n.in)), Out: n.out}
		for i, x := range n.in {
			if a := m.mapped[x]; a != nil {
				b.In[i], b.Mapped[i] = a, true
			}
		}
		if !slices.Contains(b.Mapped, true) {
			continue
		}
		for i, o := range b.apply(n.op) {
			want := b.front(n.out[i].shape)
			check(slices.Equal(o.shape, want), "VMap", "%s gave shape %v, want %v", n.op, o.shape, want)
			m.mapped[n.out[i]] = o
		}
	}
}

// result is output i of the function with the mapped axis in its place.
func (m *mapping) result(i int, o *Array, axis int) *Array {
	a := m.mapped[o]
	if axis == NotMapped {
		check(a == nil, "VMap", "output %d depends on a mapped argument and needs an axis", i)
		return o
	}
	if a == nil {
		a = BroadcastTo(ExpandDims(o, 0), append([]int{m.n}, o.shape...))
	}
	return MoveAxis(a, 0, axis)
}

// apply uses the op's rule, or one application per slice.
func (b *Batch) apply(op Op) []*Array {
	if m, ok := op.(mappedOp); ok {
		if outs := m.VMap(b); outs != nil {
			return outs
		}
	}
	return b.unstacked(op)
}

// unstacked applies op to one slice after the other.
func (b *Batch) unstacked(op Op) []*Array {
	parts := make([][]*Array, len(b.Out))
	for k := range b.N {
		in := slices.Clone(b.In)
		for i, a := range in {
			if b.Mapped[i] {
				in[i] = Squeeze(SliceAxis(a, 0, k, k+1), 0)
			}
		}
		for i, o := range apply(op, in, b.like(nil)...) {
			parts[i] = append(parts[i], o)
		}
	}
	outs := make([]*Array, len(b.Out))
	for i, o := range b.Out {
		if b.N == 0 {
			outs[i] = Zeros(b.front(o.shape), o.dtype)
			continue
		}
		outs[i] = Stack(parts[i], 0)
	}
	return outs
}

// like is new arrays like the outputs of one application, with lead before
// their shapes.
func (b *Batch) like(lead []int) []*Array {
	outs := make([]*Array, len(b.Out))
	for i, o := range b.Out {
		outs[i] = &Array{shape: append(slices.Clone(lead), o.shape...), dtype: o.dtype, weak: o.weak}
	}
	return outs
}

// front is shape with the mapped axis before it.
func (b *Batch) front(shape []int) []int { return append([]int{b.N}, shape...) }

// full is input i with the mapped axis first, repeated if it is not mapped.
func (b *Batch) full(i int) *Array {
	if b.Mapped[i] {
		return b.In[i]
	}
	return BroadcastTo(ExpandDims(b.In[i], 0), b.front(b.In[i].shape))
}

// all applies op, which treats a first axis of all operands as further rows.
func (b *Batch) all(op Op) []*Array { return b.shared(op) }

// shared is all but for the operands at the given places, which are not mapped
// and serve all slices.
func (b *Batch) shared(op Op, at ...int) []*Array {
	in := slices.Clone(b.In)
	for i := range in {
		if !slices.Contains(at, i) {
			in[i] = b.full(i)
		}
	}
	return apply(op, in, b.like([]int{b.N})...)
}

// merged applies op with the slices side by side along the first axis of every
// operand and output, but for the operands at shared: nil if those are mapped.
func (b *Batch) merged(op Op, shared ...int) []*Array {
	in := slices.Clone(b.In)
	for i := range in {
		if slices.Contains(shared, i) {
			if b.Mapped[i] {
				return nil
			}
			continue
		}
		in[i] = mergeFirst(b.full(i))
	}
	return b.split(op, in)
}

// split applies op to operands that hold the slices side by side along the first
// axis, and takes the slices of the outputs apart.
func (b *Batch) split(op Op, in []*Array) []*Array {
	outs := b.like(nil)
	for _, o := range outs {
		o.shape[0] *= b.N
	}
	apart := make([]*Array, len(outs))
	for i, o := range apply(op, in, outs...) {
		apart[i] = Reshape(o, b.front(b.Out[i].shape)...)
	}
	return apart
}

// mergeFirst merges the first two axes.
func mergeFirst(a *Array) *Array {
	return Reshape(a, append([]int{a.shape[0] * a.shape[1]}, a.shape[2:]...)...)
}

// through maps fn, which computes the outputs of one application with other
// ops.
func (b *Batch) through(fn func([]*Array) []*Array) []*Array {
	return VMap(fn, b.axes(), nil)(b.In)
}

// axes says, for VMap, which inputs are mapped.
func (b *Batch) axes() []int {
	axes := make([]int, len(b.In))
	for i, mapped := range b.Mapped {
		if !mapped {
			axes[i] = NotMapped
		}
	}
	return axes
}

// VMap of a checkpoint keeps it one: the mapped function runs again.
func (op checkpointed) VMap(b *Batch) []*Array {
	inner := b.inner(op.inputs)
	return functionOutputs(checkpointed{VMap(op.fn, b.axes()[:op.inputs], nil), op.inputs}, b.In[:op.inputs], inner)
}

// inner is the inputs from first on, which are outputs of a function.
func (b *Batch) inner(first int) []*Array {
	var outs []*Array
	for i := first; i < len(b.In); i++ {
		outs = append(outs, b.full(i))
	}
	return outs
}

// VMap maps the gradient too; that of an argument which is not mapped is summed
// over the slices.
func (op customized) VMap(b *Batch) []*Array {
	n := op.inputs
	args := b.axes()[:n]
	vjp := func(primals, cotangents, outputs []*Array) []*Array {
		given := make([]bool, n)
		flat := func(in []*Array) []*Array {
			var grads []*Array
			for i, g := range op.vjp(in[:n], in[n:n+len(cotangents)], in[n+len(cotangents):]) {
				if given[i] = g != nil; given[i] {
					grads = append(grads, g)
				}
			}
			return grads
		}
		axes := append(slices.Clone(args), make([]int, len(cotangents)+len(outputs))...)
		dense := VMap(flat, axes, nil)(slices.Concat(primals, cotangents, outputs))
		grads := make([]*Array, n)
		for i := range grads {
			if !given[i] {
				continue
			}
			grads[i], dense = dense[0], dense[1:]
			if args[i] == NotMapped {
				grads[i] = Sum(grads[i], []int{0}, false)
			}
		}
		return grads
	}
	mapped := checkpointed{VMap(op.fn, args, nil), n}
	return functionOutputs(customized{mapped, vjp}, b.In[:n], b.inner(n))
}
