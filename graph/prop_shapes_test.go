package graph_test

import (
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"pgregory.net/rapid"
)

// Ops that move elements: nothing is rounded.

// moved is a step whose result has the given shape, with the element at from(at)
// of the operand at coordinates at.
func moved(name string, k int, build func(a *graph.Array) *graph.Array, shape []int, from func(at []int) []int) (step, bool) {
	return exactly(one(name, k, build, func(x wide) wide { return gathered(x, shape, from) }))
}

func drawTranspose(m *maker, k int) (step, bool) {
	shape := m.values[k].shape
	perm := make([]int, len(shape))
	for i := range perm {
		perm[i] = i
	}
	perm = rapid.Permutation(perm).Draw(m.t, "perm")
	return moved("Transpose", k, func(a *graph.Array) *graph.Array { return graph.Transpose(a, perm...) }, permuted(shape, perm), func(at []int) []int {
		from := make([]int, len(at))
		for i, p := range perm {
			from[p] = at[i]
		}
		return from
	})
}

func drawReshape(m *maker, k int) (step, bool) {
	shape := slices.Clone(m.values[k].shape)
	switch {
	case len(shape) >= 2 && m.flip("merge"):
		i := m.below(len(shape)-1, "axis")
		shape = slices.Replace(shape, i, i+2, shape[i]*shape[i+1])
	case len(shape) > 0 && m.flip("divide"):
		i := m.below(len(shape), "axis")
		if shape[i]%2 == 0 {
			shape = slices.Replace(shape, i, i+1, 2, shape[i]/2)
		}
	default:
		shape = slices.Insert(shape, m.below(len(shape)+1, "place"), 1)
	}
	return exactly(one("Reshape", k, func(a *graph.Array) *graph.Array { return graph.Reshape(a, shape...) }, func(x wide) wide { return wide{slices.Clone(shape), x.v} }))
}

func drawSlice(m *maker, k int) (step, bool) {
	ax, ok := m.axis(k, true)
	if !ok {
		return step{}, false
	}
	shape := slices.Clone(m.values[k].shape)
	d := shape[ax]
	start, stride := m.below(d, "start"), 1+m.below(2, "stride")
	count := 1 + m.below((d-1-start)/stride+1, "count")
	stop := start + (count-1)*stride + 1
	if m.flip("backwards") {
		count = 1 + m.below(start/stride+1, "count")
		stop, stride = start-(count-1)*stride-1, -stride
	}
	term := graph.Span(&start, &stop, &stride)
	if stop < 0 {
		term = graph.Span(&start, nil, &stride)
	}
	terms := slices.Repeat([]graph.Term{graph.Span(nil, nil, nil)}, len(shape))
	terms[ax], shape[ax] = term, count
	return moved("Slice", k, func(a *graph.Array) *graph.Array { return graph.GetItem(a, terms...) }, shape, func(at []int) []int {
		at = slices.Clone(at)
		at[ax] = start + at[ax]*stride
		return at
	})
}

func drawBroadcast(m *maker, k int) (step, bool) {
	shape := slices.Clone(m.values[k].shape)
	for i, d := range shape {
		if d == 1 {
			shape[i] = 1 + m.below(3, "extent")
		}
	}
	if len(shape) < 4 && m.flip("new axis") {
		shape = slices.Insert(shape, 0, 2)
	}
	return exactly(one("BroadcastTo", k, func(a *graph.Array) *graph.Array { return graph.BroadcastTo(a, shape) }, func(x wide) wide { return broadcast(x, shape) }))
}

func drawJoin(m *maker, k int) (step, bool) {
	ax, ok := m.axis(k, false)
	j := m.below(len(m.values), "other")
	if !ok || m.dtypes[j] != m.dtypes[k] || len(m.values[j].shape) != len(m.values[k].shape) {
		j = k
	}
	for i := range m.values[k].shape {
		if i != ax && m.values[k].shape[i] != m.values[j].shape[i] {
			j = k
		}
	}
	return step{name: "Concatenate", in: []int{k, j, k}, exact: true, build: func(in []*graph.Array) *graph.Array { return graph.Concatenate(in, ax) }, wide: func(in []wide) wide {
		shape := slices.Clone(in[0].shape)
		shape[ax] += in[1].shape[ax] + in[2].shape[ax]
		out := newWide(shape)
		for i := range out.v {
			at := places(shape, i)
			for _, x := range in {
				if at[ax] < x.shape[ax] {
					out.v[i] = x.v[flat(x.shape, at)]
					break
				}
				at[ax] -= x.shape[ax]
			}
		}
		return out
	}}, ok
}

