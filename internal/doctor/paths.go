package doctor

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"golang.org/x/sys/unix"
)

// What a training needs of a device besides its kernels: files that are used where
// they lie, and kernels that the program brings along.

// wrapped adds numbers up that lie in memory of the host, from another byte of its
// pages on in each run, as tensors lie in a file of weights.
func (r *run) wrapped(step func(func() error) error) error {
	const pages, length = 4, 1000
	memory, err := unix.Mmap(-1, 0, pages*metal.PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return fmt.Errorf("mapping memory: %w", err)
	}
	defer unix.Munmap(memory)
	for i := range len(memory) / 4 {
		binary.NativeEndian.PutUint32(memory[4*i:], uint32(i))
	}
	n := 0
	return step(func() error {
		first := n * 977 % (len(memory)/4 - length)
		n++
		return r.lending(func(l *list) error {
			buf, err := r.pool.Wrap(memory[4*first:4*(first+length)], "doctor")
			if err != nil {
				return err
			}
			l.used = append(l.used, buf)
			x, out := kernels.Contig(metal.View{Buf: buf, Len: 4 * length}, metal.Uint32, length), kernels.Scratch(l, metal.Uint32, 1)
			kernels.Reduce(l, kernels.Sum, x, out, []int{0})
			if err := metal.Run(context.Background(), r.dev, l.ops); err != nil {
				return err
			}
			want := uint32(length*first + length*(length-1)/2)
			if got := binary.NativeEndian.Uint32(out.View.Bytes()); got != want {
				return fmt.Errorf("from byte %d on: the sum is %d, want %d", 4*first, got, want)
			}
			return nil
		})
	})
}

// fromSource compiles a kernel with a barrier and a simd function in it, another
// one in each run: a threadgroup's elements in reverse order, with their sum.
func (r *run) fromSource(step func(func() error) error) error {
	const threads, groups = 64, 5
	n := 0
	return step(func() error {
		n++
		return r.lending(func(l *list) error {
			x, out := kernels.Scratch(l, metal.Uint32, threads*groups), kernels.Scratch(l, metal.Uint32, threads*groups)
			for i := range threads * groups {
				binary.NativeEndian.PutUint32(x.View.Bytes()[4*i:], uint32(i*i))
			}
			kernels.Custom(l, kernels.CustomOp{Name: "doctor", Inputs: []string{"x"}, Outputs: []string{"out"}, Body: fmt.Sprintf(`
    threadgroup uint tile[%d];
    uint i = thread_position_in_grid.x, t = thread_index_in_threadgroup;
    tile[t] = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = tile[%d - t] + simd_sum(x[i]) + %d;
`, threads, threads-1, n), Grid: metal.Size{X: threads * groups, Y: 1, Z: 1}, Group: metal.Size{X: threads, Y: 1, Z: 1}}, []kernels.Tensor{x}, []kernels.Tensor{out})
			if err := metal.Run(context.Background(), r.dev, l.ops); err != nil {
				return err
			}
			for i := range threads * groups {
				other := i/threads*threads + threads - 1 - i%threads
				want := uint32(other*other + n)
				for k := range 32 {
					want += uint32((i/32*32 + k) * (i/32*32 + k))
				}
				if got := binary.NativeEndian.Uint32(out.View.Bytes()[4*i:]); got != want {
					return fmt.Errorf("element %d is %d, want %d", i, got, want)
				}
			}
			return nil
		})
	})
}
