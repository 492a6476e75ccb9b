package generate

import (
	"context"
	"fmt"
	"slices"
	"unsafe"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
)

// cacheStep is how many tokens the cache of a decoder grows by, as in mlx-lm.
const cacheStep = 256

// decoder makes one token after the other. Its step is compiled once per size of
// the cache, which has room for some tokens more: they are written in place, and
// a token allocates next to nothing.
type decoder struct {
	model models.Model
	cache *nn.KVCache // that of the prompt; its arrays move to keep

	room      int            // tokens that keep has room for
	keep      []*graph.Array // keys and values of every layer, [1,Hkv,room,D]
	token, at *graph.Array   // int32 [1,1], and the place of the new token in keep
	visible   *graph.Array   // int32 [1,room]
	place     []int32        // what at holds
	compiled  *graph.Compiled
	arena     graph.Arena
}

// step runs one token and returns the logits of the next, valid until the next
// call.
func (d *decoder) step(ctx context.Context, id int32) ([]float32, error) {
	if d.cache.Len >= d.room {
		if err := d.grow(ctx); err != nil {
			return nil, err
		}
	}
	n := d.cache.Len
	for i := range d.place {
		d.place[i] = int32(n)
	}
	seen, err := graph.HostBytes(d.visible)
	if err != nil {
		return nil, err
	}
	if seen != nil {
		seen[4*n] = 1
	}
	for a, v := range map[*graph.Array][]int32{d.token: {id}, d.at: d.place} {
		if err := graph.WriteState(a, v); err != nil {
			return nil, err
		}
	}
	outs, err := d.compiled.Call(ctx, append([]*graph.Array{d.token, d.at, d.visible}, d.keep...)...)
	if err != nil {
		return nil, err
	}
	d.cache.Len++
	out, err := graph.HostBytes(outs[len(outs)-1])
	if err != nil {
		return nil, err
	}
	if out == nil {
		return nil, fmt.Errorf("generate: this device has no memory to read logits from")
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&out[0])), len(out)/4), nil
}

// grow moves the cache to arrays with room for more tokens.
func (d *decoder) grow(ctx context.Context) error {
	rt, err := graph.Default()
	if err != nil {
		return err
	}
	d.room = (d.cache.Len/cacheStep + 1) * cacheStep
	old := slices.Clone(d.keep)
	if old == nil {
		old = d.cache.Arrays()
	}
	if err := d.allocate(ctx, rt, old); err != nil {
		return err
	}
	clear(d.cache.K)
	clear(d.cache.V)
	if d.compiled == nil {
		donate := map[int]int{}
		for i := range d.keep {
			donate[i] = i + 3
		}
		d.compiled = graph.Compile(d.forward, graph.CompileOptions{Donate: donate, ReuseOutputs: true, Arena: &d.arena})
	}
	return nil
}

// allocate makes the arrays of the step and copies the tokens so far. Keys and
// values of all layers lie in one block, whose pages are large.
func (d *decoder) allocate(ctx context.Context, rt *graph.Runtime, old []*graph.Array) error {
	shape := slices.Clone(old[0].Shape())
	shape[2] = d.room
	var err error
	if d.keep, err = graph.NewStates(rt, "keys and values", old[0].DType(), len(old), shape...); err != nil {
		return err
	}
	for i, x := range old {
		old[i] = graph.Contiguous(x)
	}
	if err := graph.Eval(ctx, old...); err != nil {
		return err
	}
	for i, x := range old {
		if err := copyTokens(x, d.keep[i], d.cache.Len); err != nil {
			return err
		}
	}
	s := old[0].Shape()
	d.place = make([]int32, s[1]*s[3])
	for _, a := range []struct {
		to    **graph.Array
		shape []int
	}{{&d.token, []int{1, 1}}, {&d.at, []int{1, s[1], 1, s[3]}}, {&d.visible, []int{1, d.room}}} {
		if *a.to, err = graph.NewState(rt, "decoding", metal.Int32, a.shape...); err != nil {
			return err
		}
	}
	seen := make([]int32, d.room)
	for i := range d.cache.Len {
		seen[i] = 1
	}
	return graph.WriteState(d.visible, seen)
}

// copyTokens copies the first n tokens of every head.
func copyTokens(from, to *graph.Array, n int) error {
	src, err := graph.HostBytes(from)
	if err != nil {
		return err
	}
	dst, err := graph.HostBytes(to)
	if err != nil || dst == nil {
		return err
	}
	heads := from.Dim(1)
	row := len(src) / heads / from.Dim(2)
	for h := range heads {
		copy(dst[h*to.Dim(2)*row:], src[h*from.Dim(2)*row:][:n*row])
	}
	return nil
}

// forward is the compiled step. in: token, place, visible tokens, then the keys
// and values of every layer, which the outputs replace; the logits follow.
func (d *decoder) forward(in []*graph.Array) []*graph.Array {
	cache := d.model.NewCache()
	cache.At, cache.Visible = in[1], in[2]
	for i := range cache.K {
		cache.K[i], cache.V[i] = in[3+2*i], in[4+2*i]
	}
	position := graph.Reshape(graph.SliceAxis(graph.Flatten(in[1], 0, -1), 0, 0, 1), 1, 1)
	h := d.model.Hidden(nn.Input{Tokens: in[0], Positions: position, Segments: graph.Ones([]int{1, 1}, metal.Int32), Cache: cache})
	return append(cache.Arrays(), graph.AsType(d.model.Logits(h), metal.Float32))
}

// close frees the memory of the step.
func (d *decoder) close() {
	if d.compiled != nil {
		d.compiled.Close()
	}
	d.arena.Close()
}
