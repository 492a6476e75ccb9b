package graph

import "math"

// The losses of mlx.nn.losses, composed as MLX composes them. Each is one value
// per element or row; Reduced joins them. Training uses LinearCrossEntropy.

// Reduced is loss joined by "mean" or "sum", or as it is for "none".
func Reduced(loss *Array, reduction string) *Array {
	present("Reduced", loss)
	switch reduction {
	case "mean":
		return Mean(loss, nil, false)
	case "sum":
		return Sum(loss, nil, false)
	}
	check(reduction == "none", "Reduced", "reduction %q, want none, mean or sum", reduction)
	return loss
}

// takeTarget reads the score of each target along axis.
func takeTarget(scores, targets *Array, axis int) *Array {
	present("CrossEntropyLoss", scores, targets)
	axis = normAxis("CrossEntropyLoss", axis, len(scores.shape))
	return Squeeze(TakeAlongAxis(scores, ExpandDims(targets, axis), axis), axis)
}

// CrossEntropyLoss is the cross-entropy of logits along axis with targets: class
// indices, or probabilities of logits' shape. smoothing moves that share of the
// target's weight to all classes; weights (nil for none) scale the result.
// Mirrors nn.losses.cross_entropy.
func CrossEntropyLoss(logits, targets, weights *Array, axis int, smoothing float64) *Array {
	present("CrossEntropyLoss", logits, targets)
	check(smoothing >= 0 && smoothing < 1, "CrossEntropyLoss", "label smoothing %g, want [0, 1)", smoothing)
	over := []int{axis}
	logits = Subtract(logits, StopGradient(Max(logits, over, true)))
	var score *Array
	if len(targets.shape) == len(logits.shape) {
		score = Sum(Multiply(logits, targets), over, false)
	} else {
		score = takeTarget(logits, targets, axis)
	}
	loss := LogSumExp(logits, over, false)
	if smoothing > 0 {
		smoothed := Multiply(Negative(Mean(logits, over, false)), smoothing)
		loss = Add(Subtract(loss, Multiply(1-smoothing, score)), smoothed)
	} else {
		loss = Subtract(loss, score)
	}
	if weights != nil {
		loss = Multiply(loss, weights)
	}
	return loss
}

// BinaryCrossEntropyLoss is the loss of logits, or of probabilities unless
// withLogits is set, against targets in [0, 1]. Mirrors
// nn.losses.binary_cross_entropy.
func BinaryCrossEntropyLoss(inputs, targets, weights *Array, withLogits bool) *Array {
	var loss *Array
	if withLogits {
		loss = Subtract(LogAddExp(0.0, inputs), Multiply(inputs, targets))
	} else {
		p, q := Clip(Log(inputs), -100, nil), Clip(Log(Subtract(1, inputs)), -100, nil)
		loss = Negative(Add(Multiply(targets, p), Multiply(Subtract(1, targets), q)))
	}
	if weights != nil {
		loss = Multiply(loss, weights)
	}
	return loss
}

// L1Loss is |a-b|. Mirrors nn.losses.l1_loss.
func L1Loss(a, b *Array) *Array { return Abs(Subtract(a, b)) }

// MSELoss is (a-b)². Mirrors nn.losses.mse_loss.
func MSELoss(a, b *Array) *Array { return Square(Subtract(a, b)) }

// NLLLoss is minus the log probability of each target. Mirrors
// nn.losses.nll_loss.
func NLLLoss(inputs, targets *Array, axis int) *Array {
	return Negative(takeTarget(inputs, targets, axis))
}

// GaussianNLLLoss is the negative log likelihood of targets under means inputs
// and variances vars; full adds the constant. Mirrors
// nn.losses.gaussian_nll_loss.
func GaussianNLLLoss(inputs, targets, vars *Array, full bool, eps float64) *Array {
	vars = Maximum(vars, eps)
	loss := Multiply(0.5, Add(Log(vars), Divide(Square(Subtract(targets, inputs)), vars)))
	if full {
		loss = Add(loss, 0.5*math.Log(2*math.Pi))
	}
	return loss
}

// KLDivLoss is Σ e^t·(t-x) along axis for log probabilities. Mirrors
// nn.losses.kl_div_loss.
func KLDivLoss(inputs, targets *Array, axis int) *Array {
	return Sum(Multiply(Exp(targets), Subtract(targets, inputs)), []int{axis}, false)
}

// SmoothL1Loss is quadratic within beta of the target and linear outside.
// Mirrors nn.losses.smooth_l1_loss.
func SmoothL1Loss(a, b *Array, beta float64) *Array {
	d := Abs(Subtract(a, b))
	return Where(Less(d, beta), Divide(Multiply(0.5, Square(d)), beta), Subtract(Abs(d), 0.5*beta))
}

// HuberLoss is SmoothL1Loss times delta. Mirrors nn.losses.huber_loss.
func HuberLoss(a, b *Array, delta float64) *Array {
	d := Abs(Subtract(a, b))
	quadratic := Minimum(d, delta)
	return Add(Multiply(0.5, Power(quadratic, 2)), Multiply(delta, Subtract(d, quadratic)))
}

// TripletLoss wants anchors nearer to positives than to negatives by margin, in
// the p-norm along axis. Mirrors nn.losses.triplet_loss.
func TripletLoss(anchors, positives, negatives *Array, axis int, p, margin, eps float64) *Array {
	distance := func(b *Array) *Array {
		return Power(Add(Sum(Power(Abs(Subtract(anchors, b)), p), []int{axis}, false), eps), 1/p)
	}
	return Maximum(Add(Subtract(distance(positives), distance(negatives)), margin), 0)
}

// HingeLoss is max(1-x·t, 0). Mirrors nn.losses.hinge_loss.
func HingeLoss(inputs, targets *Array) *Array {
	return Maximum(Subtract(1, Multiply(inputs, targets)), 0)
}

// LogCoshLoss is ln cosh(a-b). Mirrors nn.losses.log_cosh_loss.
func LogCoshLoss(a, b *Array) *Array {
	e := Subtract(a, b)
	return Subtract(LogAddExp(e, Negative(e)), math.Ln2)
}

// L2Norm is the Euclidean norm along axes (nil: all). Mirrors mx.linalg.norm.
func L2Norm(a *Array, axes []int, keepDims bool) *Array {
	return Sqrt(Sum(Square(a), axes, keepDims))
}

// CosineSimilarityLoss is the cosine of the angle between rows along axis.
// Mirrors nn.losses.cosine_similarity_loss.
func CosineSimilarityLoss(a, b *Array, axis int, eps float64) *Array {
	over := []int{axis}
	norms := Multiply(L2Norm(a, over, false), L2Norm(b, over, false))
	return Divide(Sum(Multiply(a, b), over, false), Maximum(norms, eps))
}

// MarginRankingLoss is max(0, -t·(a-b) + margin). Mirrors
// nn.losses.margin_ranking_loss.
func MarginRankingLoss(a, b, targets *Array, margin float64) *Array {
	return Maximum(0, Add(Multiply(Negative(targets), Subtract(a, b)), margin))
}
