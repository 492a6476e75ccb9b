package graph

import "slices"

// forwardOp is an op with a forward derivative of its own. Without it the
// derivative is the transpose of the VJP, which is linear in the cotangents.
type forwardOp interface {
	// JVP is the tangent of one output, nil for zero.
	JVP(t *Tangents) *Array
}

// Tangents is what an op's JVP sees.
type Tangents struct {
	In, Out []*Array
	Output  int // whose tangent is asked for
	tangent func(*Array) *Array
}

// At is the tangent of input i, nil for zero.
func (t *Tangents) At(i int) *Array { return t.tangent(t.In[i]) }

// JVP runs fn on primals and pushes the tangents of the primals forward: one
// tangent per output, zeros where it does not depend on the primals. A nil
// tangent stands for zeros. Mirrors mx.jvp.
func JVP(fn func([]*Array) []*Array, primals, tangents []*Array) (outputs, pushed []*Array) {
	check(len(primals) == len(tangents), "JVP", "%d tangents for %d primals", len(tangents), len(primals))
	present("JVP", primals...)
	tracing.Add(1)
	defer tracing.Add(-1)
	traced, known := make([]*Array, len(primals)), map[*Array]*Array{}
	for i, p := range primals {
		traced[i] = trace(p, false)
		if t := tangents[i]; t != nil {
			check(slices.Equal(t.shape, p.shape), "JVP", "tangent %d has shape %v, its primal %v", i, t.shape, p.shape)
			known[traced[i]] = AsType(t, p.dtype)
		} else {
			known[traced[i]] = nil
		}
	}
	outputs = outputsOf("JVP", fn, traced)
	push := &pusher{known: known, dependent: map[*node]bool{}}
	for _, n := range dependents(outputs, traced) {
		push.dependent[n] = true
	}
	pushed = make([]*Array, len(outputs))
	for i, o := range outputs {
		pushed[i] = zerosOr(push.tangent(o), o)
	}
	return outputs, pushed
}

// pusher holds the tangents that are known so far. A tangent is made when it is
// asked for, so that ops need one only for the inputs that count.
type pusher struct {
	known     map[*Array]*Array // nil for zero
	dependent map[*node]bool
}

func (p *pusher) tangent(a *Array) *Array {
	if t, ok := p.known[a]; ok {
		return t
	}
	var t *Array
	if a.node != nil && hasGradient(a.dtype) && p.dependent[a.node] {
		if op, ok := a.node.op.(forwardOp); ok {
			t = op.JVP(&Tangents{In: a.node.in, Out: a.node.out, Output: a.index, tangent: p.tangent})
		} else {
			t = p.transposed(a)
		}
		if t != nil {
			check(slices.Equal(t.shape, a.shape), "JVP", "%s returned a tangent of shape %v for an output of shape %v", a.node.op, t.shape, a.shape)
			t = AsType(t, a.dtype)
		}
	}
	p.known[a] = t
	return t
}

// transposed is the tangent of a by its op's VJP: the cotangents of the inputs
// are linear in the cotangent of a, whatever its value, and pulling the inputs'
// tangents back through that map applies its transpose.
func (p *pusher) transposed(a *Array) *Array {
	n := a.node
	c := &Cotangents{In: n.in, Out: n.out, Cot: make([]*Array, len(n.out)), Want: make([]bool, len(n.in))}
	for i, x := range n.in {
		_, primal := p.known[x]
		c.Want[i] = hasGradient(x.dtype) && (primal || x.node != nil && p.dependent[x.node])
	}
	if !slices.Contains(c.Want, true) {
		return nil
	}
	cot := trace(ZerosLike(a), false)
	c.Cot[a.index] = cot
	var linear, tangents []*Array
	for i, g := range n.op.VJP(c) {
		if g == nil || !c.Want[i] {
			continue
		}
		if t := p.tangent(n.in[i]); t != nil {
			linear, tangents = append(linear, g), append(tangents, t)
		}
	}
	if len(linear) == 0 {
		return nil
	}
	return pullBack(linear, tangents, []*Array{cot})[0]
}

// JVP joins the tangents as the values are joined.
func (op concatenate) JVP(t *Tangents) *Array {
	parts, zero := make([]*Array, len(t.In)), true
	for i := range t.In {
		parts[i] = t.At(i)
		zero = zero && parts[i] == nil
	}
	if zero {
		return nil
	}
	for i := range parts {
		parts[i] = zerosOr(parts[i], t.In[i])
	}
	return Concatenate(parts, op.axis)
}

// JVP is that of the function, whose outputs are inputs of the node.
func (op checkpointed) JVP(t *Tangents) *Array { return t.At(op.inputs + t.Output) }

// JVP is that of the composed form.
func (crossEntropy) JVP(t *Tangents) *Array { return t.through(crossEntropyComposed) }

// JVP is that of the composed form, which stores the logits.
func (linearCrossEntropy) JVP(t *Tangents) *Array { return t.through(linearCrossEntropyComposed) }

// through pushes the tangents through fn, which computes the outputs with other
// ops.
func (t *Tangents) through(fn func([]*Array) []*Array) *Array {
	tangents := make([]*Array, len(t.In))
	for i := range t.In {
		tangents[i] = t.At(i)
	}
	_, pushed := JVP(fn, t.In, tangents)
	return pushed[t.Output]
}
