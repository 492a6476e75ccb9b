package graph

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/ftmetal/ftmetal/metal"
)

// stopGradient passes its input on and lets no cotangent through.
type stopGradient struct{ identity }

// StopGradient is a that gradients do not flow through. Mirrors
// mx.stop_gradient.
func StopGradient(a *Array) *Array {
	present("StopGradient", a)
	return apply1(stopGradient{}, a.shape, a.dtype, a)
}

func (stopGradient) String() string             { return "StopGradient" }
func (stopGradient) VJP(c *Cotangents) []*Array { return []*Array{nil} }

// tracing counts the transforms under way: while one is, evaluated arrays keep
// their history, so that evaluating inside a function does not cut its gradient.
var tracing atomic.Int64

// tracer marks a primal of a transform: a new array over the same value, so
// that gradients with respect to it are told from other uses of the value.
// wide asks for its gradient in float32 whatever its dtype.
type tracer struct {
	identity
	wide bool
}

func trace(a *Array, wide bool) *Array    { return apply1(tracer{wide: wide}, a.shape, a.dtype, a) }
func (tracer) String() string             { return "Tracer" }
func (tracer) VJP(c *Cotangents) []*Array { return []*Array{c.Cot[0]} }

// VJP runs fn on primals and pulls the cotangents back: one gradient per
// primal, zeros where the outputs do not depend on it. A nil cotangent stands
// for zeros. Mirrors mx.vjp.
func VJP(fn func([]*Array) []*Array, primals, cotangents []*Array) (outputs, grads []*Array) {
	return vjp(fn, primals, cotangents, make([]bool, len(primals)))
}

func vjp(fn func([]*Array) []*Array, primals, cotangents []*Array, wide []bool) (outputs, grads []*Array) {
	tracing.Add(1)
	defer tracing.Add(-1)
	present("VJP", primals...)
	traced := make([]*Array, len(primals))
	for i, p := range primals {
		traced[i] = trace(p, wide[i])
	}
	outputs = outputsOf("VJP", fn, traced)
	check(len(outputs) == len(cotangents), "VJP", "%d cotangents for %d outputs", len(cotangents), len(outputs))
	return outputs, pullBack(outputs, cotangents, traced)
}

// outputsOf is what the caller's function returns, which must be arrays.
func outputsOf(op string, fn func([]*Array) []*Array, args []*Array) []*Array {
	outs := fn(args)
	for i, o := range outs {
		check(o != nil, op, "output %d of the function is nil", i)
	}
	return outs
}

// ValueAndGrad returns a function that computes fn's outputs and the gradients
// of the first, a scalar, with respect to every argument. Mirrors
// mx.value_and_grad.
func ValueAndGrad(fn func([]*Array) []*Array) func([]*Array) (outputs, grads []*Array) {
	return valueAndGrad(fn, false)
}

// ValueAndGradFloat32 is ValueAndGrad with gradients in float32 whatever the
// arguments' dtypes: sums of products are not rounded to 16 bits on the way.
// Training with float32 masters of 16-bit parameters uses it.
func ValueAndGradFloat32(fn func([]*Array) []*Array) func([]*Array) (outputs, grads []*Array) {
	return valueAndGrad(fn, true)
}

func valueAndGrad(fn func([]*Array) []*Array, wide bool) func([]*Array) (outputs, grads []*Array) {
	return func(args []*Array) ([]*Array, []*Array) {
		tracing.Add(1)
		defer tracing.Add(-1)
		present("ValueAndGrad", args...)
		traced := make([]*Array, len(args))
		for i, a := range args {
			check(hasGradient(a.dtype), "ValueAndGrad", "argument %d is %s: only floating-point and complex arrays have gradients", i, a)
			traced[i] = trace(a, wide)
		}
		outputs := outputsOf("ValueAndGrad", fn, traced)
		check(len(outputs) > 0 && outputs[0].Size() == 1, "ValueAndGrad", "the function returned %v; its first output must be a scalar", outputs)
		cots := make([]*Array, len(outputs))
		cots[0] = Ones(outputs[0].shape, outputs[0].dtype)
		return outputs, pullBack(outputs, cots, traced)
	}
}

// Grad is ValueAndGrad's gradients for a function with one output. Mirrors
// mx.grad.
func Grad(fn func([]*Array) *Array) func([]*Array) []*Array {
	vg := ValueAndGrad(func(in []*Array) []*Array { return []*Array{fn(in)} })
	return func(args []*Array) []*Array {
		_, grads := vg(args)
		return grads
	}
}

// pullBack walks the nodes between primals and outputs backwards, in reverse
// creation order, and accumulates cotangents.
func pullBack(outputs, cotangents, primals []*Array) []*Array {
	between := dependents(outputs, primals)
	cots := map[*Array]*Array{}
	// Last output first, as nodes that use the outputs in turn hand theirs back:
	// an array that is several outputs gets the same sum through a checkpoint.
	for i := len(outputs) - 1; i >= 0; i-- {
		o := outputs[i]
		if cotangents[i] == nil {
			continue
		}
		check(slices.Equal(cotangents[i].shape, o.shape), "VJP", "cotangent %d has shape %v, its output %v", i, cotangents[i].shape, o.shape)
		accumulate(cots, o, AsType(cotangents[i], o.dtype))
	}
	isPrimal := map[*Array]bool{}
	for _, p := range primals {
		isPrimal[p] = true
	}
	for _, n := range between {
		pullBackNode(n, cots, isPrimal, between)
	}
	grads := make([]*Array, len(primals))
	for i, p := range primals {
		if grads[i] = cots[p]; grads[i] == nil {
			grads[i] = Zeros(p.shape, gradDType(p))
		}
	}
	return grads
}

