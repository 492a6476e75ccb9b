package soft_test

import (
	"sort"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

type atomicsArgs struct{ Op, N uint32 }

// atomicCells runs op over n cells that start at init and returns cells and old
// values.
func atomicCells[T int32 | uint32 | float32](t *testing.T, suffix string, op uint32, xs []T, n int, init T) (cells, old []T) {
	d := open(t, soft.Options{Workers: 3})
	start := make([]T, n)
	for i := range start {
		start[i] = init
	}
	c, o := view(t, d, start), view(t, d, make([]T, len(xs)))
	run(t, d, metal.Dispatch{Kernel: "selftest_atomics_" + suffix, In: []metal.View{view(t, d, xs)}, Out: []metal.View{c, o},
		Args: bytesOf(atomicsArgs{op, uint32(n)}), Grid: x(len(xs)), Group: x(100)})
	return append([]T{}, as[T](c)...), append([]T{}, as[T](o)...)
}

func testAtomics[T int32 | uint32 | float32](t *testing.T, suffix string) {
	const count, n = 20000, 7
	xs := make([]T, count)
	for i := range xs {
		xs[i] = T(i*31%1009 + 1) // sums stay exact in float32
	}
	perCell := func(init T, f func(a, b T) T) []T {
		want := make([]T, n)
		for i := range want {
			want[i] = init
		}
		for i, v := range xs {
			want[i%n] = f(want[i%n], v)
		}
		return want
	}
	sum := perCell(0, func(a, b T) T { return a + b })
	got, old := atomicCells(t, suffix, 0, xs, n, 0)
	require.Equal(t, sum, got, "fetch_add")
	// The old values of a cell are its partial sums in some order.
	var mine []T
	for i := 0; i < count; i += n {
		mine = append(mine, old[i])
	}
	sort.Slice(mine, func(i, j int) bool { return mine[i] < mine[j] })
	require.Equal(t, T(0), mine[0])
	for i := 1; i < len(mine); i++ {
		require.Greater(t, mine[i], mine[i-1])
	}
	top := T(1 << 30)
	got, _ = atomicCells(t, suffix, 5, xs, n, 0)
	require.Equal(t, sum, got, "compare_exchange")
	if suffix != "f32" { // 2³⁰ - x is not exact in float32
		got, _ = atomicCells(t, suffix, 1, xs, n, top)
		require.Equal(t, perCell(top, func(a, b T) T { return a - b }), got, "fetch_sub")
	}
	got, _ = atomicCells(t, suffix, 2, xs, n, 0)
	require.Equal(t, perCell(0, func(a, b T) T { return max(a, b) }), got, "fetch_max")
	got, _ = atomicCells(t, suffix, 3, xs, n, top)
	require.Equal(t, perCell(top, func(a, b T) T { return min(a, b) }), got, "fetch_min")
	// Exchange: what goes in comes out once, or stays.
	got, old = atomicCells(t, suffix, 4, xs, n, 0)
	total := T(0)
	for _, v := range append(got, old...) {
		total += v
	}
	all := T(0)
	for _, v := range xs {
		all += v
	}
	require.Equal(t, all, total, "exchange")
	got, _ = atomicCells(t, suffix, 6, xs, n, 0)
	for i, v := range got {
		require.Contains(t, xs, v, "store to cell %d", i)
	}
}

func TestAtomics(t *testing.T) {
	t.Run("i32", func(t *testing.T) { testAtomics[int32](t, "i32") })
	t.Run("u32", func(t *testing.T) { testAtomics[uint32](t, "u32") })
	t.Run("f32", func(t *testing.T) { testAtomics[float32](t, "f32") })
}

func TestThreadgroupAtomics(t *testing.T) {
	d := open(t, soft.Options{})
	const n, group = 1000, 96
	v := make([]uint32, n)
	for i := range v {
		v[i] = uint32(i)*2654435761 | 1
	}
	groups := ceil(n, group)
	out := view(t, d, make([]uint32, groups))
	for op, f := range []func(a, b uint32) uint32{
		func(a, b uint32) uint32 { return a & b },
		func(a, b uint32) uint32 { return a | b },
		func(a, b uint32) uint32 { return a ^ b },
	} {
		run(t, d, metal.Dispatch{Kernel: "selftest_atomic_bits", In: []metal.View{view(t, d, v)}, Out: []metal.View{out},
			Args: bytesOf(atomicsArgs{Op: uint32(op)}), Grid: x(n), Group: x(group)})
		for g, got := range as[uint32](out) {
			want := v[g*group]
			for _, b := range v[g*group+1 : min(g*group+group, n)] {
				want = f(want, b)
			}
			require.Equal(t, want, got, "op %d threadgroup %d", op, g)
		}
	}
}
