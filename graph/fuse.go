package graph

import (
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// fusion is a tree of elementwise nodes that one chain kernel computes: every
// node but the root is used once, by another node of the tree.
type fusion struct {
	root  *node
	nodes []*node  // in creation order; the root is last
	in    []*Array // leaves, in order of first use
}

// chained is an elementwise op that the chain kernel knows. The name is the
// kernel's; all values are float32 registers, rounded to the node's dtype.
func chained(n *node) (name string, ok bool) {
	out := n.out[0]
	if out.Size() == 0 {
		return "", false
	}
	switch op := n.op.(type) {
	case unary:
		name, ok = string(op.op), chainFloat(out.dtype) && chainFloat(n.in[0].dtype) && kernels.Chainable(string(op.op))
	case binary:
		name, ok = string(op.op), chainFloat(out.dtype) && chainFloat(n.in[0].dtype) && kernels.Chainable(string(op.op))
	case asType:
		name, ok = kernels.ChainCast, chainFloat(out.dtype) && chainFloat(n.in[0].dtype)
	}
	return name, ok
}

func chainFloat(d metal.DType) bool {
	return d == metal.Float32 || d == metal.Float16 || d == metal.BFloat16
}

// findFusions groups elementwise nodes, newest first: a root takes in the
// producers that only it (or its tree) uses. uses counts the readers of each
// array.
func findFusions(nodes []*node, uses map[*Array]int) map[*node]*fusion {
	fused := map[*node]*fusion{}
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		if _, ok := chained(n); !ok || fused[n] != nil {
			continue
		}
		f := &fusion{root: n}
		f.grow(n, uses, fused)
		if len(f.nodes) < 2 {
			continue
		}
		for _, m := range f.nodes {
			fused[m] = f
		}
	}
	return fused
}

// grow adds n and, depth first, those of its producers that can join.
func (f *fusion) grow(n *node, uses map[*Array]int, fused map[*node]*fusion) {
	f.nodes = append(f.nodes, n)
	for _, x := range n.in {
		if f.admits(x, uses, fused) {
			f.grow(x.node, uses, fused)
		}
	}
	if n != f.root {
		return
	}
	slices.SortFunc(f.nodes, func(a, b *node) int { return int(a.id - b.id) })
	inside := map[*Array]bool{}
	for _, m := range f.nodes {
		inside[m.out[0]] = true
	}
	for _, m := range f.nodes {
		for _, x := range m.in {
			if !inside[x] && !slices.Contains(f.in, x) {
				f.in = append(f.in, x)
			}
		}
	}
}

// admits reports whether the producer of x can join: nobody else reads x, and
// the kernel's limits hold even if all of its inputs are new.
func (f *fusion) admits(x *Array, uses map[*Array]int, fused map[*node]*fusion) bool {
	n := x.node
	if n == nil || x.data != nil || uses[x] != 1 || fused[n] != nil || slices.Contains(f.nodes, n) || !slices.Equal(x.shape, f.root.out[0].shape) {
		return false
	}
	if _, ok := chained(n); !ok {
		return false
	}
	leaves := 0
	for _, m := range append([]*node{n}, f.nodes...) {
		leaves += len(m.in)
	}
	// Each node but the root feeds one input of another.
	return len(f.nodes)+1 <= kernels.ChainSteps && leaves-len(f.nodes) <= kernels.ChainInputs
}

// lowerFusion emits the chain. Operands that the kernel cannot step through are
// copied first.
func (l *Lowering) lowerFusion(f *fusion) {
	out := f.root.out[0]
	ins := make([]kernels.Tensor, len(f.in))
	register := map[*Array]int{}
	for i, x := range f.in {
		t := l.value(x)
		if !kernels.ChainOperand(t, out.shape) {
			t = l.Contiguous(t)
		}
		ins[i], register[x] = t, i
	}
	steps := make([]kernels.ChainStep, len(f.nodes))
	for i, n := range f.nodes {
		name, _ := chained(n)
		s := kernels.ChainStep{Op: name, A: uint8(register[n.in[0]]), Round: n.out[0].dtype}
		if len(n.in) > 1 {
			s.B = uint8(register[n.in[1]])
		}
		steps[i] = s
		register[n.out[0]] = len(ins) + i
	}
	t, ok := l.placed[out]
	if !ok {
		t = l.allocate(out)
	}
	l.label = "Chain"
	kernels.Chain(l, steps, ins, t)
	l.values[out] = t
}
