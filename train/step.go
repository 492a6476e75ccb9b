package train

import (
	"context"
	"fmt"
	"math"
	"unsafe"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/train/data"
	"github.com/ftmetal/ftmetal/train/optim"
)

// StepOptions fixes a compiled step.
type StepOptions struct {
	Optimizer   optim.Flat
	MaxGradNorm float64 // 0: no clipping
	Recompute   []bool  // per block
	Compute     metal.DType
	Dropout     bool // adapters have dropout: the step takes a random key
	Padded      bool // rows are padded at the end: no segments, positions from 0
	Accumulate  bool // several micro-batches per update
	MLX         bool // mlx-lm's loss: the mean over each batch, with its roundings
	Profile     bool // time every kernel
	Frozen      FrozenOptions
}

// Stepper holds the state of training on the device and the compiled functions
// that advance it.
//
// Gradients are those of the *sum* of the losses of all supervised tokens; the
// update divides by their number. Accumulation over micro-batches is therefore
// weighted by tokens. With StepOptions.MLX they are those of the mean over each
// micro-batch, and the update divides by the number of micro-batches.
type Stepper struct {
	model models.Model
	set   *ParamSet
	opt   StepOptions
	rt    *graph.Runtime

	p, low, m, v, g *graph.Array // flat state; low is p in the compute dtype
	hyper, key      *graph.Array
	batches         map[[2]int]*batchArrays

	first, more, loss *graph.Compiled // gradient of a micro-batch, the same added on, loss alone
	update            *graph.Compiled
	prefix            *graph.Compiled // the layers before the step
	frozen            *frozenStates   // nil: there are none
	profile           *profile        // nil: not wanted
	arena             graph.Arena     // of all of them: they run one after another
}

// batchArrays are the device buffers that a batch of one shape is copied to.
type batchArrays struct{ tokens, positions, segments, targets *graph.Array }

// newStepper traces for planning: its state has shapes and no memory.
func newStepper(rt *graph.Runtime, m models.Model, set *ParamSet, opt StepOptions) *Stepper {
	s := &Stepper{model: m, set: set, opt: opt, rt: rt, batches: map[[2]int]*batchArrays{}}
	if opt.Profile {
		s.profile = &profile{stats: map[string]*KernelStat{}}
	}
	if opt.Frozen.Layers > 0 {
		s.frozen = newFrozenStates(m, opt.Frozen)
	}
	m.Recomputed(opt.Recompute, set.InBlock)
	for _, st := range s.states() {
		*st.array = graph.Placeholder(st.dtype, st.n)
	}
	if s.low == nil {
		s.low = s.p
	}
	s.compile()
	return s
}

// NewStepper allocates the state: parameters, moments, gradients.
func NewStepper(rt *graph.Runtime, m models.Model, set *ParamSet, opt StepOptions) (*Stepper, error) {
	s := newStepper(rt, m, set, opt)
	s.low = nil
	for _, st := range s.states() {
		a, err := graph.NewState(rt, st.name, st.dtype, st.n)
		if err != nil {
			return nil, err
		}
		*st.array = a
	}
	if s.low == nil {
		s.low = s.p
	}
	if s.frozen != nil {
		if err := s.frozen.allocate(rt, opt.Frozen.Tokens); err != nil {
			return nil, err
		}
	}
	return s, s.SetParams(set.Values)
}

// Reserve takes the memory for temporaries at once.
func (s *Stepper) Reserve(bytes int64) error { return s.arena.Reserve(s.rt, bytes) }

// state is one array that lives as long as the stepper.
type state struct {
	array **graph.Array
	name  string
	dtype metal.DType
	n     int
}

