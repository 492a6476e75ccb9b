package graphtest

import (
	"context"
	"math"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

var optimOps = map[string]*opEntry{
	"optim.update": {raw: true, class: composed, fn: optimize,
		params: "kind learning_rate momentum dampening nesterov weight_decay betas eps bias_correction alpha rho beta_1 " +
			"scale_parameter relative_step warmup_init clip_threshold decay_rate ns_steps"},
	"optim.schedule": {params: "schedule_spec", raw: true, class: transcendental, fn: func(c *call) []*graph.Array {
		spec, _ := c.named["schedule_spec"].(map[string]any)
		return one(graph.AsType(schedule(spec, c.ins[0]), metal.Float32))
	}},
	"optim.clip_grad_norm": {params: "max_norm", raw: true, class: composed, fn: func(c *call) []*graph.Array {
		var sum *graph.Array
		dt := c.ins[0].DType()
		for _, g := range c.ins {
			s := graph.SumSquares(g)
			if sum == nil {
				sum = s
			} else {
				sum = graph.Add(sum, s)
			}
			dt = graph.Promote(dt, g.DType())
		}
		scale, norm := graph.ClipScale(sum, c.number("max_norm", 0))
		var out []*graph.Array
		for _, g := range c.ins {
			out = append(out, graph.Multiply(g, graph.AsType(graph.Reshape(scale), dt)))
		}
		return append(out, graph.AsType(graph.Reshape(norm), dt))
	}},
}

// schedule is a learning rate at each of steps.
func schedule(spec map[string]any, steps *graph.Array) *graph.Array {
	c := &call{name: "schedule", named: spec}
	start := c.number("init", 0)
	switch c.text("kind", "") {
	case "exponential_decay":
		return graph.Multiply(start, graph.Power(c.number("decay_rate", 1), steps))
	case "step_decay":
		return graph.Multiply(start, graph.Power(c.number("decay_rate", 1), graph.FloorDivide(steps, c.integer("step_size", 1))))
	case "cosine_decay":
		n, end := c.integer("decay_steps", 1), c.number("end", 0)
		angle := graph.Multiply(math.Pi/float64(n), graph.Minimum(steps, n))
		return graph.Add(end, graph.Multiply(graph.Multiply(0.5, graph.Add(1.0, graph.Cos(angle))), start-end))
	case "linear_schedule":
		n := c.integer("steps", 1)
		return graph.Add(graph.Multiply(graph.Minimum(steps, n), (c.number("end", 0)-start)/float64(n)), start)
	case "join_schedules":
		parts, bounds := c.list("schedules"), c.ints("boundaries")
		first, _ := parts[0].(map[string]any)
		out := schedule(first, steps)
		for i, b := range bounds {
			next, _ := parts[i+1].(map[string]any)
			out = graph.Where(graph.Less(steps, b), out, schedule(next, graph.Subtract(steps, b)))
		}
		return out
	}
	unsupported("schedule %v", spec["kind"])
	return nil
}

// learningRates is the rate of each update.
func learningRates(c *call, updates int) []float64 {
	rates := make([]float64, updates)
	spec, scheduled := c.named["learning_rate"].(map[string]any)
	if !scheduled {
		for i := range rates {
			rates[i] = c.number("learning_rate", 0)
		}
		return rates
	}
	v, err := graph.Floats(context.Background(), schedule(spec, graph.Arange(0, float64(updates), 1, metal.Int32)))
	if err != nil {
		unsupported("schedule: %v", err)
	}
	return v
}

// optimize runs one update per gradient; outputs are the parameter after each,
// then the state by name.
func optimize(c *call) []*graph.Array {
	rates := learningRates(c, len(c.ins)-1)
	switch c.text("kind", "") {
	case "SGD":
		return fusedSGD(c, rates)
	case "Adam", "AdamW":
		return fusedAdamW(c, rates)
	}
	return ruleSteps(c, rates)
}

// betas are the two decay rates.
func (c *call) betas(first, second float64) (float64, float64) {
	if !c.has("betas") {
		return first, second
	}
	pair := &call{name: c.name, named: map[string]any{"0": c.list("betas")[0], "1": c.list("betas")[1]}}
	return pair.number("0", first), pair.number("1", second)
}

// flatFloat32 is a as the training step keeps it.
func flatFloat32(a *graph.Array) *graph.Array {
	return graph.AsType(graph.Reshape(a, -1), metal.Float32)
}

// fusedSGD runs the kernel that training uses: masters in float32, rounded to
// the dtype that MLX's result has.
func fusedSGD(c *call, rates []float64) []*graph.Array {
	opt := kernels.SGDOptions{Momentum: c.number("momentum", 0), Dampening: c.number("dampening", 0), WeightDecay: c.number("weight_decay", 0),
		Nesterov: c.flag("nesterov", false)}
	shape, dt := c.ins[0].Shape(), graph.Promote(c.ins[0].DType(), c.ins[1].DType())
	p := flatFloat32(c.ins[0])
	v := graph.ZerosLike(p)
	var outs []*graph.Array
	for i, g := range c.ins[1:] {
		hyper := kernels.Hyper(rates[i], i+1, 1, kernels.AdamWOptions{})
		r := graph.SGD(flatFloat32(g), p, v, graph.FromSlice(hyper[:]), opt)
		p, v = r[0], r[1]
		outs = append(outs, graph.AsType(graph.Reshape(p, shape...), dt))
	}
	if opt.Momentum <= 0 {
		return append(outs, graph.ZerosLike(c.ins[0])) // MLX's state is not touched
	}
	return append(outs, graph.AsType(graph.Reshape(v, shape...), dt))
}

// fusedAdamW runs the kernel that training uses.
func fusedAdamW(c *call, rates []float64) []*graph.Array {
	opt := kernels.AdamWOptions{Eps: c.number("eps", 1e-8), BiasCorrection: c.flag("bias_correction", false)}
	opt.Beta1, opt.Beta2 = c.betas(0.9, 0.999)
	shape, dt := c.ins[0].Shape(), graph.Promote(c.ins[0].DType(), c.ins[1].DType())
	if c.text("kind", "") == "AdamW" {
		opt.WeightDecay, opt.DecayCount = c.number("weight_decay", 0.01), c.ins[0].Size()
	}
	p := flatFloat32(c.ins[0])
	m, v := graph.ZerosLike(p), graph.ZerosLike(p)
	restore := func(a *graph.Array) *graph.Array { return graph.AsType(graph.Reshape(a, shape...), dt) }
	var outs []*graph.Array
	for i, g := range c.ins[1:] {
		hyper := kernels.Hyper(rates[i], i+1, 1, opt)
		r := graph.AdamW(flatFloat32(g), p, m, v, graph.FromSlice(hyper[:]), opt, metal.Float32)
		p, m, v = r[0], r[1], r[2]
		outs = append(outs, restore(p))
	}
	return append(outs, restore(m), restore(v))
}

// ruleSteps runs the composed rules.
func ruleSteps(c *call, rates []float64) []*graph.Array {
	p := c.ins[0]
	zero := graph.ZerosLike(p)
	m, v, u := zero, zero, zero
	var factored graph.AdafactorState
	var outs []*graph.Array
	for i, g := range c.ins[1:] {
		lr := rates[i]
		switch kind := c.text("kind", ""); kind {
		case "RMSprop":
			p, v = graph.RMSProp(g, p, v, lr, c.number("alpha", 0.99), c.number("eps", 1e-8))
		case "Adagrad":
			p, v = graph.Adagrad(g, p, v, lr, c.number("eps", 1e-8))
		case "AdaDelta":
			p, v, u = graph.AdaDelta(g, p, v, u, lr, c.number("rho", 0.9), c.number("eps", 1e-6))
		case "Adamax":
			b1, b2 := c.betas(0.9, 0.999)
			p, m, v = graph.Adamax(g, p, m, v, lr, b1, b2, c.number("eps", 1e-8))
		case "Lion":
			b1, b2 := c.betas(0.9, 0.99)
			p, m = graph.Lion(g, p, m, lr, b1, b2, c.number("weight_decay", 0))
		case "Muon":
			p, v = graph.Muon(g, p, v, graph.MuonOptions{LR: lr, Momentum: c.number("momentum", 0.95), WeightDecay: c.number("weight_decay", 0.01),
				Nesterov: c.flag("nesterov", true), Steps: c.integer("ns_steps", 5)})
		case "Adafactor":
			opt := c.adafactor(lr)
			if i == 0 {
				factored = graph.NewAdafactorState(p, opt)
			}
			p, factored = graph.Adafactor(g, p, factored, i+1, opt)
		default:
			unsupported("optimizer %s", kind)
		}
		outs = append(outs, p)
	}
	for _, s := range []*graph.Array{factored.Mean, factored.Square, factored.Col, factored.Row, m, u, v} { // by name
		if s != nil && s != zero {
			outs = append(outs, s)
		}
	}
	return outs
}

func (c *call) adafactor(lr float64) graph.AdafactorOptions {
	opt := graph.AdafactorOptions{LR: lr, Eps1: 1e-30, Eps2: 1e-3, ClipThreshold: c.number("clip_threshold", 1), DecayRate: c.number("decay_rate", -0.8),
		WeightDecay: c.number("weight_decay", 0), ScaleParameter: c.flag("scale_parameter", true), RelativeStep: c.flag("relative_step", true),
		WarmupInit: c.flag("warmup_init", false)}
	if c.has("beta_1") {
		b := c.number("beta_1", 0)
		opt.Beta1 = &b
	}
	if c.has("eps") {
		pair := &call{name: c.name, named: map[string]any{"0": c.list("eps")[0], "1": c.list("eps")[1]}}
		opt.Eps1, opt.Eps2 = pair.number("0", 0), pair.number("1", 0)
	}
	return opt
}
