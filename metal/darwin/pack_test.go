//go:build metalfake

package darwin

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/ftmetal/ftmetal/metal"
	kit "github.com/progrium/darwinkit/macos/metal"
	"github.com/progrium/darwinkit/objc"
	"github.com/stretchr/testify/require"
)

// encoder is what a stream does to Metal's, by its documentation: bindings stay
// until they are changed, and those of another encoder are not there.
type encoder struct {
	t        *testing.T
	pipeline uint64
	bound    map[int]binding
	bytes    map[int][]byte
}

// seen is a dispatch as the encoder would run it.
type seen struct {
	pipeline uint64
	bound    map[int]binding
	args     map[int][]byte
	size     [6]uint64
	barrier  bool // before it
}

// read takes words apart.
func (e *encoder) read(words []uint64) (all []seen) {
	barrier := false
	for len(words) > 0 {
		op, index, length := int(words[0]&0xff), int(words[0]>>8&0xff), int(words[0]>>16)
		words = words[1:]
		take := func(n int) []uint64 {
			require.GreaterOrEqual(e.t, len(words), n, "the stream ends within a word's operands")
			got := words[:n]
			words = words[n:]
			return got
		}
		switch op {
		case opPipeline:
			e.pipeline = take(1)[0]
		case opBuffer:
			w := take(2)
			e.bound[index] = binding{w[0], w[1]}
			delete(e.bytes, index)
		case opOffset:
			require.Contains(e.t, e.bound, index)
			e.bound[index] = binding{e.bound[index].buffer, take(1)[0]}
		case opBytes:
			raw := make([]byte, 0, length+8)
			for _, w := range take((length + 7) / 8) {
				raw = binary.NativeEndian.AppendUint64(raw, w)
			}
			e.bytes[index] = raw[:length]
			delete(e.bound, index)
		case opDispatch:
			s := seen{pipeline: e.pipeline, bound: map[int]binding{}, args: map[int][]byte{}, size: [6]uint64(take(6)), barrier: barrier}
			for i, b := range e.bound {
				s.bound[i] = b
			}
			for i, b := range e.bytes {
				s.args[i] = b
			}
			all, barrier = append(all, s), false
		case opBarrier:
			require.False(e.t, barrier, "two barriers")
			barrier = true
		default:
			require.Fail(e.t, "unknown word")
		}
	}
	require.False(e.t, barrier, "a barrier at the end")
	return all
}

// conflict reports whether b has to wait for a.
func conflict(a, b *metal.Dispatch) bool {
	for _, w := range a.Out {
		for _, v := range append(append([]metal.View{}, b.In...), b.Out...) {
			if w.Overlaps(v) {
				return true
			}
		}
	}
	for _, r := range a.In {
		for _, w := range b.Out {
			if r.Overlaps(w) {
				return true
			}
		}
	}
	return false
}

// checkBatch compares a command buffer with its dispatches: what is bound, and that
// a barrier stands where one is needed and nowhere else.
func checkBatch(t *testing.T, p *program, first int, got []seen) {
	since := first // the dispatch after the last barrier
	for k, s := range got {
		op := &p.list[first+k]
		require.Equal(t, uint64(uintptr(p.pipelines[first+k].state.Ptr())), s.pipeline)
		n := len(op.In) + len(op.Out)
		for i := range n {
			v := op.At(i)
			b := v.Buf.(*buffer)
			want := binding{uint64(uintptr(b.native)), uint64(b.shift + v.Off)}
			if v.Len == 0 {
				want.offset = uint64(b.shift)
			}
			require.Equal(t, want, s.bound[i], "dispatch %d, buffer %d", first+k, i)
		}
		require.True(t, bytes.Equal(op.Args, s.args[n]), "dispatch %d: args", first+k)
		require.Equal(t, [6]uint64{uint64(op.Grid.X), uint64(op.Grid.Y), uint64(op.Grid.Z), uint64(op.Group.X), uint64(op.Group.Y), uint64(op.Group.Z)}, s.size)
		needed := false
		for i := since; i < first+k; i++ {
			needed = needed || conflict(&p.list[i], op)
		}
		require.Equal(t, needed, s.barrier, "dispatch %d: barrier", first+k)
		if s.barrier {
			since = first + k
		}
	}
}

// someProgram is a random list on a few buffers, some of them parts of larger ones.
func someProgram(r *rand.Rand) *program {
	p := &program{dev: &Device{chip: chips[r.IntN(len(chips))]}}
	buffers := make([]*buffer, 1+r.IntN(4))
	for i := range buffers {
		data := make([]byte, 1+r.IntN(4096))
		buffers[i] = &buffer{native: unsafe.Pointer(&data[0]), data: data, shift: int64(r.IntN(2) * r.IntN(16384))}
	}
	pipelines := make([]*pipeline, 1+r.IntN(3))
	for i := range pipelines {
		pipelines[i] = &pipeline{state: kit.ComputePipelineStateObject{Object: objc.ObjectFrom(unsafe.Pointer(&make([]byte, 16)[0]))}}
	}
	view := func() metal.View {
		b := buffers[r.IntN(len(buffers))]
		off := r.IntN(len(b.data) + 1)
		return metal.View{Buf: b, Off: int64(off), Len: int64(r.IntN(len(b.data) - off + 1))}
	}
	for range r.IntN(40) {
		op := metal.Dispatch{Args: make([]byte, 1+r.IntN(1<<r.IntN(13))), FLOPs: r.Int64N(1 << r.IntN(40))}
		for i := range op.Args {
			op.Args[i] = byte(r.Uint32())
		}
		for range r.IntN(6) {
			op.In = append(op.In, view())
		}
		for range 1 + r.IntN(2) {
			op.Out = append(op.Out, view())
		}
		for _, n := range []*int{&op.Grid.X, &op.Grid.Y, &op.Grid.Z, &op.Group.X, &op.Group.Y, &op.Group.Z} {
			*n = 1 + int(r.Uint32N(1<<r.IntN(32)))
		}
		p.list, p.pipelines = append(p.list, op), append(p.pipelines, pipelines[r.IntN(len(pipelines))])
	}
	return p
}

// A stream binds for each dispatch what the list says, in the list's order, in
// command buffers that are no longer than they may be.
func FuzzPack(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed, uint8(seed), uint16(seed*7))
	}
	f.Fuzz(func(t *testing.T, seed uint64, most uint8, micros uint16) {
		p := someProgram(rand.New(rand.NewPCG(seed, 1)))
		limit, longest := 1+int(most), time.Duration(micros)*time.Microsecond
		s := p.pack(limit, longest)
		first, at := 0, 0
		for _, b := range s.batches {
			require.Equal(t, first, int(b.first))
			require.Equal(t, at, int(b.begin))
			count := int(b.count)
			require.True(t, count >= 1 && count <= limit)
			busy := time.Duration(0)
			for i := range count {
				busy += p.dev.chip.estimate(&p.list[first+i])
			}
			require.True(t, count == 1 || busy <= longest, "%v in a command buffer of %d", busy, count)
			e := &encoder{t: t, bound: map[int]binding{}, bytes: map[int][]byte{}}
			got := e.read(s.words[b.begin:b.end])
			require.Len(t, got, count)
			checkBatch(t, p, first, got)
			first, at = first+count, int(b.end)
		}
		require.Equal(t, len(p.list), first)
		require.Equal(t, len(s.words), at)
	})
}