// states lists the arrays that the options ask for.
func (s *Stepper) states() []state {
	n := s.set.Size
	all := []state{
		{&s.p, "trainable parameters", metal.Float32, n},
		{&s.m, "first moments", metal.Float32, n},
		{&s.g, "gradients", metal.Float32, n},
		{&s.hyper, "hyperparameters", metal.Float32, kernels.HyperSize},
		{&s.key, "random key", metal.Uint32, 2},
	}
	if s.opt.Optimizer.FlatSlots() > 1 {
		all = append(all, state{&s.v, "second moments", metal.Float32, n})
	}
	if s.opt.Compute != metal.Float32 {
		all = append(all, state{&s.low, "trainable parameters in " + s.opt.Compute.String(), s.opt.Compute, n})
	}
	return all
}

// stateSizes are the bytes of every state array.
func (s *Stepper) stateSizes() []int64 {
	var sizes []int64
	for _, st := range s.states() {
		sizes = append(sizes, int64(st.n)*int64(st.dtype.Size()))
	}
	return sizes
}

// compile makes the step's functions; they are traced at their first call.
func (s *Stepper) compile() {
	grads := func(add bool) *graph.Compiled {
		return graph.Compile(func(in []*graph.Array) []*graph.Array { return s.gradients(in, add) },
			graph.CompileOptions{Donate: map[int]int{0: 1}, ReuseOutputs: true, Arena: &s.arena})
	}
	s.first, s.more = grads(false), grads(true)
	s.loss = graph.Compile(func(in []*graph.Array) []*graph.Array {
		s.bindParams(in[0], nil)
		return []*graph.Array{s.batchLoss(in[2:], nil)}
	}, graph.CompileOptions{ReuseOutputs: true, Arena: &s.arena})
	s.prefix = graph.Compile(func(in []*graph.Array) []*graph.Array { // in: memory for the states, and a batch
		return []*graph.Array{s.model.Prefix(s.input(in[1:]), s.opt.Frozen.Layers)}
	}, graph.CompileOptions{Donate: map[int]int{0: 0}, ReuseOutputs: true, Arena: &s.arena})
	donate := map[int]int{0: 1, 1: 2}
	if s.opt.Optimizer.FlatSlots() > 1 {
		donate[2] = 3
	}
	if s.opt.Compute != metal.Float32 {
		donate[len(donate)] = len(donate) + 1
	}
	s.update = graph.Compile(s.updateGraph, graph.CompileOptions{Donate: donate, ReuseOutputs: true, Arena: &s.arena})
}

// bindParams points the trainable parameters at their ranges of flat, or at the
// arrays given.
func (s *Stepper) bindParams(flat *graph.Array, arrays []*graph.Array) []*graph.Array {
	out := make([]*graph.Array, len(s.set.Params))
	for i, p := range s.set.Params {
		if arrays != nil {
			out[i] = arrays[i]
		} else {
			out[i] = graph.Reshape(graph.SliceAxis(flat, 0, p.Offset, p.Offset+p.Count), p.Shape...)
		}
		p.Array = out[i]
	}
	return out
}

// input is what the model sees of a batch: tokens, targets, then positions and
// segments of packed rows.
func (s *Stepper) input(in []*graph.Array) nn.Input {
	input := nn.Input{Tokens: in[0], Unfused: s.opt.MLX}
	if !s.opt.Padded {
		input.Positions, input.Segments = in[2], in[3]
	}
	return input
}

// batchLoss is the sum of the losses of the supervised tokens, or their mean. in
// is a batch, then its states if the first layers are not part of the step.
func (s *Stepper) batchLoss(in []*graph.Array, key *graph.Array) *graph.Array {
	s.setDropout(key)
	input := s.input(in)
	if s.frozen != nil {
		input.States, input.Skip = in[len(in)-1], s.frozen.layers
	}
	h, targets := s.model.Hidden(input), graph.Reshape(in[1], in[1].Size())
	if s.opt.MLX {
		return mlxLoss(s.model.Logits(h), targets)
	}
	return graph.Sum(s.model.CrossEntropy(h, targets), nil, false)
}

