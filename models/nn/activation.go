package nn

import (
	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn/inits"
)

// The activations as layers, for Sequential. As functions they are in package
// graph, under the names of MLX's functions: graph.Relu, graph.Gelu, ….

// ReLU is max(x, 0). Mirrors nn.ReLU.
type ReLU struct{}

// Forward is graph.Relu.
func (ReLU) Forward(x *graph.Array) *graph.Array { return graph.Relu(x) }

// ReLU2 is max(x, 0)². Mirrors nn.ReLU2.
type ReLU2 struct{}

// Forward is graph.Relu2.
func (ReLU2) Forward(x *graph.Array) *graph.Array { return graph.Relu2(x) }

// ReLU6 is x limited to [0, 6]. Mirrors nn.ReLU6.
type ReLU6 struct{}

// Forward is graph.Relu6.
func (ReLU6) Forward(x *graph.Array) *graph.Array { return graph.Relu6(x) }

// SiLU is x·sigmoid(x). Mirrors nn.SiLU.
type SiLU struct{}

// Forward is graph.Silu.
func (SiLU) Forward(x *graph.Array) *graph.Array { return graph.Silu(x) }

// SELU is the scaled ELU. Mirrors nn.SELU.
type SELU struct{}

// Forward is graph.Selu.
func (SELU) Forward(x *graph.Array) *graph.Array { return graph.Selu(x) }

// Softplus is ln(1+eˣ). Mirrors nn.Softplus.
type Softplus struct{}

// Forward is graph.Softplus.
func (Softplus) Forward(x *graph.Array) *graph.Array { return graph.Softplus(x) }

// Softsign is x/(1+|x|). Mirrors nn.Softsign.
type Softsign struct{}

// Forward is graph.Softsign.
func (Softsign) Forward(x *graph.Array) *graph.Array { return graph.Softsign(x) }

// LogSigmoid is ln sigmoid(x). Mirrors nn.LogSigmoid.
type LogSigmoid struct{}

// Forward is graph.LogSigmoid.
func (LogSigmoid) Forward(x *graph.Array) *graph.Array { return graph.LogSigmoid(x) }

// Mish is x·tanh(softplus(x)). Mirrors nn.Mish.
type Mish struct{}

// Forward is graph.Mish.
func (Mish) Forward(x *graph.Array) *graph.Array { return graph.Mish(x) }

// Hardswish is x·min(max(x+3, 0), 6)/6. Mirrors nn.Hardswish.
type Hardswish struct{}

// Forward is graph.HardSwish.
func (Hardswish) Forward(x *graph.Array) *graph.Array { return graph.HardSwish(x) }

// Sigmoid is the function of that name. Mirrors nn.Sigmoid and
// nn.sigmoid.
type Sigmoid struct{}

// Forward is graph.Sigmoid.
func (Sigmoid) Forward(x *graph.Array) *graph.Array { return graph.Sigmoid(x) }

// Tanh is the function of that name. Mirrors nn.Tanh and nn.tanh.
type Tanh struct{}

// Forward is graph.Tanh.
func (Tanh) Forward(x *graph.Array) *graph.Array { return graph.Tanh(x) }

// Softmax is the softmax along the last axis. Mirrors nn.Softmax and
// nn.softmax.
type Softmax struct{}

// Forward is graph.Softmax.
func (Softmax) Forward(x *graph.Array) *graph.Array { return graph.Softmax(x, -1) }

// Softmin is the softmax of -x along the last axis. Mirrors nn.Softmin.
type Softmin struct{}

// Forward is graph.Softmin.
func (Softmin) Forward(x *graph.Array) *graph.Array { return graph.Softmin(x, -1) }

// LogSoftmax is the logarithm of the softmax along the last axis. Mirrors nn.LogSoftmax.
type LogSoftmax struct{}

// Forward is graph.LogSoftmax.
func (LogSoftmax) Forward(x *graph.Array) *graph.Array { return graph.LogSoftmax(x, -1) }

// LeakyReLU is max(Slope·x, x); MLX's slope is 0.01. Mirrors nn.LeakyReLU.
type LeakyReLU struct{ Slope float64 }

// Forward is graph.LeakyRelu.
func (l LeakyReLU) Forward(x *graph.Array) *graph.Array { return graph.LeakyRelu(x, l.Slope) }

// ELU is x, and Alpha·(eˣ-1) where x is negative; MLX's alpha is 1. Mirrors nn.ELU.
type ELU struct{ Alpha float64 }

// Forward is graph.Elu.
func (l ELU) Forward(x *graph.Array) *graph.Array { return graph.Elu(x, l.Alpha) }

// CELU is ELU with a smooth derivative; MLX's alpha is 1. Mirrors nn.CELU.
type CELU struct{ Alpha float64 }

// Forward is graph.Celu.
func (l CELU) Forward(x *graph.Array) *graph.Array { return graph.Celu(x, l.Alpha) }

// Softshrink is x moved towards 0 by Lambda; MLX's lambda is 0.5. Mirrors nn.Softshrink.
type Softshrink struct{ Lambda float64 }

// Forward is graph.Softshrink.
func (l Softshrink) Forward(x *graph.Array) *graph.Array { return graph.Softshrink(x, l.Lambda) }

// HardShrink is x, and 0 within ±Lambda; MLX's lambda is 0.5. Mirrors nn.HardShrink.
type HardShrink struct{ Lambda float64 }

// Forward is graph.HardShrink.
func (l HardShrink) Forward(x *graph.Array) *graph.Array { return graph.HardShrink(x, l.Lambda) }

// Step is 1 where x ≥ Threshold and 0 elsewhere; MLX's threshold is 0. Mirrors nn.Step.
type Step struct{ Threshold float64 }

// Forward is graph.Step.
func (l Step) Forward(x *graph.Array) *graph.Array { return graph.Step(x, l.Threshold) }

// HardTanh is x limited to [-1, 1]. Mirrors nn.HardTanh.
type HardTanh struct{}

// Forward is graph.HardTanh.
func (HardTanh) Forward(x *graph.Array) *graph.Array { return graph.HardTanh(x, -1, 1) }

// GELUForm is one of the ways to compute GELU.
type GELUForm int

// The forms: exact, with a tanh, with a sigmoid.
const (
	GELUExact GELUForm = iota
	GELUTanh
	GELUFast
)

// GELU is x·Φ(x) or an approximation of it. Mirrors nn.GELU.
type GELU struct{ Form GELUForm }

// Forward is graph.Gelu, graph.GeluApprox or graph.GeluFastApprox.
func (l GELU) Forward(x *graph.Array) *graph.Array {
	switch l.Form {
	case GELUTanh:
		return graph.GeluApprox(x)
	case GELUFast:
		return graph.GeluFastApprox(x)
	}
	return graph.Gelu(x)
}

// GLU is the first half of x along Axis times the sigmoid of the second; MLX's
// axis is -1. Mirrors nn.GLU.
type GLU struct{ Axis int }

// Forward is graph.Glu.
func (l GLU) Forward(x *graph.Array) *graph.Array { return graph.Glu(x, l.Axis) }

// PReLU is x, and Weight·x where x is negative. Mirrors nn.PReLU.
type PReLU struct {
	Weight *Param // [n], one or one per channel
}

// NewPReLU is a layer of n slopes that begin at init; MLX's are 1 and 0.25.
func NewPReLU(n int, init float64) *PReLU {
	return &PReLU{newParam(inits.Constant(init, metal.Float32), n)}
}

// Forward is graph.Prelu.
func (l *PReLU) Forward(x *graph.Array) *graph.Array { return graph.Prelu(x, l.Weight.array()) }
