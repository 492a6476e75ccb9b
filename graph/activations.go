package graph

import "math"

// The activation functions of mlx.nn, composed as MLX composes them.

// Relu is max(a, 0). Mirrors nn.relu.
func Relu(a *Array) *Array { return Maximum(a, 0) }

// Relu2 is max(a, 0)². Mirrors nn.relu2.
func Relu2(a *Array) *Array { return Square(Relu(a)) }

// Relu6 is a limited to [0, 6]. Mirrors nn.relu6.
func Relu6(a *Array) *Array { return Minimum(Relu(a), 6.0) }

// LeakyRelu is max(slope·a, a); MLX's slope is 0.01. Mirrors nn.leaky_relu.
func LeakyRelu(a *Array, slope float64) *Array { return Maximum(Multiply(slope, a), a) }

// Prelu is a, and alpha·a where a is negative. Mirrors nn.prelu.
func Prelu(a, alpha *Array) *Array {
	return Add(Maximum(0, a), Multiply(alpha, Minimum(0, a)))
}

// Elu is a, and alpha·(eᵃ-1) where a is negative. Mirrors nn.elu.
func Elu(a *Array, alpha float64) *Array {
	return Where(Greater(a, 0), a, Multiply(alpha, Subtract(Exp(a), 1)))
}

// Celu is Elu with a smooth derivative for every alpha. Mirrors nn.celu.
func Celu(a *Array, alpha float64) *Array {
	tail := Subtract(Exp(Divide(Minimum(a, 0.0), alpha)), 1)
	return Add(Maximum(a, 0.0), Multiply(alpha, tail))
}

// Selu is the scaled Elu that keeps mean 0 and variance 1. Mirrors nn.selu.
func Selu(a *Array) *Array { return Multiply(Elu(a, 1.67326), 1.0507) }

// Softplus is ln(1+eᵃ). Mirrors nn.softplus.
func Softplus(a *Array) *Array { return LogAddExp(a, 0) }

// Softsign is a/(1+|a|). Mirrors nn.softsign.
func Softsign(a *Array) *Array { return Divide(a, Add(1, Abs(a))) }

// Softmin is the softmax of -a. Mirrors nn.softmin.
func Softmin(a *Array, axis int) *Array { return Softmax(Negative(a), axis) }

// LogSoftmax is the logarithm of the softmax along axis. Mirrors nn.log_softmax.
func LogSoftmax(a *Array, axis int) *Array {
	over := []int{axis}
	a = Subtract(a, StopGradient(Max(a, over, true)))
	return Subtract(a, LogSumExp(a, over, true))
}

// LogSigmoid is ln sigmoid(a). Mirrors nn.log_sigmoid.
func LogSigmoid(a *Array) *Array { return Negative(Softplus(Negative(a))) }

// Mish is a·tanh(softplus(a)). Mirrors nn.mish.
func Mish(a *Array) *Array { return Multiply(a, Tanh(Softplus(a))) }

// HardSwish is a·min(max(a+3, 0), 6)/6. Mirrors nn.hardswish.
func HardSwish(a *Array) *Array {
	return Divide(Multiply(a, Minimum(Maximum(Add(a, 3), 0), 6)), 6)
}

// HardTanh is a limited to [lo, hi]; MLX's limits are -1 and 1. Mirrors
// nn.hard_tanh.
func HardTanh(a *Array, lo, hi float64) *Array { return Minimum(Maximum(a, lo), hi) }

// HardShrink is a, and 0 within ±lambda; MLX's lambda is 0.5. Mirrors
// nn.hard_shrink.
func HardShrink(a *Array, lambda float64) *Array { return Where(Greater(Abs(a), lambda), a, 0) }

// Softshrink is a moved towards 0 by lambda; MLX's lambda is 0.5. Mirrors
// nn.softshrink.
func Softshrink(a *Array, lambda float64) *Array {
	return Where(Greater(Abs(a), lambda), Subtract(a, Multiply(Sign(a), lambda)), 0)
}

// GeluApprox is Gelu with a tanh in Φ's place. Mirrors nn.gelu_approx.
func GeluApprox(a *Array) *Array {
	inner := Multiply(math.Sqrt(2/math.Pi), Add(a, Multiply(0.044715, Power(a, 3))))
	return Multiply(Multiply(0.5, a), Add(1, Tanh(inner)))
}

// GeluFastApprox is a·sigmoid(1.702·a). Mirrors nn.gelu_fast_approx.
func GeluFastApprox(a *Array) *Array { return Multiply(a, Sigmoid(Multiply(1.702, a))) }

// Glu is the first half of a along axis times the sigmoid of the second. Mirrors
// nn.glu.
func Glu(a *Array, axis int) *Array {
	h := SplitEqual(a, 2, axis)
	return Multiply(h[0], Sigmoid(h[1]))
}

// Step is 1 where a ≥ threshold and 0 elsewhere, as int32. Mirrors nn.step.
func Step(a *Array, threshold float64) *Array { return Where(GreaterEqual(a, threshold), 1, 0) }
