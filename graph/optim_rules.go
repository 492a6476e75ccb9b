package graph

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// Optimizer rules of mlx.optimizers, each one step of one parameter p with its
// gradient g, composed as MLX composes them: they keep p's dtype where MLX does.
// Training uses the fused AdamW and SGD over flat arrays.

// RMSProp returns the new parameter and v. Mirrors optimizers.RMSprop.
func RMSProp(g, p, v *Array, lr, alpha, eps float64) (newP, newV *Array) {
	v = Add(Multiply(alpha, v), Multiply(1-alpha, Square(g)))
	return Subtract(p, Divide(Multiply(lrLike(lr, g), g), Add(Sqrt(v), eps))), v
}

// Adagrad returns the new parameter and v. Mirrors optimizers.Adagrad.
func Adagrad(g, p, v *Array, lr, eps float64) (newP, newV *Array) {
	v = Add(v, Square(g))
	return Subtract(p, Divide(Multiply(lrLike(lr, g), g), Add(Sqrt(v), eps))), v
}

// AdaDelta returns the new parameter, v and u. Mirrors optimizers.AdaDelta.
func AdaDelta(g, p, v, u *Array, lr, rho, eps float64) (newP, newV, newU *Array) {
	v = Add(Multiply(rho, v), Multiply(1-rho, Square(g)))
	d := Multiply(Divide(Sqrt(Add(u, eps)), Sqrt(Add(v, eps))), g)
	u = Add(Multiply(rho, u), Multiply(1-rho, Square(d)))
	return Subtract(p, Multiply(lrLike(lr, g), d)), v, u
}

// Adamax returns the new parameter, m and v. Mirrors optimizers.Adamax.
func Adamax(g, p, m, v *Array, lr, beta1, beta2, eps float64) (newP, newM, newV *Array) {
	m = Add(Multiply(beta1, m), Multiply(1-beta1, g))
	v = Maximum(Multiply(beta2, v), Abs(g))
	return Subtract(p, Divide(Multiply(lrLike(lr, g), m), Add(v, eps))), m, v
}

// Lion returns the new parameter and m. Mirrors optimizers.Lion.
func Lion(g, p, m *Array, lr, beta1, beta2, decay float64) (newP, newM *Array) {
	present("Lion", g)
	step := lrLike(lr, g)
	c := Add(Multiply(beta1, m), Multiply(1-beta1, g))
	m = Add(Multiply(beta2, m), Multiply(1-beta2, g))
	if decay > 0 {
		p = Multiply(Subtract(1, Multiply(step, decay)), p)
	}
	return Subtract(p, Multiply(step, Sign(c))), m
}

// lrLike is the learning rate in g's dtype.
func lrLike(lr float64, g *Array) *Array { return AsType(Scalar(lr, metal.Float32), g.dtype) }

// AdafactorOptions are Adafactor's settings. LR is unused with RelativeStep.
type AdafactorOptions struct {
	LR, Eps1, Eps2, ClipThreshold, DecayRate, WeightDecay float64
	Beta1                                                 *float64 // nil: no first moment
	ScaleParameter, RelativeStep, WarmupInit              bool
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

// Adafactor returns the new parameter and state of update number step (from 1).
// Mirrors optimizers.Adafactor.
func Adafactor(g, p *Array, s AdafactorState, step int, opt AdafactorOptions) (*Array, AdafactorState) {
	rms := rootMeanSquare(p)
	lr := opt.LR
	if opt.RelativeStep {
		floor := 1e-2
		if opt.WarmupInit {
			floor = float64(float32(1e-6) * float32(step))
		}
		lr = min(floor, float64(float32(1/math.Sqrt(float64(step)))))
	}
	rate := lrLike(lr, rms)
	if opt.ScaleParameter {
		rate = Multiply(Maximum(opt.Eps2, rms), rate)
	}
	decay := AsType(Scalar(math.Pow(float64(step), opt.DecayRate), metal.Float32), rms.dtype)
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
	LR, Momentum, WeightDecay float64
	Nesterov                  bool
	Steps                     int // of the Newton-Schulz iteration
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
