package graph

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// Optimizer rules of mlx.optimizers, each one step of one parameter p with its
// gradient g, composed as MLX composes them: they keep p's dtype where MLX does.
// The learning rate lr is a number or an array of one element, as is the number
// of the step, from 1. Package train/optim makes optimizers of them; for float32
// it takes the fused AdamW and SGD.

// SGDUnfused is one step of SGD composed of single ops. It returns the new
// parameter and v, which stays as it is without momentum. Mirrors optimizers.SGD.
func SGDUnfused(g, p, v *Array, lr any, opt kernels.SGDOptions) (newP, newV *Array) {
	present("SGDUnfused", g, p, v)
	if opt.WeightDecay != 0 {
		g = Add(g, Multiply(opt.WeightDecay, p))
	}
	update := g
	if opt.Momentum > 0 {
		v = Multiply(opt.Momentum, v)
		if opt.Dampening > 0 {
			v = Add(v, Multiply(1-opt.Dampening, g))
		} else {
			v = Add(v, g)
		}
		update = v
		if opt.Nesterov {
			update = Add(g, Multiply(opt.Momentum, v))
		}
	}
	return Subtract(p, Multiply(lrLike(lr, g), update)), v
}

// AdamWUnfused is one step of AdamW composed of single ops, or, without weight
// decay, of Adam. step counts for the bias correction alone, DecayCount not at
// all. It returns the new parameter, m and v. Mirrors optimizers.AdamW and
// optimizers.Adam.
func AdamWUnfused(g, p, m, v *Array, lr, step any, opt kernels.AdamWOptions) (newP, newM, newV *Array) {
	rate := lrLike(lr, g)
	if opt.WeightDecay != 0 {
		p = Multiply(p, Subtract(1, Multiply(rate, opt.WeightDecay)))
	}
	m = Add(Multiply(opt.Beta1, m), Multiply(1-opt.Beta1, g))
	v = Add(Multiply(opt.Beta2, v), Multiply(1-opt.Beta2, Square(g)))
	if !opt.BiasCorrection {
		return Subtract(p, Divide(Multiply(rate, m), Add(Sqrt(v), opt.Eps))), m, v
	}
	c1, c2 := adamCorrection(rate, step, opt)
	c1, c2 = AsType(c1, g.dtype), AsType(c2, g.dtype)
	return Subtract(p, Divide(Multiply(c1, m), Add(Multiply(Sqrt(v), c2), opt.Eps))), m, v
}

// adamCorrection is Adam's bias correction at a step: lr/(1-β1ˢ) and 1/√(1-β2ˢ).
func adamCorrection(lr *Array, step any, opt kernels.AdamWOptions) (stepSize, vScale *Array) {
	n := AsType(asArray("step", step), metal.Float32)
	return Divide(lr, Subtract(1.0, Power(opt.Beta1, n))), Rsqrt(Subtract(1.0, Power(opt.Beta2, n)))
}

// Hyper is the settings of one step that AdamW and SGD read, which kernels.Hyper
// fills on the host, computed from the learning rate and the number of the step,
// each a number or an array of one element. The gradients' factor is 1.
func Hyper(lr, step any, opt kernels.AdamWOptions) *Array {
	rate := asArray("Hyper", lr)
	check(rate.Size() == 1, "Hyper", "the learning rate is %v, want a number or an array of one element", rate)
	rate = AsType(Reshape(rate, 1), metal.Float32)
	one := Ones([]int{1}, metal.Float32)
	stepSize, vScale := rate, one
	if opt.BiasCorrection {
		stepSize, vScale = adamCorrection(rate, step, opt)
		stepSize, vScale = Reshape(stepSize, 1), Reshape(vScale, 1)
	}
	parts := make([]*Array, kernels.HyperSize)
	for i := range parts {
		parts[i] = one
	}
	parts[kernels.HyperLR], parts[kernels.HyperStepSize], parts[kernels.HyperVScale] = rate, stepSize, vScale
	return Concatenate(parts, 0)
}

