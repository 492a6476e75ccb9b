package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"pgregory.net/rapid"
)

// step is one op of a random program, with attributes: on arrays, and on the
// float64 reference.
type step struct {
	name  string
	in    []int // numbers of values
	build func(in []*graph.Array) *graph.Array
	wide  func(in []wide) wide
	exact bool // moves, selects or compares: nothing is rounded
	loose float64
}

// program is a random graph: inputs, and steps whose operands are inputs or
// results of earlier steps.
type program struct {
	inputs []*graph.Array
	data   []wide // values of the inputs
	steps  []step
	dtypes []metal.DType // of inputs and steps
	values []wide        // of inputs and steps, by the reference
	outs   []int
}

func (p *program) String() string {
	var b strings.Builder
	for i, a := range p.inputs {
		fmt.Fprintf(&b, "v%d = input %v\n", i, a)
	}
	for i, s := range p.steps {
		k := len(p.inputs) + i
		fmt.Fprintf(&b, "v%d = %s%v  // %s%v\n", k, s.name, s.in, p.dtypes[k], p.values[k].shape)
	}
	fmt.Fprintf(&b, "outputs %v", p.outs)
	return b.String()
}

// run applies the program to inputs like its own.
func (p *program) run(inputs []*graph.Array) []*graph.Array {
	values := slices.Clone(inputs)
	for _, s := range p.steps {
		in := make([]*graph.Array, len(s.in))
		for i, k := range s.in {
			in[i] = values[k]
		}
		values = append(values, s.build(in))
	}
	outs := make([]*graph.Array, len(p.outs))
	for i, k := range p.outs {
		outs[i] = values[k]
	}
	return outs
}

// all is the value of every input and step in float64, with random roundings if
// n is not nil.
func (p *program) all(inputs []wide, n *noise) []wide {
	values := slices.Clone(inputs)
	for i, s := range p.steps {
		values = append(values, s.reference(values, p.dtypes[len(p.inputs)+i], n))
	}
	return values
}

// bounded reports whether every value for inputs is in the range that drawn
// programs are kept to.
func (p *program) bounded(inputs []wide) bool {
	for i, w := range p.all(inputs, nil) {
		lo, hi := bounds(p.dtypes[i])
		if slices.ContainsFunc(w.v, func(v float64) bool { return !(v >= lo && v <= hi) }) {
			return false
		}
	}
	return true
}

// reference is the program's outputs among all.
func (p *program) reference(inputs []wide, n *noise) []wide {
	values := p.all(inputs, n)
	outs := make([]wide, len(p.outs))
	for i, k := range p.outs {
		outs[i] = values[k]
	}
	return outs
}

func (s *step) reference(values []wide, dt metal.DType, n *noise) wide {
	in := make([]wide, len(s.in))
	for i, k := range s.in {
		in[i] = values[k]
		if !s.exact {
			in[i] = n.of(in[i], metal.Float32, 1)
		}
	}
	out := s.wide(in)
	if s.exact {
		return out
	}
	return n.of(out, dt, max(s.loose, 4))
}

// slack is how far rounding moves each output: the largest difference from want
// among runs with random roundings.
func (p *program) slack(inputs, want []wide) []wide {
	slack := make([]wide, len(want))
	for i, w := range want {
		slack[i] = newWide(w.shape)
	}
	for seed := range uint64(20) {
		got := p.reference(inputs, &noise{rand.New(rand.NewPCG(seed, 5))})
		for i, g := range got {
			for k, v := range g.v {
				slack[i].v[k] = max(slack[i].v[k], math.Abs(v-want[i].v[k]))
			}
		}
	}
	return slack
}

// kindOf is what programs are made of.
type kindOf struct {
	steps  int  // at most
	smooth bool // float32, and differentiable where it is
}

// maker draws a program.
type maker struct {
	*program
	t     *rapid.T
	kind  kindOf
	built []*graph.Array
}