func drawPad(m *maker, k int) (step, bool) {
	ax, ok := m.axis(k, false)
	if !ok {
		return step{}, false
	}
	before, after := m.below(3, "before"), m.below(3, "after")
	shape := slices.Clone(m.values[k].shape)
	widths := make([][2]int, len(shape))
	widths[ax] = [2]int{before, after}
	n := shape[ax]
	shape[ax] += before + after
	return exactly(one("Pad", k, func(a *graph.Array) *graph.Array { return graph.Pad(a, widths, 1) }, func(x wide) wide {
		out := newWide(shape)
		for i := range out.v {
			at := places(shape, i)
			if at[ax] -= before; at[ax] < 0 || at[ax] >= n {
				out.v[i] = 1
				continue
			}
			out.v[i] = x.v[flat(x.shape, at)]
		}
		return out
	}))
}

func drawRoll(m *maker, k int) (step, bool) {
	ax, ok := m.axis(k, true)
	if !ok {
		return step{}, false
	}
	by, shape := m.below(7, "places")-3, m.values[k].shape
	return moved("Roll", k, func(a *graph.Array) *graph.Array { return graph.Roll(a, by, ax) }, shape, func(at []int) []int {
		at = slices.Clone(at)
		at[ax] = ((at[ax]-by)%shape[ax] + shape[ax]) % shape[ax]
		return at
	})
}

func drawRepeat(m *maker, k int) (step, bool) {
	ax, ok := m.axis(k, false)
	if !ok || product(m.values[k].shape) > 200 {
		return step{}, false
	}
	shape := slices.Clone(m.values[k].shape)
	d, n := shape[ax], 1+m.below(3, "repeats")
	shape[ax] *= n
	tile := m.flip("tile")
	reps := slices.Repeat([]int{1}, len(shape))
	reps[ax] = n
	return moved("Repeat", k, func(a *graph.Array) *graph.Array {
		if tile {
			return graph.Tile(a, reps...)
		}
		return graph.Repeat(a, n, ax)
	}, shape, func(at []int) []int {
		at = slices.Clone(at)
		if tile {
			at[ax] %= d
		} else {
			at[ax] /= n
		}
		return at
	})
}

// indices draws places of an axis of d, some counted from the end.
func (m *maker) indices(d, n int) ([]int32, *graph.Array) {
	ids := rapid.SliceOfN(rapid.Int32Range(int32(-d), int32(d-1)), n, n).Draw(m.t, "indices")
	a := graph.FromSlice(ids)
	ids = slices.Clone(ids)
	for i := range ids {
		if ids[i] < 0 {
			ids[i] += int32(d)
		}
	}
	return ids, a
}

func drawTake(m *maker, k int) (step, bool) {
	ax, ok := m.axis(k, true)
	if !ok {
		return step{}, false
	}
	shape := slices.Clone(m.values[k].shape)
	ids, a := m.indices(shape[ax], 1+m.below(4, "count"))
	shape[ax] = len(ids)
	build := func(x *graph.Array) *graph.Array { return graph.Take(x, a, ax) }
	if m.flip("along axis") {
		along := slices.Repeat([]int{1}, len(shape))
		along[ax] = len(ids)
		build = func(x *graph.Array) *graph.Array {
			wide := slices.Clone(x.Shape())
			wide[ax] = len(ids)
			return graph.TakeAlongAxis(x, graph.BroadcastTo(graph.Reshape(a, along...), wide), ax)
		}
	}
	return moved("Take", k, build, shape, func(at []int) []int {
		at = slices.Clone(at)
		at[ax] = int(ids[at[ax]])
		return at
	})
}

// drawUpdate adds a value at indices of the first axis, or writes it there.
func drawUpdate(m *maker, k int) (step, bool) {
	shape := m.values[k].shape
	if len(shape) == 0 || product(shape) == 0 || m.kind.smooth == false && !m.dtypes[k].IsFloat() {
		return step{}, false
	}
	ids, a := m.indices(shape[0], 1+m.below(3, "count"))
	add := m.flip("add")
	s := one("Update", k, func(x *graph.Array) *graph.Array {
		if add {
			return graph.AddAt(x, 0.75, graph.Pick(a))
		}
		return graph.SetItem(x, 0.75, graph.Pick(a))
	}, func(x wide) wide {
		out := wide{slices.Clone(shape), slices.Clone(x.v)}
		width := product(shape[1:])
		for _, id := range ids {
			for i := int(id) * width; i < (int(id)+1)*width; i++ {
				if add {
					out.v[i] += 0.75
				} else {
					out.v[i] = 0.75
				}
			}
		}
		return out
	})
	s.exact = !add
	return s, true
}
