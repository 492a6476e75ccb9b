//go:build metalfake

package darwin_test

import (
	"context"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/darwin"
	"github.com/ftmetal/ftmetal/metal/darwin/fake"
	"github.com/stretchr/testify/require"
)

// A command buffer that fails gives one error, with the dispatches and what to do;
// the device stays usable.
func TestFailedCommandBuffer(t *testing.T) {
	for _, c := range []struct {
		code    int
		message string
		batch   int
		want    string
	}{
		{1, "Internal Error", 2, "metal: dispatches 2 (binary_f32) to 3 (binary_f32): Internal Error (MTLCommandBufferErrorDomain 1); FTMETAL_BATCH=1 tells which"},
		{2, "Caused GPU Timeout Error", 1, "metal: dispatch 1, binary_f32: Caused GPU Timeout Error (MTLCommandBufferErrorDomain 2): the system ends GPU work that keeps the display waiting: use shorter sequences, or fewer tokens a step"},
		{3, "Caused GPU Address Fault Error", 1, "metal: dispatch 1, binary_f32: Caused GPU Address Fault Error (MTLCommandBufferErrorDomain 3): a kernel read or wrote outside its buffers: please report it with the output of ftmetal doctor"},
		{8, "Insufficient Memory", 1, "metal: dispatch 1, binary_f32: Insufficient Memory (MTLCommandBufferErrorDomain 8): the GPU ran out of memory: use a smaller batch, shorter sequences or a smaller memory limit"},
		{11, "Device was removed", 1, "metal: dispatch 1, binary_f32: Device was removed (MTLCommandBufferErrorDomain 11): the GPU is gone: start again"},
	} {
		d := open(t, darwin.Options{Batch: c.batch})
		v := vectors(t, d, 9, 8)
		p, err := d.Prepare(chain(v))
		require.NoError(t, err)
		fake.FailCommit(2, c.code, c.message)
		require.EqualError(t, p.Run(context.Background()), c.want)
		require.NoError(t, p.Run(context.Background()), "after a failure")
		require.Equal(t, float32(256), get(v[8], 3))
		fake.FailCommit(3, c.code, c.message)
		_, err = p.Profile(context.Background())
		require.ErrorContains(t, err, "metal: dispatch 2, binary_f32: "+c.message)
		p.Close()
	}
}

// What the compiler says comes with the kernel's name.
func TestFailedCompilation(t *testing.T) {
	d := open(t, darwin.Options{})
	v := vectors(t, d, 2, 8)
	fake.FailPipeline(true)
	_, err := d.Prepare(chain(v))
	require.EqualError(t, err, "metal: dispatch 0, binary_f32: making its pipeline: Compiler encountered an internal error (AGXMetal 2)")
	fake.FailPipeline(false)
	require.NoError(t, metal.Run(context.Background(), d, chain(v)))

	d = open(t, darwin.Options{})
	fake.FailCompile(true)
	_, err = d.Prepare(chain(vectors(t, d, 2, 8)))
	require.EqualError(t, err, "metal: dispatch 0, binary_f32: compiling binary.metal: program_source:12:3: error: use of undeclared identifier 'oops' (MTLLibraryErrorDomain 3)")
}

func TestOutOfMemory(t *testing.T) {
	d := open(t, darwin.Options{})
	_, err := d.Alloc(1 << 20)
	require.NoError(t, err)
	fake.FailBuffer(1)
	_, err = d.Alloc(1 << 20)
	require.EqualError(t, err, "metal: out of memory: no buffer of 1.00 MiB, 1.00 MiB are in use of the 12.00 GiB that Apple M4 recommends")
	fake.FailBuffer(0)
	_, err = d.Alloc(1 << 20)
	require.NoError(t, err)
}

// One wrong dispatch for each rule that Prepare checks before Metal would.
func TestPrepareRefuses(t *testing.T) {
	d := open(t, darwin.Options{})
	v := vectors(t, d, 2, 64)
	other := openOn(t, darwin.Options{})
	foreign := vectors(t, other, 1, 64)[0].View
	for _, c := range []struct {
		change func(op *metal.Dispatch)
		want   string
	}{
		{func(op *metal.Dispatch) { op.Kernel = "binary_f8" }, "binary_f8: there is no such kernel"},
		{func(op *metal.Dispatch) { op.In = op.In[:1] }, "binary_f32: 2 buffers are bound, the kernel has 3"},
		{func(op *metal.Dispatch) { op.Args = op.Args[:8] }, "binary_f32: args are 8 bytes, the kernel's struct is 264"},
		{func(op *metal.Dispatch) { op.In[0].Buf = nil }, "binary_f32: buffer 0: nothing is bound"},
		{func(op *metal.Dispatch) { op.In[1] = foreign }, "binary_f32: buffer 1: the buffer was freed, or belongs to another device"},
		{func(op *metal.Dispatch) { op.Out[0].Off += 512 }, "binary_f32: buffer 2: bytes [768, 1024) are outside the buffer of 512"},
		{func(op *metal.Dispatch) { op.Out[0].Off, op.Out[0].Len = 2, 8 }, "binary_f32: buffer 2: offset 2 is not a multiple of the element's 4 bytes"},
		{func(op *metal.Dispatch) { op.Grid.X = 0 }, "binary_f32: grid 0×1×1 has an extent outside 1…2³²-1"},
		{func(op *metal.Dispatch) { op.Group.X = 2048 }, "binary_f32: threadgroup 2048×1×1 has more than 1024 threads"},
	} {
		l := append(chain(v), chain(v)...)
		c.change(&l[1])
		_, err := d.Prepare(l)
		require.EqualError(t, err, "metal: dispatch 1, "+c.want)
	}
}
