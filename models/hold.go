package models

import (
	"context"
	"errors"
	"fmt"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn"
)

// Hold is Convert that also moves all weights, mapped ones too, to one block of
// memory, where the device reads large blocks faster (metal.Info.LargePages). It is
// for what reads all weights many times and does little else, as generation does.
// Where the memory budget has no room for the block, it is Convert. No graph over
// the old arrays may be evaluated afterwards.
func (f *Folder) Hold(ctx context.Context, dt metal.DType) error {
	if !f.rt.Device.Info().LargePages {
		return f.Convert(ctx, dt)
	}
	if err := f.checkFloat(dt); err != nil {
		return err
	}
	params := nn.Params(f.Model)
	sizes, total := make([]int64, len(params)), int64(0)
	for i, p := range params {
		sizes[i] = p.Array.NBytes()
		if !f.whole[p] {
			sizes[i] = int64(p.Array.Size()) * int64(dt.Size())
		}
		total += alignedTo(sizes[i])
	}
	block, err := f.rt.Pool.Alloc(total, "weights")
	var full *metal.BudgetError
	if errors.As(err, &full) {
		return f.Convert(ctx, dt)
	}
	if err != nil {
		return err
	}
	f.held = append(f.held, block)
	cast := graph.Compile(func(in []*graph.Array) []*graph.Array { return []*graph.Array{graph.AsType(in[0], dt)} }, graph.CompileOptions{ReuseOutputs: true})
	defer f.rt.Pool.ClearCache() // what cast used, which is as large as the largest weights
	defer cast.Close()
	off := int64(0)
	for i, p := range params {
		a := p.Array
		if !f.whole[p] && a.DType() != dt {
			outs, err := cast.Call(ctx, a)
			if err != nil {
				return fmt.Errorf("model %s: tensor %q: %w", f.Dir, p.Name, err)
			}
			a = outs[0]
		}
		raw, err := graph.HostBytes(a)
		if err != nil {
			return fmt.Errorf("model %s: tensor %q: %w", f.Dir, p.Name, err)
		}
		copy(block.Bytes()[off:], raw)
		if f.Files != nil {
			f.Files.Release(p.Name)
		}
		p.Array = graph.FromBuffer(metal.View{Buf: block, Off: off, Len: sizes[i]}, a.DType(), a.Shape()...)
		off += alignedTo(sizes[i])
	}
	f.converted(dt)
	return nil
}

// alignedTo is n in whole lines of the processor's cache.
func alignedTo(n int64) int64 { return (n + 63) / 64 * 64 }