// mlxLoss is default_loss of mlx_lm/tuner/trainer.py over nn.losses.cross_entropy:
// each token's loss in the dtype of the logits, their mean in float32.
func mlxLoss(logits, targets *graph.Array) *graph.Array {
	n := targets.Size()
	logits = graph.Subtract(logits, graph.StopGradient(graph.Max(logits, []int{1}, true)))
	score := graph.Squeeze(graph.TakeAlongAxis(logits, graph.Reshape(graph.Maximum(targets, 0), n, 1), 1), 1)
	mask := graph.GreaterEqual(targets, 0)
	losses := graph.Multiply(graph.Subtract(graph.LogSumExpUnfused(logits), score), mask)
	return graph.Divide(graph.Sum(graph.AsType(losses, metal.Float32), nil, false), graph.Sum(graph.AsType(mask, metal.Float32), nil, false))
}

// setDropout gives every adapter a mask from its own key.
func (s *Stepper) setDropout(key *graph.Array) {
	n := 0
	for b := range s.model.Blocks() {
		_, layers := nn.Linears(s.model.Block(b))
		for _, l := range layers {
			if l.LoRA == nil {
				continue
			}
			l.LoRA.Mask = nil
			if key != nil && l.LoRA.Dropout > 0 {
				p, k := l.LoRA.Dropout, graph.FoldIn(key, n)
				l.LoRA.Mask = func(shape []int) *graph.Array { return nn.DropoutMask(shape, p, k) }
			}
			n++
		}
	}
}

// gradients is the flat gradient of the loss (added to in[1] if add is set), and
// the loss. in: low, g, key, then the batch.
func (s *Stepper) gradients(in []*graph.Array, add bool) []*graph.Array {
	params := s.bindParams(in[0], nil)
	var key *graph.Array
	if s.opt.Dropout {
		key = in[2]
	}
	outs, grads := graph.ValueAndGradFloat32(func(traced []*graph.Array) []*graph.Array {
		s.bindParams(nil, traced)
		return []*graph.Array{s.batchLoss(in[3:], key)}
	})(params)
	flat := make([]*graph.Array, len(grads))
	for i, g := range grads {
		flat[i] = graph.Reshape(g, g.Size())
	}
	g := graph.Concatenate(flat, 0)
	if add {
		g = graph.Add(in[1], g)
	}
	return []*graph.Array{g, outs[0]}
}

// updateGraph clips and applies the gradients. in: g, p, m[, v][, low], hyper;
// the outputs replace them, and the gradient norm follows.
func (s *Stepper) updateGraph(in []*graph.Array) []*graph.Array {
	g, p, hyper := in[0], in[1], in[len(in)-1]
	// The gradient of the mean is hyper[GradScale] times that of the sum; the
	// norm is that of the mean.
	sq := graph.SumSquares(g)
	gradScale := graph.SliceAxis(hyper, 0, kernels.HyperGradScale, kernels.HyperGradScale+1)
	meanSq := graph.Multiply(sq, graph.Square(gradScale))
	limit := s.opt.MaxGradNorm
	if limit <= 0 {
		limit = math.MaxFloat32
	}
	clip, norm := graph.ClipScale(meanSq, limit)
	// hyper with the clip factor multiplied into the gradient scale.
	scaled := graph.Concatenate([]*graph.Array{
		graph.SliceAxis(hyper, 0, 0, kernels.HyperGradScale),
		graph.Multiply(gradScale, clip),
		graph.SliceAxis(hyper, 0, kernels.HyperGradScale+1, kernels.HyperSize),
	}, 0)
	slots := in[2 : 2+s.opt.Optimizer.FlatSlots()]
	outs := s.opt.Optimizer.ApplyFlat(g, p, slots, scaled, s.set.layout(), s.low.DType())
	return append(outs, norm)
}

