package graph

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// compileCache is the most plans that one compiled function keeps.
const compileCache = 16

// CompileOptions says how a compiled function uses memory.
type CompileOptions struct {
	// Donate maps an output to the argument whose memory it takes over: the
	// argument's old value is gone after the call. Shapes and dtypes must agree.
	Donate map[int]int
	// ReuseOutputs keeps the memory of the other outputs between calls: the
	// next call overwrites them. With it a repeated call allocates nothing.
	ReuseOutputs bool
	// Arena is where the temporaries go; functions that never run at the same
	// time may share one. nil: memory of the function's own.
	Arena *Arena
}

// Compiled is a function that is traced, differentiated, fused, planned and
// lowered once per combination of argument shapes and dtypes, then replayed.
// Mirrors mx.compile, with a bounded cache. There is no shapeless mode: other
// shapes are traced again, and so a function may depend on them. It must not be called by two
// goroutines at the same time.
type Compiled struct {
	fn    func([]*Array) []*Array
	opt   CompileOptions
	mu    sync.Mutex
	plans []*compiledPlan // most recently used last
}

type compiledPlan struct {
	key   string
	plan  *Plan
	bound *binding
	args  []argPlace // what bound is bound to
	outs  []*Array
}

// argPlace is where an argument lies; a compiled function is bound anew when
// one has moved.
type argPlace struct {
	st   *storage
	base int64
}

// Compile makes fn replayable. fn must build its graph from its arguments and
// from constants alone, without looking at values.
func Compile(fn func([]*Array) []*Array, opt CompileOptions) *Compiled {
	return &Compiled{fn: fn, opt: opt}
}

// Plan is the plan for arguments like args. Only their shapes and dtypes count.
func (f *Compiled) Plan(args []*Array) (*Plan, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, err := f.lookup(args)
	if err != nil {
		return nil, err
	}
	return c.plan, nil
}

// lookup finds or makes the plan for args.
func (f *Compiled) lookup(args []*Array) (*compiledPlan, error) {
	for i, a := range args {
		if a == nil {
			return nil, &Error{Op: "Compile", Msg: fmt.Sprintf("argument %d is nil", i), Site: siteOf(nil)}
		}
	}
	key := signature(args)
	for i, c := range f.plans {
		if c.key == key {
			f.plans = append(slices.Delete(f.plans, i, i+1), c)
			return c, nil
		}
	}
	places := make([]*Array, len(args))
	for i, a := range args {
		places[i] = &Array{shape: a.shape, dtype: a.dtype}
	}
	c := &compiledPlan{key: key}
	err := Catch(func() {
		outs := slices.Clone(outputsOf("Compile", f.fn, places))
		for o, a := range f.opt.Donate {
			check(o >= 0 && o < len(outs) && a >= 0 && a < len(args), "Compile", "output %d of %d cannot replace argument %d of %d", o, len(outs), a, len(args))
			check(slices.Equal(outs[o].shape, args[a].shape) && outs[o].dtype == args[a].dtype, "Compile",
				"output %d is %v and cannot replace argument %d, %v", o, outs[o], a, args[a])
		}
		for i, o := range outs {
			if o.node == nil { // an argument or a constant is returned as it is
				outs[i] = Contiguous(o)
			}
		}
		c.plan = newPlan(outs, places, f.opt.Donate)
	})
	if err != nil {
		return nil, err
	}
	f.plans = append(f.plans, c)
	if len(f.plans) > compileCache {
		f.plans[0].release()
		f.plans = f.plans[1:]
	}
	return c, nil
}

func signature(args []*Array) string {
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = a.String()
	}
	return strings.Join(parts, ";")
}

// Call computes the function. Arguments are evaluated first if need be.
func (f *Compiled) Call(ctx context.Context, args ...*Array) ([]*Array, error) {
	outs, _, err := f.call(ctx, args, false)
	return outs, err
}

// KernelTime is the time one kind of dispatch took in a profiled call.
type KernelTime struct {
	Kernel, Label  string
	Time           time.Duration
	FLOPs, Traffic int64
}

// Profile is Call with the time of every dispatch.
func (f *Compiled) Profile(ctx context.Context, args ...*Array) ([]*Array, []KernelTime, error) {
	return f.call(ctx, args, true)
}

func (f *Compiled) call(ctx context.Context, args []*Array, profile bool) ([]*Array, []KernelTime, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rt, err := Default()
	if err != nil {
		return nil, nil, err
	}
	if err := prepareArgs(ctx, rt, args); err != nil {
		return nil, nil, err
	}
	c, err := f.lookup(args)
	if err != nil {
		return nil, nil, err
	}
	if err := c.bindTo(rt, args, f.opt); err != nil {
		return nil, nil, err
	}
	if err := c.bound.await(ctx, true); err != nil {
		return nil, nil, err
	}
	times, err := c.plan.execute(ctx, c.bound, profile)
	if err != nil {
		return nil, nil, err
	}
	outs := c.outs
	if !f.opt.ReuseOutputs {
		c.release()
	}
	return outs, times, nil
}

// prepareArgs makes every argument contiguous data in device memory.
func prepareArgs(ctx context.Context, rt *Runtime, args []*Array) error {
	if err := Eval(ctx, args...); err != nil {
		return err
	}
	for i, a := range args {
		if err := upload(rt, a); err != nil {
			return err
		}
		if !a.tensor().Contiguous() {
			return fmt.Errorf("graph: argument %d of a compiled function is a strided view of %v; pass Contiguous of it", i, a)
		}
	}
	return nil
}

// bindTo makes the plan run on args, reusing the last binding where nothing
// moved.
func (c *compiledPlan) bindTo(rt *Runtime, args []*Array, opt CompileOptions) error {
	places := make([]argPlace, len(args))
	datas := make([]*data, len(args))
	for i, a := range args {
		places[i] = argPlace{a.data.storage, a.data.base}
		datas[i] = a.data
	}
	if c.bound != nil && opt.ReuseOutputs && c.bound.rt == rt && slices.Equal(places, c.args) && opt.Arena.holds(c.bound) {
		return nil
	}
	c.release()
	b, err := c.plan.bind(rt, datas, opt.Arena)
	if err != nil {
		return err
	}
	c.bound, c.args = b, places
	c.outs = make([]*Array, len(b.outputs))
	for i, d := range b.outputs {
		t := c.plan.outputs[i]
		c.outs[i] = &Array{shape: t.Shape, dtype: t.DType, data: d}
	}
	return nil
}

// release frees the arena of the last binding.
func (c *compiledPlan) release() {
	if c.bound != nil {
		c.bound.close()
		c.bound = nil
	}
}

// Close frees the memory that the function keeps between calls.
func (f *Compiled) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.plans {
		c.release()
	}
	f.plans = nil
}