// RMSProp returns the new parameter and v. Mirrors optimizers.RMSprop.
func RMSProp(g, p, v *Array, lr any, alpha, eps float64) (newP, newV *Array) {
	v = Add(Multiply(alpha, v), Multiply(1-alpha, Square(g)))
	return Subtract(p, Divide(Multiply(lrLike(lr, g), g), Add(Sqrt(v), eps))), v
}

// Adagrad returns the new parameter and v. Mirrors optimizers.Adagrad.
func Adagrad(g, p, v *Array, lr any, eps float64) (newP, newV *Array) {
	v = Add(v, Square(g))
	return Subtract(p, Divide(Multiply(lrLike(lr, g), g), Add(Sqrt(v), eps))), v
}

// AdaDelta returns the new parameter, v and u. Mirrors optimizers.AdaDelta.
func AdaDelta(g, p, v, u *Array, lr any, rho, eps float64) (newP, newV, newU *Array) {
	v = Add(Multiply(rho, v), Multiply(1-rho, Square(g)))
	d := Multiply(Divide(Sqrt(Add(u, eps)), Sqrt(Add(v, eps))), g)
	u = Add(Multiply(rho, u), Multiply(1-rho, Square(d)))
	return Subtract(p, Multiply(lrLike(lr, g), d)), v, u
}

// Adamax returns the new parameter, m and v. Mirrors optimizers.Adamax.
func Adamax(g, p, m, v *Array, lr any, beta1, beta2, eps float64) (newP, newM, newV *Array) {
	m = Add(Multiply(beta1, m), Multiply(1-beta1, g))
	v = Maximum(Multiply(beta2, v), Abs(g))
	return Subtract(p, Divide(Multiply(lrLike(lr, g), m), Add(v, eps))), m, v
}

// Lion returns the new parameter and m. Mirrors optimizers.Lion.
func Lion(g, p, m *Array, lr any, beta1, beta2, decay float64) (newP, newM *Array) {
	step := lrLike(lr, g)
	c := Add(Multiply(beta1, m), Multiply(1-beta1, g))
	m = Add(Multiply(beta2, m), Multiply(1-beta2, g))
	if decay > 0 {
		p = Multiply(Subtract(1, Multiply(step, decay)), p)
	}
	return Subtract(p, Multiply(step, Sign(c))), m
}

// lrLike is the learning rate in g's dtype.
func lrLike(lr any, g *Array) *Array {
	present("learning rate", g)
	rate := asArray("learning rate", lr)
	check(rate.Size() == 1, "learning rate", "it is %v, want a number or an array of one element", rate)
	return AsType(Reshape(rate), g.dtype)
}

// AdafactorOptions are Adafactor's settings. LR, a number or an array of one
// element, is unused with RelativeStep.
type AdafactorOptions struct {
	LR                                                any
	Eps1, Eps2, ClipThreshold, DecayRate, WeightDecay float64
	Beta1                                             *float64 // nil: no first moment
	ScaleParameter, RelativeStep, WarmupInit          bool
}

// AdafactorState is Adafactor's memory: Row and Col for arrays of two or more
// axes, Square for others, and Mean with a first moment.
type AdafactorState struct{ Row, Col, Square, Mean *Array }

// NewAdafactorState is the state before the first step.
func NewAdafactorState(p *Array, opt AdafactorOptions) AdafactorState {
	present("NewAdafactorState", p)
	var s AdafactorState
	if n := len(p.shape); n >= 2 {
		s.Row = Zeros(p.shape[:n-1], p.dtype)
		s.Col = Zeros(append(append([]int{}, p.shape[:n-2]...), p.shape[n-1]), p.dtype)
	} else {
		s.Square = ZerosLike(p)
	}
	if opt.Beta1 != nil {
		s.Mean = ZerosLike(p)
	}
	return s
}

func rootMeanSquare(a *Array) *Array { return Sqrt(Mean(Square(a), nil, false)) }