func drawProgram(t *rapid.T, kind kindOf) *program {
	m := &maker{program: &program{}, t: t, kind: kind}
	base := rapid.SliceOfN(rapid.SampledFrom([]int{2, 3, 1, 4, 5, 0}), 1, 4).Draw(t, "shape")
	if product(base) == 0 && m.below(4, "keep empty") > 0 {
		base = []int{2, 3}
	}
	for range 1 + m.below(3, "inputs") {
		m.input(base)
	}
	for range kind.steps/2 + m.below(kind.steps/2+1, "steps") {
		m.step()
	}
	used := map[int]bool{}
	for _, s := range m.steps {
		for _, k := range s.in {
			used[k] = true
		}
	}
	for k := len(m.inputs); k < len(m.values); k++ {
		if !used[k] || m.below(8, "output") == 0 {
			m.outs = append(m.outs, k)
		}
	}
	if len(m.outs) == 0 {
		m.outs = []int{0}
	}
	return m.program
}

func (m *maker) below(n int, label string) int { return rapid.IntRange(0, n-1).Draw(m.t, label) }
func (m *maker) flip(label string) bool        { return m.below(2, label) == 1 }

// input adds an input that broadcasts to base.
func (m *maker) input(base []int) {
	shape := slices.Clone(base[m.below(len(base)+1, "dropped axes"):])
	for i := range shape {
		if m.below(4, "axis of 1") == 0 {
			shape[i] = 1
		}
	}
	if len(m.inputs) == 0 {
		shape = slices.Clone(base)
	}
	dt := metal.Float32
	if !m.kind.smooth {
		dt = rapid.SampledFrom([]metal.DType{metal.Float32, metal.Float32, metal.Float32, metal.Float16, metal.BFloat16, metal.Int32, metal.Uint8, metal.Int64, metal.Bool, metal.Int8, metal.Uint16, metal.Int16, metal.Uint32, metal.Uint64, metal.Float64}).Draw(m.t, "dtype")
	}
	a, w := values(dt, shape, rapid.Uint64Range(0, 1<<20).Draw(m.t, "seed"))
	m.inputs, m.data = append(m.inputs, a), append(m.data, w)
	m.add(a, w)
}

// values is small random values of dt, and the reference's copy.
func values(dt metal.DType, shape []int, seed uint64) (*graph.Array, wide) {
	rng := rand.New(rand.NewPCG(seed, 3))
	v := make([]float32, product(shape))
	for i := range v {
		switch {
		case dt == metal.Bool:
			v[i] = float32(rng.IntN(2))
		case dt.IsUnsigned():
			v[i] = float32(rng.IntN(7))
		case dt.IsInteger():
			v[i] = float32(rng.IntN(13) - 6)
		default:
			v[i] = float32(4*rng.Float64() - 2)
		}
	}
	a := copies([]*graph.Array{graph.AsType(graph.FromSlice(v, append([]int{}, shape...)...), dt)})[0]
	f, err := graph.Floats(ctxBackground, a)
	if err != nil {
		panic(err)
	}
	return a, wide{slices.Clone(shape), f}
}

func (m *maker) add(a *graph.Array, w wide) {
	m.built, m.values, m.dtypes = append(m.built, a), append(m.values, w), append(m.dtypes, a.DType())
}

// step adds a step if one of the ops that are tried takes some operand.
func (m *maker) step() {
	for range 4 {
		op := rapid.SampledFrom(propOps).Draw(m.t, "op")
		if m.kind.smooth && !op.smooth {
			continue
		}
		k := len(m.values) - 1 - m.below(min(len(m.values), 4), "operand")
		s, ok := op.draw(m, k)
		if ok && m.admit(s) {
			return
		}
	}
}

// admit adds s unless its values are out of bounds.
func (m *maker) admit(s step) bool {
	in := make([]*graph.Array, len(s.in))
	for i, k := range s.in {
		in[i] = m.built[k]
	}
	a := s.build(in)
	w := s.reference(m.values, a.DType(), nil)
	if !slices.Equal(a.Shape(), w.shape) {
		m.t.Fatalf("%s%v of %v has shape %v, the reference %v", s.name, s.in, in, a.Shape(), w.shape)
	}
	lo, hi := bounds(a.DType())
	for _, v := range w.v {
		if !(v >= lo && v <= hi) {
			return false
		}
	}
	m.steps = append(m.steps, s)
	m.add(a, w)
	return true
}

// bounds is what values of dt are kept to.
func bounds(dt metal.DType) (lo, hi float64) {
	switch {
	case dt == metal.Bool:
		return 0, 1
	case dt.IsUnsigned():
		return 0, 200
	case dt.IsInteger():
		return -100, 100
	}
	return -1000, 1000
}
