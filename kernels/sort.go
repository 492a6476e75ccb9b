package kernels

import "github.com/ftmetal/ftmetal/metal"

// sortBlock and sortThreads are SORT_BLOCK and SORT_THREADS of sort.h.
const (
	sortBlock   = 2048
	sortThreads = 256
)

// sortArgs mirrors SortArgs of sort.h.
type sortArgs struct {
	rows, n, width, blocks uint64
	right                  uint32
	_                      uint32
}

// ArgSort writes the stable order of the last axis of x, contiguous, to out,
// uint32; NaN comes last.
func ArgSort(e Emitter, x, out Tensor) {
	rows, n := lastAxis(x)
	if out.Size() == 0 {
		return
	}
	if !ordinary(x.DType) {
		unsupported("ArgSort", x.DType)
	}
	u32(n - 1)
	s := sorter{e: e, rows: rows, n: n, word: metal.Uint32}
	if x.DType.Size() == 8 {
		s.word = metal.Uint64
	}
	keys, order := s.scratch(s.word), out.View
	s.emit("sort_keys", x.DType, sortArgs{}, []metal.View{x.View}, keys)
	passes := 0
	for w := sortBlock; w < n; w *= 2 {
		passes++
	}
	// The last pass writes to out: orders alternate between it and scratch.
	spare := metal.View{}
	if passes > 0 {
		spare = s.scratch(metal.Uint32)
	}
	if passes%2 == 1 {
		order, spare = spare, order
	}
	sorted := s.scratch(s.word)
	s.block(keys, sorted, order)
	for w := sortBlock; w < n; w *= 2 {
		keys, sorted = sorted, keys
		s.emit("sort_merge", s.word, sortArgs{width: uint64(w)}, []metal.View{keys, order}, sorted, spare)
		order, spare = spare, order
	}
}

// sorter orders rows of n elements by keys of dtype word.
type sorter struct {
	e       Emitter
	rows, n int
	word    metal.DType
}

func (s sorter) scratch(dt metal.DType) metal.View {
	return s.e.Scratch(int64(s.rows) * int64(s.n) * int64(dt.Size()))
}

// emit launches one thread per element.
func (s sorter) emit(stem string, dt metal.DType, args sortArgs, in []metal.View, out ...metal.View) {
	args.rows, args.n = uint64(s.rows), uint64(s.n)
	grid, group := gridFor(s.rows * s.n)
	s.e.Emit(metal.Dispatch{Kernel: name(stem, dt), In: in, Out: out, Args: bytesOf(&args), Grid: grid, Group: group})
}

// block sorts blocks of rows, a threadgroup each.
func (s sorter) block(keys, sorted, order metal.View) {
	blocks := ceilDiv(s.n, sortBlock)
	args := sortArgs{rows: uint64(s.rows), n: uint64(s.n), blocks: uint64(blocks)}
	threads := min(sortThreads, s.n)
	s.e.Emit(metal.Dispatch{Kernel: name("sort_block", s.word), In: []metal.View{keys}, Out: []metal.View{sorted, order}, Args: bytesOf(&args),
		Grid: metal.Size{X: s.rows * blocks * threads, Y: 1, Z: 1}, Group: metal.Size{X: threads, Y: 1, Z: 1}})
}

// SearchSorted writes to out, uint32, how many elements of the sorted sequence
// lie before each of the values: those less than it, and with right set also
// those equal to it. All are contiguous; NaN is the largest value.
func SearchSorted(e Emitter, sequence, values, out Tensor, right bool) {
	if out.Size() == 0 {
		return
	}
	if !ordinary(values.DType) || sequence.DType != values.DType {
		unsupported("SearchSorted", values.DType)
	}
	args := sortArgs{rows: uint64(values.Size()), n: uint64(sequence.Size()), right: flag(right)}
	grid, group := gridFor(values.Size())
	e.Emit(metal.Dispatch{Kernel: name("sort_search", values.DType), In: []metal.View{sequence.View, values.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: grid, Group: group})
}
