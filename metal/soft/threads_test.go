package soft_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

type threadsArgs struct{ Op, N uint32 }

func ceil(a, b int) int { return (a + b - 1) / b }

// Every built-in of every thread, on grids that threadgroups do not divide.
func TestBuiltins(t *testing.T) {
	for _, opt := range []soft.Options{{}, {Shuffle: 5}} {
		d := open(t, opt)
		for _, c := range []struct{ grid, group metal.Size }{
			{x(70), x(64)},
			{metal.Size{X: 7, Y: 5, Z: 3}, metal.Size{X: 4, Y: 2, Z: 2}},
			{metal.Size{X: 33, Y: 2, Z: 9}, metal.Size{X: 16, Y: 4, Z: 4}},
		} {
			out := view(t, d, make([]uint32, 27*c.grid.Count()))
			run(t, d, metal.Dispatch{Kernel: "selftest_builtins", Out: []metal.View{out},
				Args: bytesOf(threadsArgs{N: 27}), Grid: c.grid, Group: c.group})
			got := as[uint32](out)
			for z := range c.grid.Z {
				for y := range c.grid.Y {
					for x := range c.grid.X {
						at := (z*c.grid.Y+y)*c.grid.X + x
						require.Equal(t, wantBuiltins(c.grid, c.group, x, y, z), got[27*at:27*at+27], "grid %v group %v thread %d %d %d", c.grid, c.group, x, y, z)
					}
				}
			}
		}
	}
}

func wantBuiltins(grid, group metal.Size, x, y, z int) []uint32 {
	var want []uint32
	put := func(v ...int) {
		for _, n := range v {
			want = append(want, uint32(n))
		}
	}
	p := [3]int{x / group.X, y / group.Y, z / group.Z}
	in := [3]int{x % group.X, y % group.Y, z % group.Z}
	size := [3]int{min(group.X, grid.X-p[0]*group.X), min(group.Y, grid.Y-p[1]*group.Y), min(group.Z, grid.Z-p[2]*group.Z)}
	index := (in[2]*size[1]+in[1])*size[0] + in[0]
	put(x, y, z)
	put(in[:]...)
	put(p[:]...)
	put(size[:]...)
	put(group.X, group.Y, group.Z)
	put(grid.X, grid.Y, grid.Z)
	put(ceil(grid.X, group.X), ceil(grid.Y, group.Y), ceil(grid.Z, group.Z))
	put(index, index%32, index/32, ceil(size[0]*size[1]*size[2], 32), 32, y)
	return want
}

// prefix runs selftest_prefix on groups threadgroups of n and counts wrong sums.
func prefixErrors(t *testing.T, opt soft.Options, op uint32, n, groups int) int {
	d := open(t, opt)
	v := make([]uint32, n*groups)
	for i := range v {
		v[i] = uint32(i*i%97 + 1)
	}
	out := view(t, d, make([]uint32, len(v)))
	run(t, d, metal.Dispatch{Kernel: "selftest_prefix", In: []metal.View{view(t, d, v)}, Out: []metal.View{out},
		Args: bytesOf(threadsArgs{Op: op}), Grid: x(len(v)), Group: x(n)})
	wrong, sum := 0, uint32(0)
	for i, got := range as[uint32](out) {
		if i%n == 0 {
			sum = 0
		}
		if sum += v[i]; got != sum {
			wrong++
		}
	}
	return wrong
}

func TestBarriers(t *testing.T) {
	for seed := range uint64(6) {
		for _, n := range []int{1, 31, 33, 100, 1024} {
			require.Zero(t, prefixErrors(t, soft.Options{Shuffle: seed}, 0, n, 3), "seed %d, %d threads", seed, n)
		}
	}
}

// A shuffled schedule finds a missing barrier that the natural order hides.
func TestShuffleFindsMissingBarrier(t *testing.T) {
	sums := func(seed uint64, op uint32) []float32 {
		d := open(t, soft.Options{Shuffle: seed, NaNFill: true})
		in, out := view(t, d, normal(4*250, 9)), view(t, d, make([]float32, 4))
		run(t, d, metal.Dispatch{Kernel: "selftest_group_sum", In: []metal.View{in}, Out: []metal.View{out},
			Args: bytesOf(threadsArgs{Op: op}), Grid: x(1000), Group: x(250)})
		return append([]float32{}, as[float32](out)...)
	}
	right := sums(0, 0)
	require.Equal(t, right, sums(0, 1), "the natural order hides the mistake")
	found := false
	for seed := uint64(1); seed <= 8; seed++ {
		require.Equal(t, right, sums(seed, 0), "the correct kernel does not depend on the order")
		for i, v := range sums(seed, 1) {
			found = found || v != right[i]
		}
	}
	require.True(t, found)
	caught := 0
	for seed := uint64(1); seed <= 4; seed++ {
		caught += prefixErrors(t, soft.Options{Shuffle: seed}, 1, 100, 1) + prefixErrors(t, soft.Options{Shuffle: seed}, 2, 100, 1)
	}
	require.NotZero(t, caught)
}