// SetParams writes the masters and their copy in the compute dtype.
func (s *Stepper) SetParams(values []float32) error {
	if err := graph.WriteState(s.p, values); err != nil {
		return err
	}
	if s.low != s.p {
		return graph.WriteStateRaw(s.low, narrow(values, s.opt.Compute))
	}
	return nil
}

// moments names the state arrays that a checkpoint holds besides the masters.
func (s *Stepper) moments() map[string]*graph.Array {
	m := map[string]*graph.Array{"m": s.m, "g": s.g}
	if s.v != nil {
		m["v"] = s.v
	}
	return m
}

// Snapshot copies the state to host memory.
func (s *Stepper) Snapshot() (map[string][]float32, error) {
	out := map[string][]float32{}
	var err error
	if out["params"], err = s.Params(); err != nil {
		return nil, err
	}
	for name, a := range s.moments() {
		if out[name], err = graph.ReadState(a); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Restore sets the state from a snapshot.
func (s *Stepper) Restore(t map[string][]float32) error {
	if err := s.SetParams(t["params"]); err != nil {
		return err
	}
	for name, a := range s.moments() {
		v, ok := t[name]
		if !ok {
			return fmt.Errorf("the optimizer state lacks %q", name)
		}
		if err := graph.WriteState(a, v); err != nil {
			return err
		}
	}
	return nil
}

// Params reads the masters.
func (s *Stepper) Params() ([]float32, error) { return graph.ReadState(s.p) }

// Gradients reads the flat gradient accumulated so far.
func (s *Stepper) Gradients() ([]float32, error) { return graph.ReadState(s.g) }

// batch copies b to the device, with its states if the first layers are not part
// of the step.
func (s *Stepper) batch(ctx context.Context, b *data.Batch) ([]*graph.Array, error) {
	if s.frozen == nil {
		return s.write(b)
	}
	states, err := s.frozen.fill(ctx, s, b)
	if err != nil {
		return nil, err
	}
	in, err := s.write(b)
	return append(in, states), err
}

// runPrefix computes the states of b into an array of them.
func (s *Stepper) runPrefix(ctx context.Context, b *data.Batch, into *graph.Array) error {
	in, err := s.write(b)
	if err != nil {
		return err
	}
	_, err = s.profile.call(ctx, s.prefix, append([]*graph.Array{into}, in...))
	return err
}

// write copies b to the device, for what is called next.
func (s *Stepper) write(b *data.Batch) ([]*graph.Array, error) {
	s.profile.begin(b)
	shape := [2]int{b.Rows, b.SeqLen}
	arrays := s.batches[shape]
	if arrays == nil {
		arrays = &batchArrays{}
		for _, a := range []**graph.Array{&arrays.tokens, &arrays.targets, &arrays.positions, &arrays.segments} {
			x, err := graph.NewState(s.rt, "batch", metal.Int32, b.Rows, b.SeqLen)
			if err != nil {
				return nil, err
			}
			*a = x
		}
		s.batches[shape] = arrays
	}
	in := []*graph.Array{arrays.tokens, arrays.targets}
	values := [][]int32{b.Tokens, b.Targets}
	if !s.opt.Padded {
		in, values = append(in, arrays.positions, arrays.segments), append(values, b.Positions, b.Segments)
	}
	for i, v := range values {
		if err := graph.WriteStateRaw(in[i], unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v))); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// Accumulate adds the gradient of a micro-batch (the first of a step replaces
// what was there) and returns its loss: summed, or the mean with StepOptions.MLX.
func (s *Stepper) Accumulate(ctx context.Context, b *data.Batch, first bool, key [2]uint32) (float64, error) {
	in, err := s.batch(ctx, b)
	if err != nil {
		return 0, err
	}
	if err := graph.WriteStateRaw(s.key, unsafe.Slice((*byte)(unsafe.Pointer(&key[0])), 8)); err != nil {
		return 0, err
	}
	f := s.more
	if first {
		f = s.first
	}
	outs, err := s.profile.call(ctx, f, append([]*graph.Array{s.low, s.g, s.key}, in...))
	if err != nil {
		return 0, err
	}
	return graph.Item(ctx, outs[1])
}

// Loss is the loss of a batch, summed or the mean as in Accumulate, without
// dropout.
func (s *Stepper) Loss(ctx context.Context, b *data.Batch) (float64, error) {
	in, err := s.batch(ctx, b)
	if err != nil {
		return 0, err
	}
	outs, err := s.profile.call(ctx, s.loss, append([]*graph.Array{s.low, s.key}, in...))
	if err != nil {
		return 0, err
	}
	return graph.Item(ctx, outs[0])
}

// Update applies the accumulated gradients. count is the number of updates
// including this one; weight is what the gradients are divided by. It returns
// the norm of the mean gradient before clipping.
func (s *Stepper) Update(ctx context.Context, lr float64, count int, weight float64) (float64, error) {
	hyper := s.opt.Optimizer.Hyper(lr, count, 1/max(weight, 1))
	if err := graph.WriteState(s.hyper, hyper[:]); err != nil {
		return 0, err
	}
	outs, err := s.profile.call(ctx, s.update, s.updateArgs())
	if err != nil {
		return 0, err
	}
	norm, err := graph.Item(ctx, outs[len(outs)-1])
	if err == nil && (math.IsNaN(norm) || math.IsInf(norm, 0)) {
		err = fmt.Errorf("train: the gradient norm is %v at update %d: lower the learning rate, or look for broken rows in the data", norm, count)
	}
	return norm, err
}

func (s *Stepper) updateArgs() []*graph.Array {
	args := []*graph.Array{s.g, s.p, s.m}
	if s.v != nil {
		args = append(args, s.v)
	}
	if s.low != s.p {
		args = append(args, s.low)
	}
	return append(args, s.hyper)
}

// batchPlaceholders stand for a batch while planning.
func (s *Stepper) batchPlaceholders(rows, cols int) []*graph.Array {
	n := 4
	if s.opt.Padded {
		n = 2
	}
	in := make([]*graph.Array, n)
	for i := range in {
		in[i] = graph.Placeholder(metal.Int32, rows, cols)
	}
	return in
}

// stepPlaceholders stand for a batch and its states.
func (s *Stepper) stepPlaceholders(rows, cols int) []*graph.Array {
	in := s.batchPlaceholders(rows, cols)
	if s.frozen != nil {
		in = append(in, s.statesPlaceholder(rows, cols))
	}
	return in
}

func (s *Stepper) statesPlaceholder(rows, cols int) *graph.Array {
	return graph.Placeholder(s.frozen.dtype, rows*cols, s.frozen.width)
}

// plans returns the plans of one micro-batch and one update for batches of that
// shape, without running them. more is that of the further micro-batches of an
// update, nil if there are none.
func (s *Stepper) plans(rows, cols int) (micro, more, update *graph.Plan, err error) {
	args := append([]*graph.Array{s.low, s.g, s.key}, s.stepPlaceholders(rows, cols)...)
	if micro, err = s.first.Plan(args); err != nil {
		return nil, nil, nil, err
	}
	if s.opt.Accumulate {
		if more, err = s.more.Plan(args); err != nil {
			return nil, nil, nil, err
		}
	}
	update, err = s.update.Plan(s.updateArgs())
	return micro, more, update, err
}

// lossPlan is the plan of a validation batch.
func (s *Stepper) lossPlan(rows, cols int) (*graph.Plan, error) {
	return s.loss.Plan(append([]*graph.Array{s.low, s.key}, s.stepPlaceholders(rows, cols)...))
}

// prefixPlan is the plan of the layers before the step.
func (s *Stepper) prefixPlan(rows, cols int) (*graph.Plan, error) {
	return s.prefix.Plan(append([]*graph.Array{s.statesPlaceholder(rows, cols)}, s.batchPlaceholders(rows, cols)...))
}