// pullBackNode hands n's cotangents to its inputs.
func pullBackNode(n *node, cots map[*Array]*Array, isPrimal map[*Array]bool, between []*node) {
	c := &Cotangents{In: n.in, Out: n.out, Cot: make([]*Array, len(n.out)), Want: make([]bool, len(n.in))}
	any := false
	for i, o := range n.out {
		if isPrimal[o] {
			return // the tracer itself: its cotangent is the result
		}
		if g := cots[o]; g != nil {
			c.Cot[i], any = g, true
			delete(cots, o)
		}
	}
	if !any {
		return
	}
	for i, x := range n.in {
		c.Want[i] = x.node != nil && hasGradient(x.dtype) && contains(between, x.node)
	}
	if !slices.Contains(c.Want, true) {
		return
	}
	for i, g := range n.op.VJP(c) {
		if g == nil || !c.Want[i] {
			continue
		}
		x := n.in[i]
		check(slices.Equal(g.shape, x.shape), "VJP", "%s returned a cotangent of shape %v for input %d of shape %v", n.op, g.shape, i, x.shape)
		accumulate(cots, x, widened(g, gradDType(x)))
	}
}

// gradDType is the dtype of a's cotangent: a's own, or float32 for a primal
// that asks for it.
func gradDType(a *Array) metal.DType {
	if a.node != nil {
		if t, ok := a.node.op.(tracer); ok && t.wide && a.dtype.Size() < 8 {
			return metal.Float32
		}
	}
	return a.dtype
}

func accumulate(cots map[*Array]*Array, a, g *Array) {
	if old := cots[a]; old != nil {
		g = Add(old, g)
	}
	cots[a] = g
}

// contains finds n in nodes, which are sorted by descending id.
func contains(nodes []*node, n *node) bool {
	_, ok := slices.BinarySearchFunc(nodes, n, func(x, y *node) int { return cmp.Compare(y.id, x.id) })
	return ok
}

// dependents returns the nodes that lie on a path from a primal to an output,
// newest first.
func dependents(outputs, primals []*Array) []*node {
	oldest := int64(1) << 62
	depends := map[*node]bool{}
	for _, p := range primals {
		depends[p.node] = true
		oldest = min(oldest, p.node.id)
	}
	reach := ancestors(outputs, func(a *Array) bool { return a.node.id >= oldest })
	var found []*node
	for _, n := range reach { // oldest first
		dep := depends[n]
		if _, stop := n.op.(stopGradient); !stop {
			for _, x := range n.in {
				dep = dep || (x.node != nil && depends[x.node])
			}
		}
		if dep {
			depends[n] = true
			found = append(found, n)
		}
	}
	slices.Reverse(found)
	return found
}

// ancestors lists the nodes behind outputs, in creation order, going through
// the arrays that through admits.
func ancestors(outputs []*Array, through func(*Array) bool) []*node {
	seen := map[*node]bool{}
	var stack, found []*node
	push := func(a *Array) {
		if n := a.node; n != nil && !seen[n] && through(a) {
			seen[n] = true
			stack = append(stack, n)
		}
	}
	for _, o := range outputs {
		push(o)
	}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		found = append(found, n)
		for _, x := range n.in {
			push(x)
		}
	}
	slices.SortFunc(found, func(x, y *node) int { return cmp.Compare(x.id, y.id) })
	return found
}

// checkpointed stands for the outputs of a function whose intermediate values
// are dropped: its VJP runs the function again.
type checkpointed struct {
	fn     func([]*Array) []*Array
	inputs int // inputs of fn; fn's outputs follow as inputs of the node
}

// Checkpoint returns a function with fn's outputs that keeps none of fn's
// intermediate values for the backward pass, but computes them again there.
// Arrays that fn captures count as constants: pass what needs a gradient as an
// argument. Mirrors mx.checkpoint.
func Checkpoint(fn func([]*Array) []*Array) func([]*Array) []*Array {
	return func(args []*Array) []*Array {
		present("Checkpoint", args...)
		return functionOutputs(checkpointed{fn, len(args)}, args, outputsOf("Checkpoint", fn, args))
	}
}

func (checkpointed) String() string { return "Checkpoint" }

// VJP traces fn anew. The new nodes are younger than the incoming cotangents,
// so they run after them: the recomputation happens when it is needed.
func (op checkpointed) VJP(c *Cotangents) []*Array {
	var at []int
	primals := []*Array{}
	for i := range op.inputs {
		if c.Want[i] {
			at, primals = append(at, i), append(primals, c.In[i])
		}
	}
	run := func(traced []*Array) []*Array {
		args := slices.Clone(c.In[:op.inputs])
		for k, i := range at {
			args[i] = traced[k]
		}
		return op.fn(args)
	}
	wide := make([]bool, len(primals))
	for k, p := range primals {
		wide[k] = gradDType(p) != p.dtype
	}
	_, g := vjp(run, primals, c.Cot, wide)
	grads := make([]*Array, len(c.In))
	for k, i := range at {
		grads[i] = g[k]
	}
	return grads
}

// zerosOr returns g, or zeros like a where nothing flows back.
func zerosOr(g, a *Array) *Array {
	if g == nil {
		return ZerosLike(a)
	}
	return g
}

// asFloat32 widens g for statistics.
func asFloat32(g *Array) *Array { return AsType(g, metal.Float32) }