func TestThreadgroupReductions(t *testing.T) {
	for _, opt := range []soft.Options{{}, {Shuffle: 2, NaNFill: true}} {
		d := open(t, opt)
		for _, n := range []int{1, 31, 32, 33, 65, 513, 1024} {
			v := normal(2*n, uint64(n))
			out := view(t, d, make([]float32, 6*n))
			run(t, d, metal.Dispatch{Kernel: "selftest_group_reduce", In: []metal.View{view(t, d, v)}, Out: []metal.View{out},
				Args: bytesOf(threadsArgs{}), Grid: x(2 * n), Group: x(n)})
			got := as[float32](out)
			for g := range 2 {
				sum, lo, hi := 0.0, math.Inf(1), math.Inf(-1)
				for _, f := range v[g*n : g*n+n] {
					sum, lo, hi = sum+float64(f), math.Min(lo, float64(f)), math.Max(hi, float64(f))
				}
				for i := g * n; i < g*n+n; i++ {
					require.InDelta(t, sum, got[3*i], 1e-4, "%d threads", n)
					require.Equal(t, got[3*g*n], got[3*i], "the same bits in every thread")
					require.Equal(t, []float32{float32(hi), float32(lo)}, got[3*i+1:3*i+3], "%d threads", n)
				}
			}
		}
	}
}

// What a kernel may not do is an error with its name, and the device goes on.
func TestMistakes(t *testing.T) {
	for _, opt := range []soft.Options{{}, {Workers: 3}, {Shuffle: 4}} {
		d := open(t, opt)
		out := view(t, d, make([]uint32, 64))
		launch := func(op, n uint32, threads int) error {
			return metal.Run(context.Background(), d, []metal.Dispatch{{Kernel: "selftest_mistakes", Out: []metal.View{out},
				Args: bytesOf(threadsArgs{op, n}), Grid: x(threads), Group: x(threads)}})
		}
		require.EqualError(t, launch(0, 0, 64), "soft: dispatch 0, selftest_mistakes: threads of one threadgroup wait at different barriers")
		require.EqualError(t, launch(1, 0, 1), "soft: dispatch 0, selftest_mistakes: more than 32768 bytes of threadgroup memory")
		require.EqualError(t, launch(2, 0, 32), "soft: dispatch 0, selftest_mistakes: shared_memory is declared after a barrier or a simd function")
		require.EqualError(t, launch(3, 0, 32), "soft: dispatch 0, selftest_mistakes: simdgroup_multiply with inactive lanes")
		require.Zero(t, prefixErrors(t, opt, 0, 300, 2), "the device stays usable")
	}
}

func TestNaNFill(t *testing.T) {
	d := open(t, soft.Options{NaNFill: true})
	out := view(t, d, make([]float32, 64))
	run(t, d, metal.Dispatch{Kernel: "selftest_mistakes", Out: []metal.View{out},
		Args: bytesOf(threadsArgs{Op: 6}), Grid: x(64), Group: x(64)})
	for _, v := range as[float32](out) {
		require.True(t, math.IsNaN(float64(v)))
	}
}

// Guard mode reports writes outside the output views.
func TestGuard(t *testing.T) {
	d := open(t, soft.Options{Guard: true})
	b, err := d.Alloc(4096 * 4)
	require.NoError(t, err)
	launch := func(v metal.View, n int) error {
		return metal.Run(context.Background(), d, []metal.Dispatch{{Kernel: "selftest_mistakes", Out: []metal.View{v},
			Args: bytesOf(threadsArgs{5, uint32(n)}), Grid: x(16), Group: x(16)}})
	}
	v := metal.View{Buf: b, Off: 4096, Len: 64}
	require.NoError(t, launch(v, 0))
	if guardFaults {
		return // AddressSanitizer ends the process at the access itself
	}
	require.EqualError(t, launch(v, 8), "soft: dispatch 0, selftest_mistakes: bytes [4160, 8256) of a buffer of 16384 changed outside the output views")
	require.EqualError(t, launch(metal.View{Buf: b, Off: 16384 - 64, Len: 64}, 8), "soft: dispatch 0, selftest_mistakes: wrote 0 bytes after a buffer of 16384")
	require.EqualError(t, launch(metal.View{Buf: b, Len: 64}, -16), "soft: dispatch 0, selftest_mistakes: wrote 64 bytes before a buffer of 16384")
	require.NoError(t, launch(v, 0))
}