// Adafactor returns the new parameter and state of update number step.
// Mirrors optimizers.Adafactor.
func Adafactor(g, p *Array, s AdafactorState, step any, opt AdafactorOptions) (*Array, AdafactorState) {
	present("Adafactor", g, p)
	rms := rootMeanSquare(p)
	n, lr := AsType(asArray("Adafactor", step), metal.Float32), opt.LR
	if opt.RelativeStep {
		var most any = 1e-2
		if opt.WarmupInit {
			most = Multiply(1e-6, n)
		}
		lr = Minimum(most, Rsqrt(n))
	}
	rate := lrLike(lr, rms)
	if opt.ScaleParameter {
		rate = Multiply(Maximum(opt.Eps2, rms), rate)
	}
	decay := AsType(Power(n, opt.DecayRate), rms.dtype)
	beta2 := Subtract(1.0, decay)
	average := func(old, x *Array) *Array { return Add(Multiply(beta2, old), Multiply(Subtract(1, beta2), x)) }
	update := Add(Square(g), opt.Eps1)
	if s.Row != nil {
		s.Row, s.Col = average(s.Row, Mean(update, []int{-1}, false)), average(s.Col, Mean(update, []int{-2}, false))
		r := Rsqrt(Divide(s.Row, Mean(s.Row, []int{-1}, true)))
		update = Multiply(Multiply(ExpandDims(r, -1), ExpandDims(Rsqrt(s.Col), -2)), g)
	} else {
		s.Square = average(s.Square, update)
		update = Multiply(Rsqrt(s.Square), g)
	}
	update = Divide(update, Maximum(1.0, Divide(rootMeanSquare(update), opt.ClipThreshold)))
	update = Multiply(rate, update)
	if opt.Beta1 != nil {
		s.Mean = Add(Multiply(*opt.Beta1, s.Mean), Multiply(1-*opt.Beta1, update))
		update = s.Mean
	}
	if opt.WeightDecay != 0 {
		p = Add(p, Multiply(p, Multiply(-opt.WeightDecay, rate)))
	}
	return Subtract(p, update), s
}

// MuonOptions are Muon's settings.
type MuonOptions struct {
	LR                    any // a number or an array of one element
	Momentum, WeightDecay float64
	Nesterov              bool
	Steps                 int // of the Newton-Schulz iteration
}

// Muon returns the new parameter and v. Mirrors optimizers.Muon.
func Muon(g, p, v *Array, opt MuonOptions) (newP, newV *Array) {
	present("Muon", g, p, v)
	check(slices.Equal(g.shape, p.shape) && slices.Equal(v.shape, p.shape), "Muon", "gradient, parameter and state are %v, %v and %v, want one shape", g, p, v)
	if opt.WeightDecay != 0 {
		g = Add(g, Multiply(opt.WeightDecay, p))
	}
	v = Add(Multiply(opt.Momentum, v), Multiply(1-opt.Momentum, g))
	update := v
	if opt.Nesterov {
		update = Add(Multiply(g, 1-opt.Momentum), Multiply(v, opt.Momentum))
	}
	rate := lrLike(opt.LR, g)
	check(opt.Steps >= 0 && opt.Steps <= 100, "Muon", "%d steps, want 0 to 100", opt.Steps)
	if n := len(p.shape); n >= 2 {
		shape := update.shape
		update = Reshape(orthogonal(Reshape(update, shape[0], -1), opt.Steps), shape...)
		rate = Multiply(rate, math.Sqrt(max(1, float64(shape[n-2])/float64(shape[n-1]))))
	}
	return Subtract(p, Multiply(rate, update)), v
}

// orthogonal is near the orthogonal factor of x, by Newton-Schulz steps.
func orthogonal(x *Array, steps int) *Array {
	const a, b, c = 3.4445, -4.7750, 2.0315
	tall := x.shape[0] > x.shape[1]
	if tall {
		x = Transpose(x)
	}
	x = Divide(x, Add(L2Norm(x, nil, true), 1e-7))
	for range steps {
		gram := Matmul(x, Transpose(x))
		x = AddMM(Multiply(a, x), AddMM(Multiply(b, gram), gram, gram, c, 1), x, 1, 1)
	}
	if tall {
		x = Transpose(x)
	}
	return x
}