// Results do not depend on the number of workers.
func TestWorkers(t *testing.T) {
	var want []float32
	for workers := 1; workers <= 5; workers++ {
		d := open(t, soft.Options{Workers: workers})
		const rows, n = 40, 300
		in, w := view(t, d, normal(rows*n, 1)), view(t, d, normal(n, 2))
		tmp, out := view(t, d, make([]float32, rows*n)), view(t, d, make([]float32, rows*n))
		var list []metal.Dispatch
		for range 20 {
			list = append(list, norm(in, w, tmp, rows, n, 64), scale(d, "f32", tmp, out, rows*n, 256, 0.5), norm(out, w, in, rows, n, 96))
		}
		run(t, d, list...)
		if want == nil {
			want = append(want, as[float32](out)...)
		}
		require.Equal(t, want, as[float32](out), "%d workers", workers)
	}
}

func TestCancelAndProfile(t *testing.T) {
	d := open(t, soft.Options{Workers: 2})
	const n = 1 << 16
	in, out := view(t, d, normal(n, 1)), view(t, d, make([]float32, n))
	var list []metal.Dispatch
	for range 4000 {
		list = append(list, scale(d, "f32", in, out, n, 256, 2))
	}
	p, err := d.Prepare(list)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.Run(ctx), context.DeadlineExceeded)
	done, stop := context.WithCancel(context.Background())
	stop()
	require.ErrorIs(t, p.Run(done), context.Canceled)
	start := time.Now()
	times, err := p.Profile(context.Background())
	wall := time.Since(start)
	require.NoError(t, err)
	require.Len(t, times, len(list))
	sum := time.Duration(0)
	for i, dt := range times {
		require.GreaterOrEqual(t, dt, time.Duration(0), "dispatch %d", i)
		sum += dt
	}
	require.LessOrEqual(t, sum, wall)
	// 512 KiB are read and written by each: no host does that in a microsecond.
	require.Greater(t, sum, time.Duration(len(list))*time.Microsecond)
	p.Close()
	require.EqualError(t, p.Run(context.Background()), "soft: the program is closed")
}

// A dispatch never ends before the one it waited for. Of many short ones, some
// end just when the system takes the processor from a worker.
func TestProfileIsMonotone(t *testing.T) {
	d := open(t, soft.Options{Workers: 2})
	const n = 1 << 11
	in, out := view(t, d, normal(n, 1)), view(t, d, make([]float32, n))
	list := make([]metal.Dispatch, 200000)
	for i := range list {
		list[i] = scale(d, "f32", in, out, n, 1024, 2)
	}
	p, err := d.Prepare(list)
	require.NoError(t, err)
	defer p.Close()
	times, err := p.Profile(context.Background())
	require.NoError(t, err)
	for i, dt := range times {
		require.Greater(t, dt, time.Duration(0), "dispatch %d", i)
	}
}

// Several programs may run at once.
func TestConcurrentPrograms(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			require.Zero(t, prefixErrors(t, soft.Options{Workers: 2}, 0, 200+i, 5))
		})
	}
}

// Programs that take long run on threads of the package's own: several programs at
// once, each more than once, with more threads than processors.
func TestLongPrograms(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			d := open(t, soft.Options{Workers: 2 + i})
			const n = 1 << 14
			in, out := view(t, d, normal(n, uint64(i))), view(t, d, make([]float32, n))
			op := scale(d, "f32", in, out, n, 256, 2)
			op.FLOPs = 1 << 30
			p, err := d.Prepare([]metal.Dispatch{op, scale(d, "f32", out, out, n, 256, 3)})
			require.NoError(t, err)
			defer p.Close()
			for range 50 {
				clear(as[float32](out))
				require.NoError(t, p.Run(context.Background()))
				for j, x := range as[float32](in) {
					require.Equal(t, 2*x*3, as[float32](out)[j])
				}
			}
		})
	}
}
